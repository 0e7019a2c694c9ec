"""The state module: from what is known of a user to the vector that actor and critic see.

Shapes: B batch, n window, k embedding size, S state size. A window shorter than n is masked: its
empty places contribute exact zeros, never a real item. How the window becomes a vector is up to
`recommender.representations`.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf

from config import AgentConfig
from embedding.table import EmbeddingTable
from recommender.representations import REPRESENTATIONS, average

RATING_LEVELS = 5
REFUSED_SCALE = 5.0  # brings the sum of an episode's refused items to the size of g


class Observation(NamedTuple):
    """What the agent knows of B users: users [B]; items, ratings [B, n], oldest first, -1 empty;
    seen, rewards [B, n + t] (-1 empty): the first window, then what was recommended since and how
    it was received; none of it may be shown again. profile [B, k]: the users' vectors, solved from all
    they rated before; where it is None, the training sessions' own stand in for it."""

    users: tf.Tensor
    items: tf.Tensor
    ratings: tf.Tensor
    seen: tf.Tensor
    seen_rewards: tf.Tensor
    profile: tf.Tensor | None = None

    @classmethod
    def of(cls, source: Mapping[str, tf.Tensor]) -> Self:
        """From the fields of a stored transition or of an environment's state."""
        return cls(*(source[name] for name in cls._fields if name != "profile"))


class Features:
    """What is fixed during training, as constant tensors.

    Attributes:
        items: item vectors [I, k].
        padded: the same with a last row of zeros, for empty places [I + 1, k].
        item_bias: [I].
        demographics: [U + 1, D]; the last row, zeros, is user -1: someone unknown.
        scale: lowest and highest rating.
        table: the embedding, which folds in unseen users.
        profiles: the training sessions' user vectors [U, k], or None.
    """

    def __init__(
        self,
        table: EmbeddingTable,
        demographics: np.ndarray,
        scale: tuple[float, float],
        profiles: np.ndarray | None = None,
    ) -> None:
        self.table, self.scale = table, scale
        self.items = tf.constant(table.items)
        self.padded = tf.concat([self.items, tf.zeros([1, table.k])], axis=0)
        self.item_bias = tf.constant(table.item_bias)
        nobody = np.zeros([1, demographics.shape[1]], np.float32)
        self.demographics = tf.constant(np.vstack([demographics, nobody]), tf.float32)
        self.profiles = None if profiles is None else tf.constant(profiles, tf.float32)

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.items.shape[0])

    def profile(self, observation: Observation) -> tf.Tensor:
        """u: the users' vectors [B, k] from all they rated before the episode."""
        if observation.profile is None:
            return tf.gather(self.profiles, observation.users)
        return observation.profile


class ItemWeights(keras.layers.Layer):
    """The scalars w_a of equations 5 to 9: one per position, optionally times one per rating."""

    def __init__(
        self, window: int, by_rating: bool, scale: tuple[float, float], name: str = "item_weights"
    ) -> None:
        super().__init__(name=name)
        self.scale = scale
        self.position = self.add_weight(shape=(window,), initializer="ones", name="position")
        self.rating = (
            self.add_weight(shape=(RATING_LEVELS,), initializer="ones", name="rating")
            if by_rating
            else None
        )
        self.built = True

    def call(self, ratings: tf.Tensor) -> tf.Tensor:
        """ratings [B, n] -> w [B, n]; a rating falls in one of five equal steps of the scale."""
        weights = tf.broadcast_to(self.position, tf.shape(ratings))
        if self.rating is None:
            return weights
        low, high = self.scale
        level = tf.round((ratings - low) / (high - low) * (RATING_LEVELS - 1))
        level = tf.clip_by_value(tf.cast(level, tf.int32), 0, RATING_LEVELS - 1)
        return weights * tf.gather(self.rating, level)


class Refused(keras.layers.Layer):
    """What the user did not like in this episode, which the paper's state forgets (a deviation).

    The sum of the refused items' vectors, weighted by one learned scalar per reward level, and
    their number: [B, k + 1]. A sum, because evidence adds up; a mean forgets how often.
    """

    def __init__(self, window: int, features: Features, name: str = "refused") -> None:
        super().__init__(name=name)
        self.window, self._features = window, features
        self.level = self.add_weight(shape=(3,), initializer="ones", name="level")
        self.built = True

    def call(self, seen: tf.Tensor, rewards: tf.Tensor) -> tf.Tensor:
        """seen, rewards [B, n + t] -> [B, k + 1]; the first n were the start, not refused."""
        seen, rewards = seen[:, self.window :], rewards[:, self.window :]
        refused = tf.cast((seen >= 0) & (rewards <= 0), tf.float32)  # [B, t]
        count = tf.reduce_sum(refused, axis=1, keepdims=True)
        level = tf.clip_by_value(tf.cast(tf.round(-2.0 * rewards), tf.int32), 0, 2)
        weights = refused * tf.gather(self.level, level) / REFUSED_SCALE
        vectors = tf.gather(self._features.padded, tf.where(seen < 0, self._features.n_items, seen))
        return tf.concat(
            [tf.einsum("bt,btk->bk", weights, vectors), count / (2 * REFUSED_SCALE)], axis=1
        )


class StateRepresentation(keras.Model):
    """Observation -> state vector, with the learned weights that belong to it.

    Args:
        config: which representation, which item weights, which user vector.
        window: n.
        features: item vectors, demographics and rating range.
    """

    def __init__(
        self, config: AgentConfig, window: int, features: Features, name: str = "state"
    ) -> None:
        super().__init__(name=name)
        k = features.table.k
        self.window = window
        self.represent = REPRESENTATIONS[config.state]()
        self.size = self.represent.size(window, k) + (k + 1 if config.refused else 0)
        self.item_dropout = config.item_dropout
        self._features = features
        self._kind, self._positives_only = config.user_vector, config.positives_only
        learned = self.represent.needs_user and config.user_vector == "learned"
        self.item_weights = (
            ItemWeights(window, config.item_weights == "position-rating", features.scale)
            if self.represent.needs_weights or learned
            else None
        )
        self.user_vector = keras.layers.Dense(k, name="user_vector") if learned else None
        self.refused = Refused(window, features) if config.refused else None
        nothing, zeros = tf.fill([1, window], -1), tf.zeros([1, window])
        self(Observation(tf.zeros([1], tf.int32), nothing, zeros, nothing, zeros, tf.zeros([1, k])))

    def call(self, observation: Observation, keep: tf.Tensor | None = None) -> tf.Tensor:
        """Observation of B users -> state [B, S]; keep [B, n] hides items where it is 0."""
        mask = tf.cast(observation.items >= 0, tf.float32)  # [B, n]
        if self._positives_only:
            mask *= tf.cast(observation.ratings > sum(self._features.scale) / 2, tf.float32)
        if keep is not None:
            mask = mask * keep
        ids = tf.where(mask > 0, observation.items, self._features.n_items)
        items = tf.gather(self._features.padded, ids)  # [B, n, k]
        weighted = None
        if self.item_weights is not None:
            weights = self.item_weights(observation.ratings) * mask
            weighted = weights[..., None] * items
        user = self._user(observation, weighted, mask) if self.represent.needs_user else None
        state = self.represent(items, weighted, user, mask)
        if self.refused is None:
            return state
        return tf.concat([state, self.refused(observation.seen, observation.seen_rewards)], axis=1)

    def _user(
        self, observation: Observation, weighted: tf.Tensor | None, mask: tf.Tensor
    ) -> tf.Tensor:
        if self._kind == "pretrained":
            return self._features.profile(observation)
        if self.user_vector is None:
            return fold_in(self._features, observation, mask)
        last = self._features.demographics.shape[0] - 1
        users = tf.where(observation.users < 0, last, observation.users)
        who = tf.gather(self._features.demographics, users)
        return self.user_vector(tf.concat([average(weighted, mask), who], axis=1))


def fold_in(features: Features, observation: Observation, mask: tf.Tensor) -> tf.Tensor:
    """The user vector [B, k] that fits the window's ratings: ridge regression in its dual form.

    u = V' (V V' + lambda I)^-1 (r - mean - bias), V [n, k] the window's item vectors: the same as
    `EmbeddingTable.fold_in`, inside the compiled graph. A user bias, where the model has one, is a
    further feature of every item, solved jointly and dropped.
    """
    table, ids = features.table, tf.maximum(observation.items, 0)
    vectors = tf.gather(features.items, ids) * mask[..., None]  # [B, n, k]
    residual = (observation.ratings - table.mean - tf.gather(features.item_bias, ids)) * mask
    strength = table.regularisation + table.per_rating * tf.reduce_sum(mask, axis=1)  # [B]
    gram = tf.matmul(vectors, vectors, transpose_b=True)  # [B, n, n]
    if table.bias_regularisation is not None:
        both = mask[:, :, None] * mask[:, None, :]
        gram += (strength / table.bias_regularisation)[:, None, None] * both
    ridge = strength[:, None, None] * tf.eye(vectors.shape[1])
    solution = solve(gram + ridge, residual)
    return tf.matmul(vectors, solution[..., None], transpose_a=True)[..., 0]


def solve(matrix: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """matrix^-1 right, of positive definite matrices [B, n, n] and right [B, n]: [B, n].

    Gauss-Jordan elimination, unrolled, because XLA makes a Cholesky decomposition a loop of tiny
    products that takes longer than all the rest of an update.
    """
    rows = tf.concat([matrix, right[..., None]], axis=2)  # [B, n, n + 1]
    for place, unit in enumerate(np.eye(matrix.shape[1], dtype=np.float32)):
        pivot = rows[:, place] / rows[:, place, place, None]
        rows -= (rows[:, :, place] - unit)[..., None] * pivot[:, None]
    return rows[..., -1]
