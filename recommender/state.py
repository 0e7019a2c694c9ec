"""The state module (section IV.A.3): what is known of a user as the vector that actor and critic see.

Shapes: B batch, n window, k embedding size, S state size. A window shorter than n is masked: its
empty places contribute exact zeros, never a real item.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from config import AgentConfig, number
from data.observation import UNRATED_REWARD, FloatArray, Observation
from embedding.table import EmbeddingTable
from recommender.ranking import ILLEGAL

RATING_LEVELS = 5
# Weights of a window at first, by age and by rating: liked items count, and the latest most. Chosen
# for the ridge regression on held-out training users; training goes on from here.
AGE_DECAY, LOW, LIKED = 0.9, 0.3, (1.0, 1.2)
REFUSED_SCALE = 5.0  # brings the sum of an episode's refused items to the size of g
# Attention over training users: how sharp, what a refused item counts in the profile that looks for
# them, and how many are looked at. The first two were chosen on held-out training users.
SHARPNESS, REFUSED, MOST_NEIGHBOURS = 20.0, -0.4, 8192


class Features:
    """What is fixed during training, as constant tensors.

    Attributes:
        items: item vectors [I, k].
        padded: the same with a last row of zeros, for empty places [I + 1, k].
        similar: padded vectors of the items similar to each [I + 1, k], or None.
        item_bias: [I].
        scale: lowest and highest rating.
        neighbours: training users that have a vector [V]; their vectors [V, k] are
            `neighbour_vectors`, and `neighbour_keys` at unit length.
        n_demographics: D.
        table: the embedding, which folds in unseen users.
    """

    def __init__(
        self, table: EmbeddingTable, scale: tuple[float, float], n_demographics: int
    ) -> None:
        self.table, self.scale, self.n_demographics = table, scale, n_demographics
        self.items = tf.constant(table.items)
        self.padded = tf.concat([self.items, tf.zeros([1, table.k])], axis=0)
        self.similar = None if table.similar is None else tf.pad(table.similar, [[0, 1], [0, 0]])
        self.item_bias = tf.constant(table.item_bias)
        vectors = np.zeros([1, table.k], np.float32) if table.users is None else table.users
        rows = np.flatnonzero(np.abs(vectors).sum(axis=1) > 0)
        rows = rows[:: 1 + len(rows) // MOST_NEIGHBOURS]
        self.neighbours = tf.constant(rows, tf.int32)
        self.neighbour_vectors = tf.constant(vectors[rows])
        self.neighbour_keys = tf.math.l2_normalize(self.neighbour_vectors, axis=1)

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.items.shape[0])

    def vectors(self, items: tf.Tensor) -> tf.Tensor:
        """Vectors of items of any shape [...], zeros where empty (-1): [..., k]."""
        return tf.gather(self.padded, tf.where(items < 0, self.n_items, items))


def placeholder(window: int, features: Features) -> Observation:
    """An observation of one user of whom nothing is known; it builds a model's weights."""
    nobody, people = np.array([-1]), np.zeros((1, features.n_demographics), np.float32)
    items, ratings = np.zeros((1, 0), np.int32), np.zeros((1, 0), np.float32)
    start = Observation.start(nobody, people, items, ratings, window=window)
    return start._replace(profile=np.zeros((1, features.table.k), np.float32))


class Window(NamedTuple):
    """What a representation is made of; what it does not use may be None."""

    items: tf.Tensor  # [B, n, k]: i_a, zeros at empty places
    weighted: tf.Tensor  # [B, n, k]: w_a i_a, the same
    user: tf.Tensor  # [B, k]: u
    mask: tf.Tensor  # [B, n]: 1 at filled places


def drr_n(window: Window) -> tf.Tensor:
    """[i_1, ..., i_n]: the paper's baseline, without weights."""
    return _flat(window.items)


def drr_p(window: Window) -> tf.Tensor:
    """Equations 5 and 6: [i_a for all a, (w_a i_a) * (w_b i_b) for all a < b]."""
    return tf.concat([_flat(window.items), *_pairs(window.weighted)], axis=1)


def drr_u(window: Window) -> tf.Tensor:
    """Equation 7: [u * (w_a i_a) for all a, (w_a i_a) * (w_b i_b) for all a < b]."""
    each = _flat(window.user[:, None] * window.weighted)
    return tf.concat([each, *_pairs(window.weighted)], axis=1)


def drr_ave(window: Window) -> tf.Tensor:
    """Equations 8 and 9: [u, u * g, g], with g the mean of the weighted items."""
    mean = average(window.weighted, window.mask)
    return tf.concat([window.user, window.user * mean, mean], axis=1)


def average(weighted: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of weighted items [B, n, k] over the places that mask [B, n] marks as filled: [B, k]."""
    return tf.reduce_sum(weighted, axis=1) / tf.maximum(tf.reduce_sum(mask, axis=1), 1.0)[:, None]


def _pairs(weighted: tf.Tensor) -> list[tf.Tensor]:
    """Products of places a < b of [B, n, k], as n - 1 pieces [B, (n - 1 - a) k]: none is larger than
    the window, and they are copied once, when they are joined with the rest of the state."""
    pieces, later = [], weighted
    while later.shape[1] > 1:
        first, later = tf.split(later, [1, later.shape[1] - 1], axis=1)
        pieces.append(_flat(first * later))
    return pieces


def _flat(items: tf.Tensor) -> tf.Tensor:
    return tf.reshape(items, [-1, items.shape[1] * items.shape[2]])


class Representation(NamedTuple):
    """How a window becomes the state: `--agent.state NAME`, one of `config.State`."""

    formula: Callable[[Window], tf.Tensor]
    blocks: Callable[[int], int]  # S / k, from n
    needs_weights: bool = True  # nothing is built that nothing would train
    needs_user: bool = True


REPRESENTATIONS = {
    "drr-n": Representation(drr_n, lambda n: n, needs_weights=False, needs_user=False),
    "drr-p": Representation(drr_p, lambda n: n + n * (n - 1) // 2, needs_user=False),
    "drr-u": Representation(drr_u, lambda n: n + n * (n - 1) // 2),
    "drr-ave": Representation(drr_ave, lambda n: 3),
}


class ItemWeights(keras.layers.Layer):
    """The scalars w_a of equations 5 to 9: one per position, optionally times one per rating.

    All are 1 at first, or, given `low`, fall with age and rise from it with the rating.
    """

    def __init__(
        self,
        window: int,
        by_rating: bool,
        scale: tuple[float, float],
        low: float | None = None,
        name: str = "item_weights",
    ) -> None:
        super().__init__(name=name)
        self.scale = scale
        self.position = self.add_weight(shape=(window,), initializer="ones", name="position")
        self.rating = None
        if by_rating:
            self.rating = self.add_weight(shape=(RATING_LEVELS,), initializer="ones", name="rating")
        self.built = True
        if low is not None:
            self.position.assign(AGE_DECAY ** np.arange(window - 1, -1, -1))
            if self.rating is not None:
                self.rating.assign([low] * (RATING_LEVELS - len(LIKED)) + [*LIKED])

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

    def __init__(self, features: Features, name: str = "refused") -> None:
        super().__init__(name=name)
        self._features = features
        self.level = self.add_weight(shape=(3,), initializer="ones", name="level")
        self.built = True

    def call(self, items: tf.Tensor, rewards: tf.Tensor) -> tf.Tensor:
        """What was shown, items and rewards [B, t] -> [B, k + 1]."""
        refused = tf.cast((items >= 0) & (rewards <= 0), tf.float32)  # [B, t]
        count = tf.reduce_sum(refused, axis=1, keepdims=True)
        level = tf.clip_by_value(tf.cast(tf.round(-2.0 * rewards), tf.int32), 0, 2)
        weights = refused * tf.gather(self.level, level) / REFUSED_SCALE
        pooled = tf.einsum("bt,btk->bk", weights, self._features.vectors(items))
        return tf.concat([pooled, count / (2 * REFUSED_SCALE)], axis=1)


def without_demographics(observation: Observation, given: tf.Tensor) -> Observation:
    """The observation with zeros for users who do not give theirs, given [B] bool."""
    kept = observation.demographics * tf.cast(given, tf.float32)[:, None]
    return observation._replace(demographics=kept)


def session_context(features: Features, observation: Observation, total: tf.Tensor) -> tf.Tensor:
    """What a session tells beside the window (a deviation): [B, 3 k + D + 2].

    Sums of the vectors of items that were shown and not rated, and of those rated low; the mean
    vector of similar training users; numbers of items; demographics. total [B, k]: of the window.
    """
    items, rewards = observation.shown_items, observation.shown_rewards
    unrated = (items >= 0) & (rewards == UNRATED_REWARD)
    low = (items >= 0) & (rewards <= 0) & ~unrated
    vectors = features.vectors(items)  # [B, t, k]
    sums, counts = [], []
    for kind in (unrated, low):
        weights = tf.cast(kind, tf.float32)
        sums.append(tf.einsum("bt,btk->bk", weights, vectors) / REFUSED_SCALE)
        counts.append(tf.reduce_sum(weights, axis=1, keepdims=True) / (2 * REFUSED_SCALE))
    profile = total + REFUSED * REFUSED_SCALE * (sums[0] + sums[1])
    similar = similar_users(features, observation.users, profile)
    return tf.concat([*sums, similar, *counts, observation.demographics], axis=1)


def similar_users(features: Features, users: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
    """Attention over training users: the mean of their vectors by likeness to profile [B, k]: [B, k].

    A user is not his own neighbour. The memory is fixed, so no gradient passes.
    """
    query = SHARPNESS * tf.math.l2_normalize(tf.stop_gradient(profile), axis=1)
    own = users[:, None] == features.neighbours[None]
    scores = tf.where(own, ILLEGAL, tf.matmul(query, features.neighbour_keys, transpose_b=True))
    return tf.matmul(tf.nn.softmax(scores), features.neighbour_vectors)


class StateRepresentation(keras.Model):
    """Observation -> state vector, with the learned weights that belong to it.

    Args:
        config: which representation, which item weights, which user vector.
        window: n.
        features: item vectors, number of demographics and rating range.
    """

    def __init__(
        self, config: AgentConfig, window: int, features: Features, name: str = "state"
    ) -> None:
        super().__init__(name=name)
        k = features.table.k
        self.window = window
        self.represent = REPRESENTATIONS[config.state]
        self.context, self._demographics = config.context, config.demographics == "on"
        more = {"none": 0, "refused": 1, "session": 3}[config.context]
        self._similar = config.context == "session" and features.similar is not None
        self.blocks = self.represent.blocks(window) + more + self._similar  # of k, the first ones
        rest = {"none": 0, "refused": 1, "session": 2 + features.n_demographics}[config.context]
        self.size = self.blocks * k + rest
        self._features, self._kind = features, config.user_vector
        learned = self.represent.needs_user and config.user_vector == "learned"
        session = config.context == "session"
        self.item_weights = None
        if self.represent.needs_weights or learned or session:
            by_rating = config.item_weights == "position-rating"
            low = number(config.low_rating, LOW) if session else None
            self.item_weights = ItemWeights(window, by_rating, features.scale, low)
        self.user_vector = keras.layers.Dense(k, name="user_vector") if learned else None
        self.refused = Refused(features) if config.context == "refused" else None
        self.built = True  # as in Actor
        self(placeholder(window, features))

    def call(self, observation: Observation, keep: tf.Tensor | None = None) -> tf.Tensor:
        """Observation of B users -> state [B, S]; keep [B, n] hides items where it is 0."""
        if not self._demographics:
            nobody = tf.zeros(tf.shape(observation.window_items)[:1], tf.bool)
            observation = without_demographics(observation, nobody)
        mask = tf.cast(observation.window_items >= 0, tf.float32)  # [B, n]
        mask = mask if keep is None else mask * keep
        ids = tf.where(mask > 0, observation.window_items, self._features.n_items)
        items = tf.gather(self._features.padded, ids)
        weighted = None  # [B, n, k]
        if self.item_weights is not None:
            weights = self.item_weights(observation.window_ratings) * mask
            weighted = weights[..., None] * items
        user = self._user(observation, weighted, mask) if self.represent.needs_user else None
        state = self.represent.formula(Window(items, weighted, user, mask))
        if self.context == "none":
            return state
        if self.refused is not None:
            more = self.refused(observation.shown_items, observation.shown_rewards)
        else:
            more = session_context(self._features, observation, tf.reduce_sum(weighted, axis=1))
        if self._similar:  # evidence of single items, which their own few components lose
            alike = average(weights[..., None] * tf.gather(self._features.similar, ids), mask)
            state = tf.concat([state, alike], axis=1)
        return tf.concat([state, more], axis=1)

    def _user(
        self, observation: Observation, weighted: tf.Tensor | None, mask: tf.Tensor
    ) -> tf.Tensor:
        if self._kind == "pretrained":
            return observation.profile
        if self.user_vector is None:
            return fold_in(self._features, observation, mask)
        pooled = average(weighted, mask)
        return self.user_vector(tf.concat([pooled, observation.demographics], axis=1))


def fold_in(features: Features, observation: Observation, mask: tf.Tensor) -> tf.Tensor:
    """The user vector [B, k] that fits the window's ratings: ridge regression in its dual form.

    u = V' (V V' + lambda I)^-1 (r - mean - bias), V [n, k] the window's item vectors: the same as
    `EmbeddingTable.fold_in`, inside the compiled graph. A user bias, where the model has one, is a
    further feature of every item, solved jointly and dropped.
    """
    table, ids = features.table, tf.maximum(observation.window_items, 0)
    vectors = tf.gather(features.items, ids) * mask[..., None]  # [B, n, k]
    residual = (observation.window_ratings - table.mean - tf.gather(features.item_bias, ids)) * mask
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


def user_vectors(table: EmbeddingTable, observation: Observation) -> FloatArray:
    """The factorisation's vectors of users by all that is known at the start: [B, k]."""
    items, known = observation.known_items, observation.known_items >= 0
    offsets = np.append(0, np.cumsum(known.sum(axis=1)))
    return table.fold_in_rows(offsets, items[known], observation.known_ratings[known])
