"""What a policy is and what it may know: the only door between a model and a protocol.

Shapes: `B` users asked about at once, `n` history window, `I` items of the catalogue, `C`
candidates per user, `H` known ratings of all B users together, `t` steps played so far.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from envs.rewards import UNRATED_REWARD, rating_to_reward

IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

PADDING = -1


@dataclass(frozen=True, eq=False)
class States:
    """What a policy may know of B users at this moment; read-only copies, never views.

    users            int32 [B]       rows of the visible ratings, for demographics
    window_items     int32 [B, n]    latest items, oldest first, left-padded with -1
    window_ratings   float32 [B, n]  their ratings, padded with 0
    offsets          int64 [B + 1]   user b's known ratings are items[offsets[b]:offsets[b + 1]]
    items, ratings   [H]             everything known at the start, each user in time order
    feedback_items   int32 [B, t]    what was recommended since; -1 = nothing left to recommend
    feedback_ratings float32 [B, t]  the answers; NaN = the user did not rate the item
    n_items          I
    """

    users: IntArray
    window_items: IntArray
    window_ratings: FloatArray
    offsets: IntArray
    items: IntArray
    ratings: FloatArray
    feedback_items: IntArray
    feedback_ratings: FloatArray
    n_items: int

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @classmethod
    def begin(
        cls,
        users: IntArray,
        offsets: IntArray,
        items: IntArray,
        ratings: FloatArray,
        *,
        window: int,
        n_items: int,
        positive_from: float | None = None,
    ) -> Self:
        """States before the first recommendation, from known ratings in CSR form.

        The window holds each user's `window` latest items, or, given `positive_from`, the latest
        ones rated at least that.
        """
        offsets = np.array(offsets, np.int64)
        items, ratings = np.array(items, np.int32), np.array(ratings, np.float32)
        eligible = np.ones(len(items), bool) if positive_from is None else ratings >= positive_from
        window_items, window_ratings = _latest(offsets, items, ratings, eligible, window)
        return cls(
            users=np.array(users, np.int32),
            window_items=window_items,
            window_ratings=window_ratings,
            offsets=offsets,
            items=items,
            ratings=ratings,
            feedback_items=np.empty((len(users), 0), np.int32),
            feedback_ratings=np.empty((len(users), 0), np.float32),
            n_items=n_items,
        )

    @property
    def n_users(self) -> int:
        """B."""
        return len(self.users)

    @property
    def window(self) -> int:
        """n."""
        return int(self.window_items.shape[1])

    def widened(self, window: int) -> Self:
        """The states with room for `window` items, before the first recommendation.

        What is known stays as it is; what is liked then fills the room before anything drops out.
        """
        missing = [(0, 0), (max(window - self.window, 0), 0)]
        return replace(
            self,
            window_items=np.pad(self.window_items, missing, constant_values=PADDING),
            window_ratings=np.pad(self.window_ratings, missing),
        )

    def feedback_rewards(self, scale: tuple[float, float]) -> FloatArray:
        """Rewards [B, t] of what was recommended since the start; -0.5 where it was not rated."""
        rewards = rating_to_reward(self.feedback_ratings, scale)
        return np.where(np.isnan(rewards), UNRATED_REWARD, rewards).astype(np.float32)

    def after(self, items: IntArray, ratings: FloatArray, shift: BoolArray) -> Self:
        """The states after recommending items [B] (-1 = none) and hearing ratings [B] (NaN = none).

        Eq. 1: H(t+1) = {i_2 .. i_n, i_t} where `shift` [B] (the reward was positive), else H(t).
        """
        pushed_items = _push(self.window_items, np.asarray(items, np.int32))
        pushed_ratings = _push(self.window_ratings, np.asarray(ratings, np.float32))
        return replace(
            self,
            window_items=np.where(shift[:, None], pushed_items, self.window_items),
            window_ratings=np.where(shift[:, None], pushed_ratings, self.window_ratings),
            feedback_items=_append(self.feedback_items, items),
            feedback_ratings=_append(self.feedback_ratings, ratings),
        )

    def select(self, rows: IntArray) -> Self:
        """The states of rows [b] (positions in the batch, not user ids), in that order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return replace(
            self,
            users=self.users[rows],
            window_items=self.window_items[rows],
            window_ratings=self.window_ratings[rows],
            offsets=offsets,
            items=self.items[source],
            ratings=self.ratings[source],
            feedback_items=self.feedback_items[rows],
            feedback_ratings=self.feedback_ratings[rows],
        )

    def profile(self, weight: Callable[[FloatArray], FloatArray]) -> csr_matrix:
        """Sparse [B, I] of weight(ratings): known at the start, and the rated feedback since.

        An item both known and heard again counts as the sum of its weights.
        """
        rated = np.isfinite(self.feedback_ratings) & (self.feedback_items >= 0)
        start_rows = np.repeat(np.arange(self.n_users), np.diff(self.offsets))
        rows = np.concatenate([start_rows, np.nonzero(rated)[0]])
        columns = np.concatenate([self.items, self.feedback_items[rated]])
        ratings = np.concatenate([self.ratings, self.feedback_ratings[rated]])
        shape = (self.n_users, self.n_items)
        return csr_matrix((weight(ratings).astype(np.float32), (rows, columns)), shape=shape)


@runtime_checkable
class Policy(Protocol):
    """Anything that can score items for users; see docs/evaluation.md for a worked example.

    A policy may also have `users_per_batch`, the most users it wants to be asked about at once:
    1 for one that learns within each session. A session begins where `feedback_items` is [B, 0].
    And it may have `min_window`: a protocol whose window is shorter leaves room for that many items.
    """

    @property
    def name(self) -> str:
        """The row's name in tables and JSON."""
        ...

    @property
    def adaptive(self) -> bool:
        """False: asked once, and its fixed list is played; True: asked again after every answer."""
        ...

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """Scores, higher is better, ties to the lower item id.

        candidates None: [B, I] over the whole catalogue; candidates [B, C], padded with -1: [B, C],
        where the values at padding are ignored. Items that may not be recommended (known at the
        start, or recommended already) need no masking; the protocol does it. NaN is an error.
        """
        ...


class Adaptive:
    """A static policy asked again after every answer: the same scores from the updated states."""

    adaptive = True

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name = f"{policy.name}-adaptive"
        self.min_window = getattr(policy, "min_window", 0)

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        return self.policy.scores(states, candidates)


def take(scores: FloatArray, candidates: IntArray | None) -> FloatArray:
    """Scores [B, I] read at candidates [B, C] -> [B, C], -inf at padding; unchanged when None."""
    if candidates is None:
        return scores
    taken = np.take_along_axis(scores, np.maximum(candidates, 0), axis=1)
    return np.where(candidates >= 0, taken, -np.inf).astype(scores.dtype)


def _latest(
    offsets: IntArray, items: IntArray, ratings: FloatArray, eligible: BoolArray, window: int
) -> tuple[IntArray, FloatArray]:
    """The `window` last eligible entries of each CSR row, left-padded: two [B, n] arrays."""
    n_rows = len(offsets) - 1
    rows = np.repeat(np.arange(n_rows), np.diff(offsets))[eligible]
    counts = np.bincount(rows, minlength=n_rows)
    from_end = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(rows))
    kept = from_end < window
    columns = window - 1 - from_end[kept]
    window_items = np.full((n_rows, window), PADDING, np.int32)
    window_ratings = np.zeros((n_rows, window), np.float32)
    window_items[rows[kept], columns] = items[eligible][kept]
    window_ratings[rows[kept], columns] = ratings[eligible][kept]
    return window_items, window_ratings


def _push(window: NDArray[Number], newest: NDArray[Number]) -> NDArray[Number]:
    """[B, n] with the oldest column dropped and newest [B] at the end."""
    return np.concatenate([window[:, 1:], newest[:, None]], axis=1)


def _append(played: NDArray[Number], column: NDArray[Any]) -> NDArray[Number]:
    """[B, t] and [B] -> [B, t + 1], in the first one's type."""
    return np.concatenate([played, column[:, None].astype(played.dtype)], axis=1)
