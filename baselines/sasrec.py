"""SASRec: self-attention over the history (Kang and McAuley, 2018), with a full softmax."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from baselines.network_baselines import SupervisedNetwork
from baselines.profile import positive_counts
from data.observation import FloatArray, IntArray, Observation, latest
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import coordinates

TARGETS = 16  # drawn at each of them, with replacement
LEVELS = 5
INITIAL_SCALE = 0.1  # standard deviation of the first item vectors


class SelfAttention(keras.Model):
    """Items and ratings [B, L] -> one vector per place [B, L, k], and logits by the item table."""

    def __init__(
        self, n_items: int, length: int, k: int, blocks: int, dropout: float, seed: int
    ) -> None:
        super().__init__()
        self.n_items = n_items
        self.items = keras.layers.Embedding(n_items + 1, k)  # the last row is the padding
        self.levels = keras.layers.Embedding(LEVELS, k)
        self.places = keras.layers.Embedding(length, k)
        self.bias = self.add_weight(shape=(n_items,), initializer="zeros", name="bias")
        self.attention = [
            keras.layers.MultiHeadAttention(2, k // 2, dropout=dropout, seed=seed + i)
            for i in range(blocks)
        ]
        self.inner = [keras.layers.Dense(k, activation="relu") for _ in range(blocks)]
        self.outer = [keras.layers.Dense(k) for _ in range(blocks)]
        self.norms = [keras.layers.LayerNormalization() for _ in range(2 * blocks + 1)]
        self.dropout = keras.layers.Dropout(dropout, seed=seed + blocks)
        self(tf.zeros([1, length], tf.int32), tf.zeros([1, length], tf.int32))

    def call(self, items: tf.Tensor, levels: tf.Tensor, training: bool = False) -> tf.Tensor:
        """items [B, L] (-1: padding on the left), rating levels [B, L] -> [B, L, k]."""
        filled = items >= 0
        x = self.items(tf.where(filled, items, self.n_items)) + self.levels(levels)
        x = self.dropout(x + self.places(tf.range(tf.shape(items)[1])), training=training)
        x *= tf.cast(filled, tf.float32)[..., None]
        for i, attention in enumerate(self.attention):
            normed = self.norms[2 * i](x)
            x += attention(
                normed, x, attention_mask=filled[:, None], use_causal_mask=True, training=training
            )
            inner = self.inner[i](self.norms[2 * i + 1](x))
            x += self.dropout(self.outer[i](inner), training=training)
        return self.norms[-1](x)

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """vectors [M, k] -> [M, I]."""
        table = self.items.embeddings[: self.n_items]
        return tf.matmul(vectors, table, transpose_b=True) + self.bias


@dataclass(kw_only=True, eq=False)
class SASRec(SupervisedNetwork):
    """scores = logits after the last item of the history, rated answers included.

    Trained on stretches of at most `length` ratings of a user, which end anywhere in a share
    `random_start` of the examples, else among his first `length`, as those of new users do. At
    `positions` places the targets are drawn from the next `horizon` positives (1: the published
    next-item task).
    Item vectors start from the SVD of the positives.
    """

    name = "sasrec"
    adaptive = False

    k: int = 64
    length: int = 30
    blocks: int = 2
    dropout: float = 0.3
    horizon: int = 1000
    steps: int = 600
    batch: int = 128
    positions: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    random_start: float = 0.3
    seed: int = 0

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        items = np.hstack([observation.known_items, observation.shown_items])
        ratings = np.hstack([observation.known_ratings, observation.shown_ratings])
        rated = (items >= 0) & np.isfinite(ratings)
        items, ratings = latest(items, ratings, rated, self.length)
        vectors = self.network(items, self._levels(ratings))[:, -1]  # [B, k]
        return scores_at(self.network.logits(vectors).numpy(), candidates)

    def build(self, ratings: Ratings) -> None:
        self.scale = ratings.scale
        self.network = SelfAttention(
            ratings.n_items, self.length, self.k, self.blocks, self.dropout, self.seed
        )

    def initialise(self, ratings: Ratings, rng: np.random.Generator) -> None:
        """Item vectors by SVD and log-popularity as their bias: minutes less of training."""
        super().initialise(ratings, rng)
        vectors = coordinates(ratings, self.k)
        vectors = INITIAL_SCALE * vectors / max(float(vectors.std()), 1e-12)
        padding = np.zeros((1, self.k), np.float32)
        self.network.items.embeddings.assign(np.vstack([vectors, padding]))
        self.network.bias.assign(np.log1p(positive_counts(ratings)).astype(np.float32))

    def _levels(self, ratings: FloatArray) -> IntArray:
        low, high = self.scale
        levels = np.rint((ratings - low) / (high - low) * (LEVELS - 1))
        return np.clip(levels, 0, LEVELS - 1).astype(np.int32)

    def loss(
        self, items: tf.Tensor, levels: tf.Tensor, places: tf.Tensor, targets: tf.Tensor
    ) -> tf.Tensor:
        """items, levels [B, L]; places [B, P]; targets [B, P, TARGETS], -1: none."""
        vectors = self.network(items, levels, training=True)
        chosen = tf.reshape(tf.gather(vectors, places, batch_dims=1), [-1, self.k])
        logits = self.network.logits(chosen)  # [B P, I]
        labels = tf.reshape(targets, [-1, TARGETS])
        hit = tf.reduce_mean(tf.gather(logits, tf.maximum(labels, 0), batch_dims=1), axis=1)
        losses = tf.reduce_logsumexp(logits, axis=1) - hit
        real = tf.cast(labels[:, 0] >= 0, tf.float32)
        return tf.reduce_sum(losses * real) / tf.maximum(tf.reduce_sum(real), 1.0)

    def batches(
        self, ratings: Ratings, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """items, levels [B, L]; places [B, P]; targets [B, P, TARGETS]."""
        positives = np.flatnonzero(ratings.positive)  # places of positives, [M]
        following = np.searchsorted(positives, np.arange(ratings.n_ratings), side="right")
        last = np.searchsorted(positives, ratings.offsets[1:])  # [U]
        users = np.flatnonzero(ratings.lengths > 1)
        for _ in range(self.steps):
            chosen = rng.choice(users, self.batch)
            begins, lengths = ratings.offsets[chosen], ratings.lengths[chosen]
            later = rng.integers(1, lengths)
            random = rng.random(self.batch) < self.random_start
            early = rng.integers(1, np.minimum(self.length, lengths - 1) + 1)
            ends = np.where(random, later, early)  # [B]
            steps = ends[:, None] + np.arange(-self.length, 0)  # [B, L]
            rows = begins[:, None] + np.maximum(steps, 0)
            items = np.where(steps >= 0, ratings.items[rows], -1).astype(np.int32)
            filled = np.minimum(ends, self.length)[:, None]
            places = self.length - 1 - rng.integers(0, filled, (self.batch, self.positions))
            first = following[np.take_along_axis(rows, places, axis=1)][..., None]
            stop = np.minimum(last[chosen][:, None, None], first + self.horizon)
            drawn = rng.integers(
                first, np.maximum(stop, first + 1), (self.batch, self.positions, TARGETS)
            )
            drawn = np.minimum(drawn, len(positives) - 1)
            targets = np.where(first < stop, ratings.items[positives[drawn]], -1).astype(np.int32)
            yield items, self._levels(ratings.values[rows]), places.astype(np.int32), targets
