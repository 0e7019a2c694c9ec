"""`catalog` and `session`: users met for the first time, the whole catalogue as candidates."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from config import Split
from data.observation import BoolArray, FloatArray, IntArray, Observation
from data.ratings import Ratings
from data.splits import split_new_users
from evaluation.protocols.answers import RatingLog
from evaluation.protocols.base import EvaluationProtocol, check_ks, without_known

Mode = Literal["inductive", "transductive"]
PATIENCE = 3  # misses in a row after which `patience_reward` ends


class NewUsersProtocol(EvaluationProtocol):
    """Users known by their first `window` ratings in time; everything else is a candidate.

    train_users and eval_users default to those of `split` (data.splits.split_new_users): the first
    int(0.8 * (U + 1)) users by id and the rest, or everything before a date and who joins later.
    `inductive`: nothing of the evaluated users is visible but demographics and the observations.
    `transductive`: everybody's full history is visible; leaky, and labelled so.
    """

    default_ks: tuple[int, ...]

    def __init__(
        self,
        ratings: Ratings,
        train_users: IntArray | None = None,
        eval_users: IntArray | None = None,
        *,
        window: int = 10,
        split: Split = "users",
        mode: Mode = "inductive",
        ks: Sequence[int] | None = None,
    ) -> None:
        if mode not in ("inductive", "transductive"):
            raise ValueError(f"mode must be 'inductive' or 'transductive', got {mode!r}")
        default = split_new_users(ratings, split)
        visible = default.visible if train_users is None else ratings.of_users(train_users)
        train_users = default.train_users if train_users is None else train_users
        self.eval_users = default.test_users if eval_users is None else eval_users
        both = np.intersect1d(train_users, self.eval_users)
        if len(both):
            raise ValueError(f"{len(both)} users both train and are evaluated, first {both[0]}")
        self.mode, self.ks = mode, check_ks(ks or self.default_ks)
        self.visible = ratings if mode == "transductive" else visible
        self.split = split
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        self._window = window
        self._known, hidden = self._split(ratings)
        self._log = RatingLog(hidden)
        relevant = np.bincount(hidden.users[hidden.positive], minlength=ratings.n_users)
        self._n_relevant = relevant[self.eval_users]

    @property
    def label(self) -> str:
        """The protocol and its mode, with a warning where the mode leaks, and what is not usual."""
        notes = [self.mode, *(["LEAKY"] if self.mode == "transductive" else [])]
        notes += ["split by time"] if self.split == "time" else []
        notes += ["nothing known"] if self._window == 0 else []
        return f"{self.name} ({', '.join(notes)})"

    def _split(self, ratings: Ratings) -> tuple[Ratings, Ratings]:
        """The evaluated users' first ratings, and their others."""
        mine = ratings.of_users(self.eval_users)
        position = np.arange(mine.n_ratings) - np.repeat(mine.offsets[:-1], mine.lengths)
        return mine.keep(position < self._window), mine.keep(position >= self._window)

    def _blocked(self, observation: Observation, candidates: IntArray | None) -> BoolArray:
        """What is known is not shown again."""
        return without_known(super()._blocked(observation, candidates), observation)


class CatalogProtocol(NewUsersProtocol):
    """`catalog`: one list; precision, NDCG and the other list metrics at each k."""

    name = "catalog"
    headline = ("precision", "ndcg")
    sequential = False
    default_ks = (5, 10)
    _n_relevant: IntArray

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        return self._ranking_metrics(items, ratings, self._n_relevant)


class SessionProtocol(NewUsersProtocol):
    """`session`: T steps without repeats; the log answers, an unrated item costs a constant.

    `reward@T` is a user's total reward over the first T steps, `hits@T` the number of relevant
    ones; `hit_rate@T` is 1 where there is one, `precision@T` their share. `patience_reward@T` is the
    reward of a user who leaves after PATIENCE misses in a row, rewards that are not positive.
    """

    name = "session"
    headline = ("reward", "hits")
    default_ks = (10, 20)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        misses = np.where(rewards > 0, 0, 1)
        for step in range(1, self.steps):  # the run of misses that ends at each step
            misses[:, step] *= misses[:, step - 1] + 1
        left = np.cumsum(misses == PATIENCE, axis=1) - (misses == PATIENCE) > 0
        patient = np.cumsum(np.where(left, 0.0, rewards), axis=1)
        measured = self._reward_metrics(ratings, rewards)
        return measured | {f"patience_reward@{k}": patient[:, k - 1] for k in self.ks}
