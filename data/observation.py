"""What is known of B users: the one type that environment, replay, agent and policies share.

Shapes: B users, n window, m items known at the start, t places for what was shown since, D columns of
demographics, I items, k embedding size. Fields are NumPy arrays, or tensors inside a compiled graph.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from data.ratings import Ratings

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

PADDING = -1  # an empty place in an array of users or items
UNRATED_REWARD = -0.5  # the log is silent about the item (the earlier repositories' rule)


class Observation(NamedTuple):
    """B users. Items and users are contiguous numbers, -1 marks an empty place or an unknown user.

    Window and known items are oldest first and padded on the left; shown items are padded on the right.
    Nothing known or shown may be recommended again, unless a protocol says so.
    """

    users: Any  # int32 [B]: rows of the visible ratings; -1 is somebody unknown
    demographics: Any  # float32 [B, D]; zeros where nothing is known
    window_items: Any  # int32 [B, n]: H_t of equation 1
    window_ratings: Any  # float32 [B, n], 0 where empty
    known_items: Any  # int32 [B, m]: everything known before the first recommendation
    known_ratings: Any  # float32 [B, m], 0 where empty
    shown_items: Any  # int32 [B, t]: recommended since
    shown_ratings: Any  # float32 [B, t]: the answers; NaN = not rated
    shown_rewards: Any  # float32 [B, t], 0 where nothing was shown
    profile: Any = None  # float32 [B, k]: user vectors solved from all that is known, or None

    @property
    def n_users(self) -> int:
        """B."""
        return len(self.users)

    @property
    def window(self) -> int:
        """n."""
        return int(self.window_items.shape[1])

    @classmethod
    def start(
        cls,
        users: IntArray,
        demographics: FloatArray,
        known_items: IntArray,
        known_ratings: FloatArray,
        *,
        window: int,
        positive_from: float | None = None,
    ) -> Self:
        """Before the first recommendation.

        The window holds each user's `window` latest known items, or, given `positive_from`, the
        latest ones rated at least that.
        """
        eligible = known_items >= 0
        if positive_from is not None:
            eligible &= known_ratings >= positive_from
        items, ratings = latest(known_items, known_ratings, eligible, window)
        nothing = np.empty((len(users), 0), np.float32)
        return cls(
            users=np.asarray(users, np.int32),
            demographics=np.asarray(demographics, np.float32),
            window_items=items,
            window_ratings=ratings,
            known_items=np.asarray(known_items, np.int32),
            known_ratings=np.asarray(known_ratings, np.float32),
            shown_items=nothing.astype(np.int32),
            shown_ratings=nothing,
            shown_rewards=nothing,
        )

    def widened(self, window: int) -> Self:
        """Room for `window` items: what is liked fills it before anything drops out."""
        missing = [(0, 0), (max(window - self.window, 0), 0)]
        return self._replace(
            window_items=np.pad(self.window_items, missing, constant_values=PADDING),
            window_ratings=np.pad(self.window_ratings, missing),
        )

    def after(self, items: IntArray, ratings: FloatArray, rewards: FloatArray) -> Self:
        """After showing items [B] (-1 = none) and hearing ratings [B] (NaN = not rated)."""
        liked = (rewards > 0) & (items >= 0)
        return self._replace(
            window_items=shifted(self.window_items, items, liked),
            window_ratings=shifted(self.window_ratings, ratings, liked),
            shown_items=_append(self.shown_items, items),
            shown_ratings=_append(self.shown_ratings, ratings),
            shown_rewards=_append(self.shown_rewards, rewards),
        )

    def rows(self, chosen: IntArray | BoolArray) -> Self:
        """The observation of some of the B users, by their place in the batch, in that order."""
        return type(self)(*(None if value is None else value[chosen] for value in self))

    def rated(self, weight: Callable[[FloatArray], FloatArray], n_items: int) -> csr_matrix:
        """Sparse [B, I] of weight(ratings): known at the start, and the rated answers since.

        An item both known and heard again counts as the sum of its weights.
        """
        items = np.hstack([self.known_items, self.shown_items])
        ratings = np.hstack([self.known_ratings, self.shown_ratings])
        return sparse_rows(weight(ratings), items, n_items, where=np.isfinite(ratings))


def shifted(window: NDArray[Any], newest: NDArray[Any], liked: BoolArray) -> NDArray[Any]:
    """Equation 1: H(t+1) = {i_2 .. i_n, i_t} where i_t was liked, else H(t): [B, n]."""
    pushed = np.concatenate([window[:, 1:], newest[:, None].astype(window.dtype)], axis=1)
    return np.where(liked[:, None], pushed, window)


def latest(
    items: IntArray, ratings: FloatArray, eligible: BoolArray, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The `count` last eligible entries of each row [B, m], left-padded: two [B, count] arrays."""
    from_end = np.cumsum(eligible[:, ::-1], axis=1)[:, ::-1]  # 1 at the last eligible entry
    rows, columns = np.nonzero(eligible & (from_end <= count))
    places = count - from_end[rows, columns]
    kept_items = np.full((len(items), count), PADDING, np.int32)
    kept_ratings = np.zeros((len(items), count), np.float32)
    kept_items[rows, places] = items[rows, columns]
    kept_ratings[rows, places] = ratings[rows, columns]
    return kept_items, kept_ratings


def observation_of(
    ratings: Ratings, users: IntArray, *, window: int, positive_from: float | None = None
) -> Observation:
    """Users [B] who are known by all their `ratings`; see Observation.start."""
    offsets, places = rows_of(ratings, users)
    known = padded_rows(offsets, ratings.items[places], ratings.values[places])
    people = ratings.demographics[users]
    return Observation.start(users, people, *known, window=window, positive_from=positive_from)


def rows_of(ratings: Ratings, users: IntArray) -> tuple[IntArray, IntArray]:
    """Offsets [B + 1] of the users' ratings laid end to end, and their places [H] in ratings."""
    lengths = ratings.lengths[users]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(ratings.offsets[users] - offsets[:-1], lengths)
    return offsets, places


def padded_rows(
    offsets: IntArray, items: IntArray, ratings: FloatArray
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Rows items[offsets[b]:offsets[b + 1]] as two [B, m] arrays, padded on the left; m the longest."""
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    filled = np.arange(longest) >= longest - lengths[:, None]
    padded_items = np.full(filled.shape, PADDING, np.int32)
    padded_ratings = np.zeros(filled.shape, np.float32)
    padded_items[filled], padded_ratings[filled] = items, ratings
    return padded_items, padded_ratings


def sparse_rows(
    values: FloatArray, items: IntArray, n_items: int, where: BoolArray | None = None
) -> csr_matrix:
    """Values [B, m] at items [B, m] as a sparse [B, I], without -1 and where `where` is False.

    Every value is stored on its own, in the order of its row, an item's second one as well.
    """
    present = items >= 0 if where is None else (items >= 0) & where
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    entries = (values[present].astype(np.float32), items[present], offsets)
    return csr_matrix(entries, shape=(len(items), n_items))


def rating_to_reward(values: Any, scale: tuple[float, float]) -> Any:
    """Stars to rewards in [-1, 1] (equation 10): (rating - 3) / 2 on a scale of 1 to 5.

    `values` may be a number, a NumPy array or a tensor; shape and type stay.
    """
    low, high = scale
    return (values - (low + high) / 2) / ((high - low) / 2)


def answer_rewards(items: IntArray, ratings: FloatArray, scale: tuple[float, float]) -> FloatArray:
    """Rewards of shown items: -0.5 where not rated (NaN), 0 where nothing was shown (-1)."""
    rewards = np.where(np.isnan(ratings), UNRATED_REWARD, rating_to_reward(ratings, scale))
    return np.where(items >= 0, rewards, 0.0).astype(np.float32)


def _append(played: NDArray[Any], column: NDArray[Any]) -> NDArray[Any]:
    """[B, t] and [B] -> [B, t + 1], in the first one's type."""
    return np.concatenate([played, column[:, None].astype(played.dtype)], axis=1)
