"""A supervised two-tower network over DRR's own state: what imitation alone reaches."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from baselines.matrices import as_matrix, positives
from baselines.supervised import SupervisedNetwork, softmax_loss
from config import AgentConfig
from data.ratings import Ratings
from embedding.svd import fit_svd
from evaluation.policy import FloatArray, IntArray, States, take
from recommender.state import Features, Observation, StateRepresentation

BATCH = 256


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
        nothing = tf.fill([1, window], -1)
        self(tf.zeros([1], tf.int32), nothing, tf.zeros([1, window]), tf.ones([1, window]))

    def call(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        ratings: tf.Tensor,
        keep: tf.Tensor,
        training: bool = False,
    ) -> tf.Tensor:
        """users [B], items, ratings and keep [B, n] -> [B, k]."""
        # Only the window is told: a log has no refused recommendations to learn from.
        observation = Observation(users, items, ratings, items, tf.zeros_like(ratings))
        state = self.state(observation, keep)
        state = self.dropout[0](state, training=training)
        hidden = self.dropout[1](self.first(state), training=training)
        hidden = self.dropout[2](self.second(hidden), training=training)
        return self.vector(hidden) + self.direct(state)


class TwoTower(SupervisedNetwork):
    """scores = tower(state) . item vector + item bias, by softmax cross-entropy on later positives.

    A training example is a user's window (his first `known` ratings, or in a share `random_start` a
    random one) and his other positives. `among` "catalogue": the softmax runs over all items;
    "rated": over those the user rated, for protocols that only order these. `positive_window`:
    windows of positive ratings only.
    """

    name = "two-tower"
    adaptive = False

    def __init__(
        self,
        *,
        k: int = 100,
        window: int = 20,
        known: int = 10,
        steps: int = 1300,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        random_start: float = 0.7,
        dropout: float = 0.5,
        item_dropout: float = 0.2,
        among: str = "catalogue",
        positive_window: bool = False,
        seed: int = 0,
    ) -> None:
        if among not in ("catalogue", "rated"):
            raise ValueError(f"among: got {among!r}, choose 'catalogue' or 'rated'")
        self.k, self.window, self.steps, self.random_start = k, window, steps, random_start
        self.known = min(window, known)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.item_dropout, self.among, self.positive_window = item_dropout, among, positive_window
        self.config = AgentConfig(dropout=dropout, item_dropout=item_dropout, refused=False)
        self.seed = seed

    @property
    def min_window(self) -> int:
        """n; see Policy."""
        return self.window

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        items, ratings = self._fitted(states.window_items), self._fitted(states.window_ratings)
        keep = np.ones(items.shape, np.float32)
        vectors = self.network(states.users.astype(np.int32), items, ratings, keep).numpy()
        return take(vectors @ self.items.T + self.network.bias.numpy(), candidates)

    def _fitted(self, window: np.ndarray) -> np.ndarray:
        """The protocol's window [B, m] cut or left-padded to the network's n."""
        missing = max(self.window - window.shape[1], 0)
        fill = -1 if window.dtype == np.int32 else 0
        padded = np.pad(window, ((0, 0), (missing, 0)), constant_values=fill)
        return padded[:, padded.shape[1] - self.window :]

    def build(self, ratings: Ratings) -> None:
        table = fit_svd(ratings, self.k)
        self.items = table.items  # [I, k]
        features = Features(table, ratings.demographics, ratings.scale)
        self.network = UserTower(self.config, self.window, features, self.seed)

    def loss(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        ratings: tf.Tensor,
        keep: tf.Tensor,
        allowed: tf.Tensor,
        targets: tf.Tensor,
    ) -> tf.Tensor:
        vectors = self.network(users, items, ratings, keep, training=True)
        logits = tf.matmul(vectors, self.items, transpose_b=True) + self.network.bias
        return softmax_loss(logits, allowed, targets)

    def batches(
        self, ratings: Ratings, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """users [B], items, ratings, keep [B, n], allowed, targets [B, I]."""
        liked, rated = positives(ratings), as_matrix(ratings, np.ones(ratings.n_ratings))
        shown = ratings.keep(ratings.positive) if self.positive_window else ratings
        users = np.flatnonzero((shown.lengths > 1) & (ratings.lengths > 1))
        rows = np.arange(BATCH)[:, None]
        for _ in range(self.steps):
            chosen = rng.choice(users, BATCH).astype(np.int32)
            places, known = self._windows(shown, chosen, rng)
            items = np.where(known, shown.items[places], -1)
            targets = liked[chosen].toarray()
            allowed = rated[chosen].toarray() if self.among == "rated" else np.ones_like(targets)
            hidden = np.where(known, items, items[:, -1:])  # the last place is always filled
            targets[rows, hidden] = allowed[rows, hidden] = 0
            values = np.where(known, shown.values[places], 0).astype(np.float32)
            keep = (rng.random(items.shape) >= self.item_dropout).astype(np.float32)
            yield chosen, items.astype(np.int32), values, keep, allowed, targets

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
