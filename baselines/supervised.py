"""What the trained networks share: fitting from a seed, the training loop, weights as arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from data.ratings import Ratings
from evaluation.policy import FloatArray


class SupervisedNetwork(ABC):
    """A baseline that is one Keras network, trained to minimise a loss over batches of ratings.

    `batches` yields `steps` batches of one shape; `loss` takes one of them.
    """

    network: keras.Model
    steps: int
    learning_rate: float
    weight_decay: float
    seed: int

    @abstractmethod
    def build(self, ratings: Ratings) -> None:
        """Make `network`, and what is computed from the ratings without training."""

    @abstractmethod
    def batches(
        self, ratings: Ratings, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """The arguments of `loss`, `steps` times."""

    @abstractmethod
    def loss(self, *batch: tf.Tensor) -> tf.Tensor:
        """What one batch costs: a scalar."""

    def initialise(self, ratings: Ratings, rng: np.random.Generator) -> None:
        """Glorot-uniform matrices from `rng`; vectors keep their constants.

        So a network is a function of its seed alone, without touching the process's global seed.
        """
        for weight in self.network.trainable_weights:
            if len(weight.shape) >= 2:
                fan_in, fan_out = int(np.prod(weight.shape[:-1])), weight.shape[-1]
                limit = np.sqrt(6 / (fan_in + fan_out))
                weight.assign(rng.uniform(-limit, limit, weight.shape).astype(np.float32))

    def fit(self, ratings: Ratings) -> Self:
        """Train by AdamW with a cosine rate."""
        rng = np.random.default_rng(self.seed)
        self.build(ratings)
        self.initialise(ratings, rng)
        update = self._update()
        for batch in self.batches(ratings, rng):
            update(*(tf.constant(part) for part in batch))
        return self

    def _update(self) -> Callable[..., Any]:
        """One compiled step of the optimizer on a batch."""
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.steps)
        optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=self.weight_decay, global_clipnorm=5.0
        )
        variables = self.network.trainable_variables
        optimizer.build(variables)

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def update(*batch: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                value = self.loss(*batch)
            optimizer.apply(tape.gradient(value, variables), variables)

        return update  # type: ignore[no-any-return]

    def arrays(self) -> dict[str, FloatArray]:
        """The trained weights in the order of network.weights, numbered, for the cache."""
        return {f"weight{number:03}": w.numpy() for number, w in enumerate(self.network.weights)}

    def restore(self, arrays: dict[str, FloatArray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings; ValueError if the shapes differ."""
        self.build(ratings)
        chosen = [arrays[key] for key in sorted(arrays) if key.startswith("weight")]
        self.network.set_weights(chosen)
        return self


def softmax_loss(logits: tf.Tensor, allowed: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of softmax over the allowed items against uniform targets, mean over users.

    logits [B, I]; allowed, targets [B, I] in {0, 1}; users without a target weigh nothing.
    """
    log_p = tf.nn.log_softmax(tf.where(allowed > 0, logits, -1e9))
    counts = tf.reduce_sum(targets, axis=1)
    per_user = -tf.reduce_sum(targets * tf.where(targets > 0, log_p, 0.0), axis=1)
    per_user /= tf.maximum(counts, 1.0)
    return tf.reduce_sum(per_user) / tf.maximum(tf.reduce_sum(tf.sign(counts)), 1.0)
