"""Trained networks: what they share, and the two-tower network over DRR's own state."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import keras
import numpy as np
import tensorflow as tf

from baselines.profile import as_matrix, positives
from config import AgentConfig
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import coordinates
from embedding.table import EmbeddingTable
from recommender.state import Features, StateRepresentation


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

        for batch in self.batches(ratings, rng):
            update(*(tf.constant(part) for part in batch))
        return self

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
    counts = tf.reduce_sum(targets, axis=1)
    hit = tf.reduce_sum(targets * logits, axis=1) / tf.maximum(counts, 1.0)
    per_user = tf.reduce_logsumexp(tf.where(allowed > 0, logits, -1e9), axis=1) - hit
    per_user *= tf.sign(counts)
    return tf.reduce_sum(per_user) / tf.maximum(tf.reduce_sum(tf.sign(counts)), 1.0)


class UserTower(keras.Model):
    """State -> two ReLU layers with dropout, and a linear skip -> vector [B, k]."""

    def __init__(self, config: AgentConfig, window: int, features: Features, seed: int) -> None:
        super().__init__()
        self.state = StateRepresentation(config, window, features)
        self.first = keras.layers.Dense(config.actor_hidden, activation="relu")
        self.second = keras.layers.Dense(config.actor_hidden, activation="relu")
        self.direct = keras.layers.Dense(features.table.k)
        self.vector = keras.layers.Dense(features.table.k)
        self.bias = self.add_weight(shape=(features.n_items,), initializer="zeros", name="bias")
        self.dropout = [keras.layers.Dropout(config.dropout, seed=seed + i) for i in range(3)]
        nobody = tf.zeros([1, features.n_demographics])
        self(nobody, tf.fill([1, window], -1), tf.zeros([1, window]), tf.ones([1, window]))

    def call(
        self,
        demographics: tf.Tensor,
        items: tf.Tensor,
        ratings: tf.Tensor,
        keep: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """demographics [B, D]; items, ratings and keep [B, n] -> [B, k]."""
        # Only the window is told: a log has no refused recommendations to learn from.
        nothing = tf.zeros([tf.shape(items)[0], 0])
        observation = Observation(
            users=tf.fill(tf.shape(items)[:1], -1),
            demographics=demographics,
            window_items=items,
            window_ratings=ratings,
            known_items=items,
            known_ratings=ratings,
            shown_items=tf.cast(nothing, tf.int32),
            shown_ratings=nothing,
            shown_rewards=nothing,
        )
        state = self.state(observation, keep)
        state = self.dropout[0](state, training=training)
        hidden = self.dropout[1](self.first(state), training=training)
        hidden = self.dropout[2](self.second(hidden), training=training)
        return self.vector(hidden) + self.direct(state)


@dataclass(kw_only=True, eq=False)
class TwoTower(SupervisedNetwork):
    """scores = tower(state) . item vector + item bias, by softmax cross-entropy on later positives.

    A training example is a user's window (his first `known` ratings, or in a share `random_start` a
    random one) and his other positives. `among` "catalogue": the softmax runs over all items;
    "rated": over those the user rated, for protocols that only order these. `positive_window`:
    windows of positive ratings only. demographics: whether the tower sees them; else zeros.
    """

    name = "two-tower"
    adaptive = False

    k: int = 100
    window: int = 20
    known: int = 10
    steps: int = 1300
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    random_start: float = 0.7
    dropout: float = 0.5
    item_dropout: float = 0.2
    among: str = "catalogue"
    positive_window: bool = False
    demographics: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        self.known = min(self.window, self.known)
        self.config = AgentConfig(
            dropout=self.dropout, item_dropout=self.item_dropout, context="none"
        )

    @property
    def min_window(self) -> int:
        """n; see Policy."""
        return self.window

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        n, room = self.window, observation.widened(self.window)
        items, ratings = room.window_items[:, -n:], room.window_ratings[:, -n:]
        keep = np.ones(items.shape, np.float32)
        people = room.demographics * np.float32(self.demographics)
        vectors = self.network(people, items, ratings, keep).numpy()
        return scores_at(vectors @ self.items.T + self.network.bias.numpy(), candidates)

    def build(self, ratings: Ratings) -> None:
        table = EmbeddingTable.without_biases("svd", ratings, coordinates(ratings, self.k))
        self.items = table.items  # [I, k]
        features = Features(table, ratings.scale, ratings.demographics.shape[1])
        self.network = UserTower(self.config, self.window, features, self.seed)

    def loss(self, *batch: tf.Tensor) -> tf.Tensor:
        *known, allowed, targets = batch
        vectors = self.network(*known, training=True)
        logits = tf.matmul(vectors, self.items, transpose_b=True) + self.network.bias
        return softmax_loss(logits, allowed, targets)

    def batches(
        self, ratings: Ratings, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """demographics [B, D]; items, ratings, keep [B, n]; allowed, targets [B, I]."""
        liked, rated = positives(ratings), as_matrix(ratings, np.ones(ratings.n_ratings))
        shown = ratings.keep(ratings.positive) if self.positive_window else ratings
        users = np.flatnonzero((shown.lengths > 1) & (ratings.lengths > 1))
        rows = np.arange(self.batch)[:, None]
        for _ in range(self.steps):
            chosen = rng.choice(users, self.batch)
            places, known = self._windows(shown, chosen, rng)
            items = np.where(known, shown.items[places], -1)
            targets = liked[chosen].toarray()
            allowed = rated[chosen].toarray() if self.among == "rated" else np.ones_like(targets)
            hidden = np.where(known, items, items[:, -1:])  # the last place is always filled
            targets[rows, hidden] = allowed[rows, hidden] = 0
            values = np.where(known, shown.values[places], 0).astype(np.float32)
            keep = (rng.random(items.shape) >= self.item_dropout).astype(np.float32)
            people = ratings.demographics[chosen] * np.float32(self.demographics)
            yield people, items.astype(np.int32), values, keep, allowed, targets

    def _windows(
        self, shown: Ratings, users: IntArray, rng: np.random.Generator
    ) -> tuple[IntArray, np.ndarray]:
        """Places [B, n] in `shown` of one window per user, and which are filled [B, n]."""
        lengths = shown.lengths[users]
        first = np.where(lengths > self.known, self.known, np.maximum(lengths // 2, 1))
        later = rng.integers(first, np.maximum(lengths, first + 1))
        ends = np.where(rng.random(len(users)) < self.random_start, later, first)
        steps = ends[:, None] + np.arange(-self.window, 0)  # [B, n]
        return shown.offsets[users][:, None] + np.maximum(steps, 0), steps >= 0
