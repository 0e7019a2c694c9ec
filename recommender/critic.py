"""Critics: Q(s, a), the expected discounted reward of action a in state s (section IV.A.2)."""

import keras
import tensorflow as tf

from recommender.softmax_policy import SoftmaxPolicy


class Critic(keras.Model):
    """The paper's: a ReLU layer on the state, joined with the action, two ReLU layers, a scalar.

    The action comes first in the concatenation, as in the weights that earlier repositories saved.

    Args:
        embedding_dim: k, the size of the action and of the state layer.
        hidden_dim: units of the two ReLU layers behind the concatenation.
        state_dim: size of the state; 3 k (DRR-ave) when it is None.
        start_at_zero: Q is zero at first.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 128,
        *,
        state_dim: int | None = None,
        start_at_zero: bool = False,
        name: str = "critic",
    ) -> None:
        super().__init__(name=name)
        self.state_dim = 3 * embedding_dim if state_dim is None else state_dim
        self.hidden_state = keras.layers.Dense(
            embedding_dim, activation="relu", name="hidden_state"
        )
        self.hidden_1 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.q_value = keras.layers.Dense(1, kernel_initializer=kernel, name="q_value")
        self(tf.zeros([1, self.state_dim]), tf.zeros([1, embedding_dim]))

    def call(self, state: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """state [B, S], action [B, k] -> Q [B, 1]."""
        joined = tf.concat([action, self.hidden_state(state)], axis=-1)
        return self.q_value(self.hidden_2(self.hidden_1(joined)))

    def q_items(self, state: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """state [B, S], item embeddings [B, C, k] -> Q of each item as the action [B, C]."""
        count = tf.shape(items)[1]
        states = tf.repeat(state, count, axis=0)  # [B C, S]
        q = self(states, tf.reshape(items, [-1, items.shape[-1]]))
        return tf.reshape(q, [-1, count])

    def q_policy(self, state: tf.Tensor, policy: SoftmaxPolicy) -> tf.Tensor:
        """Q of the mean item under a policy [B]."""
        return self(state, policy.mean_item())[:, 0]


class BilinearCritic(keras.Model):
    """Q(s, a) = f(s) . a + g(s): linear in the action, so it cannot explode between two items.

    A deviation from the paper (`--agent.critic mlp` is the paper's); arguments as in `Critic`.
    """

    def __init__(
        self,
        embedding_dim: int = 100,
        hidden_dim: int = 256,
        *,
        state_dim: int | None = None,
        start_at_zero: bool = False,
        name: str = "bilinear_critic",
    ) -> None:
        super().__init__(name=name)
        self.state_dim = 3 * embedding_dim if state_dim is None else state_dim
        self.hidden_1 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_1")
        self.hidden_2 = keras.layers.Dense(hidden_dim, activation="relu", name="hidden_2")
        kernel = "zeros" if start_at_zero else "glorot_uniform"
        self.direction = keras.layers.Dense(
            embedding_dim, kernel_initializer=kernel, name="direction"
        )
        self.direction_skip = keras.layers.Dense(
            embedding_dim, use_bias=False, kernel_initializer=kernel, name="direction_skip"
        )
        self.baseline = keras.layers.Dense(1, kernel_initializer=kernel, name="baseline")
        self(tf.zeros([1, self.state_dim]), tf.zeros([1, embedding_dim]))

    def heads(self, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """state [B, S] -> f(s) [B, k], g(s) [B, 1]."""
        hidden = self.hidden_2(self.hidden_1(state))
        return self.direction(hidden) + self.direction_skip(state), self.baseline(hidden)

    def call(self, state: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """state [B, S], action [B, k] -> Q [B, 1]."""
        direction, baseline = self.heads(state)
        return tf.reduce_sum(direction * action, axis=-1, keepdims=True) + baseline

    def q_items(self, state: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """state [B, S], item embeddings [B, C, k] -> Q of each item as the action [B, C]."""
        direction, baseline = self.heads(state)
        return tf.einsum("bk,bck->bc", direction, items) + baseline

    def q_policy(self, state: tf.Tensor, policy: SoftmaxPolicy) -> tf.Tensor:
        """Q of the mean item under a policy [B]: because Q is linear, the mean Q of its items."""
        direction, baseline = self.heads(state)
        return policy.expected(direction) + baseline[:, 0]
