"""The matrix products of one update: how many operations they are, and how fast they are alone."""

import tensorflow as tf

Size = tuple[int, int]


def layers(state: int, hidden: int, action: int) -> tuple[list[Size], list[Size]]:
    """(inputs, outputs) of the layers of the paper's actor and critic."""
    actor = [(state, hidden), (hidden, hidden), (hidden, action)]
    critic = [(state, action), (2 * action, hidden), (hidden, hidden), (hidden, 1)]
    return actor, critic


def update_flops(batch: int, state: int = 300, hidden: int = 128, action: int = 100) -> int:
    """Floating-point operations of the matrix products of one update of Algorithm 1.

    A layer from i inputs to o outputs has w = i o weights. Its output, the gradient of its weights
    and the gradient of its inputs are one product of 2 B w operations each. With A and C for the sum
    of w over actor and critic, C_1 for the critic's layer on the state and A_1 for the actor's first:

        TD target    output of target actor and target critic                     A + C
        critic       output, weights, inputs (the state is trained with it)       3 C
        actor        output of actor and critic, gradient back through the        A + C + C - C_1
                     critic to the action, the actor's weights, its inputs        + A + A - A_1

    2 B (4 A + 6 C - C_1 - A_1) in total: 41 million with B = 32 and the sizes above. Activations,
    optimizers, soft updates and the state representation are time, but no operations here.
    """
    actor, critic = layers(state, hidden, action)
    a, c = (sum(inputs * outputs for inputs, outputs in sizes) for sizes in (actor, critic))
    return 2 * batch * (4 * a + 6 * c - critic[0][0] * critic[0][1] - actor[0][0] * actor[0][1])


def _products_alone(
    actor: list[tf.Tensor], critic: list[tf.Tensor], states: tf.Tensor, actions: tf.Tensor
) -> list[tf.Tensor]:
    """The products of M updates, and nothing between them: the ceiling for the real update.

    Networks without biases and activations, whose weights stay as they are. states [M, B, S],
    actions [M, B, k]; returns the last update's gradients, so that none is left out.
    """
    gradients = [tf.zeros_like(weights) for weights in critic + actor]
    for index in tf.range(states.shape[0]):
        state, action = states[index], actions[index]
        following = states[-1 - index]
        # TD target
        *_, error = _critic(critic, following, _actor(actor, following)[-1])
        # critic
        values = _critic(critic, state, action)
        critic_gradients, to_state = _critic_back(critic, state, values, values[-1] - error)
        # actor
        steps = _actor(actor, state + to_state)
        values = _critic(critic, state, steps[-1])
        gradients = critic_gradients + _actor_back(
            actor, state, steps, _to_action(critic, values[-1])
        )
    return gradients


products_alone = tf.function(_products_alone, jit_compile=True)


def _actor(weights: list[tf.Tensor], state: tf.Tensor) -> list[tf.Tensor]:
    """Outputs of the layers."""
    outputs = [state]
    for matrix in weights:
        outputs.append(tf.matmul(outputs[-1], matrix))
    return outputs[1:]


def _critic(weights: list[tf.Tensor], state: tf.Tensor, action: tf.Tensor) -> list[tf.Tensor]:
    """Inputs of the layers behind the first, and Q."""
    values = [tf.concat([action, tf.matmul(state, weights[0])], axis=1)]
    for matrix in weights[1:]:
        values.append(tf.matmul(values[-1], matrix))
    return values


def _critic_back(
    weights: list[tf.Tensor], state: tf.Tensor, values: list[tf.Tensor], gradient: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Gradients of the weights, and of the state."""
    gradients = []
    for matrix, inputs in zip(weights[:0:-1], values[-2::-1], strict=True):
        gradients.append(tf.matmul(inputs, gradient, transpose_a=True))
        gradient = tf.matmul(gradient, matrix, transpose_b=True)
    gradient = gradient[:, -weights[0].shape[1] :]
    gradients.append(tf.matmul(state, gradient, transpose_a=True))
    return gradients[::-1], tf.matmul(gradient, weights[0], transpose_b=True)


def _to_action(weights: list[tf.Tensor], gradient: tf.Tensor) -> tf.Tensor:
    """Gradient of the action, from that of Q."""
    for matrix in weights[:0:-1]:
        gradient = tf.matmul(gradient, matrix, transpose_b=True)
    return gradient[:, : -weights[0].shape[1]]


def _actor_back(
    weights: list[tf.Tensor], state: tf.Tensor, outputs: list[tf.Tensor], gradient: tf.Tensor
) -> list[tf.Tensor]:
    """Gradients of the weights."""
    inputs = [state, *outputs[:-1]]
    gradients = []
    for place in reversed(range(len(weights))):
        gradients.append(tf.matmul(inputs[place], gradient, transpose_a=True))
        if place:
            gradient = tf.matmul(gradient, weights[place], transpose_b=True)
    return gradients[::-1]
