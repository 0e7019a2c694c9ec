"""What the trained networks share: seeded weights, the training loop, weights as arrays."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from evaluation.policy import FloatArray


def reinitialise(model: keras.Model, rng: np.random.Generator) -> None:
    """Glorot-uniform matrices from `rng`; vectors keep their constants.

    So a model is a function of its seed alone, without touching the process's global seed.
    """
    for weight in model.trainable_weights:
        if len(weight.shape) >= 2:
            fan_in, fan_out = int(np.prod(weight.shape[:-1])), weight.shape[-1]
            limit = np.sqrt(6 / (fan_in + fan_out))
            weight.assign(rng.uniform(-limit, limit, weight.shape).astype(np.float32))


def train(
    model: keras.Model,
    loss: Callable[..., tf.Tensor],
    batches: Iterable[tuple[np.ndarray, ...]],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Minimise loss(*batch) over `steps` batches of one shape, by AdamW with a cosine rate."""
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, global_clipnorm=5.0)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def update(*batch: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            value = loss(*batch)
        optimizer.apply(tape.gradient(value, variables), variables)

    for batch in batches:
        update(*(tf.constant(part) for part in batch))


def softmax_loss(logits: tf.Tensor, allowed: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of softmax over the allowed items against uniform targets, mean over users.

    logits [B, I]; allowed, targets [B, I] in {0, 1}; users without a target weigh nothing.
    """
    log_p = tf.nn.log_softmax(tf.where(allowed > 0, logits, -1e9))
    counts = tf.reduce_sum(targets, axis=1)
    per_user = -tf.reduce_sum(targets * tf.where(targets > 0, log_p, 0.0), axis=1)
    per_user /= tf.maximum(counts, 1.0)
    return tf.reduce_sum(per_user) / tf.maximum(tf.reduce_sum(tf.sign(counts)), 1.0)


def weights_as_arrays(model: keras.Model) -> dict[str, FloatArray]:
    """The weights in the order of model.weights, numbered."""
    return {f"weight{number:03}": w.numpy() for number, w in enumerate(model.weights)}


def restore_weights(model: keras.Model, arrays: dict[str, FloatArray]) -> None:
    """What `weights_as_arrays` gave; ValueError if the shapes differ."""
    chosen = [arrays[key] for key in sorted(arrays) if key.startswith("weight")]
    model.set_weights(chosen)
