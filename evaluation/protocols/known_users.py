"""`rerank` and `simulator`, the paper's: everybody is known by the first 80% of his ratings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from data.observation import PADDING, BoolArray, FloatArray, IntArray, Observation, rows_of
from data.ratings import Ratings
from data.splits import split_by_time
from evaluation.metrics import ndcg_self_at_k
from evaluation.protocols.base import (
    AnswerModel,
    CompletedLog,
    EvaluationProtocol,
    RatingLog,
    check_ks,
    without_known,
)


class KnownUsersProtocol(EvaluationProtocol):
    """Each user's first int(0.8 * length) ratings are visible.

    The window holds the `window` latest visible positives. Every user with a rating is evaluated
    unless eval_users says otherwise.
    """

    default_ks: tuple[int, ...]

    def __init__(
        self,
        ratings: Ratings,
        eval_users: IntArray | None = None,
        *,
        window: int = 5,
        ks: Sequence[int] | None = None,
    ) -> None:
        self.label, self.ks = self.name, check_ks(ks or self.default_ks)
        self.eval_users = np.flatnonzero(ratings.lengths > 0) if eval_users is None else eval_users
        self.visible, self._hidden = split_by_time(ratings)
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        self._known, self._window = self.visible, window
        self._positive_from = self._threshold

    def _order(self) -> IntArray:
        lengths = self.visible.lengths[self.eval_users]
        return np.argsort(lengths, kind="stable")  # so that little is padding


class RerankProtocol(KnownUsersProtocol):
    """`rerank`: Algorithm 2, ordering each user's own held-out ratings one at a time.

    Candidates come in ascending order of id, which says nothing about when they were rated. To
    choose hyper-parameters, evaluate on `visible` of another RerankProtocol: that holds out
    training time.
    """

    name = "rerank"
    headline = ("precision", "ndcg")
    default_ks = (5, 10)
    _n_relevant: IntArray

    def __init__(
        self, ratings: Ratings, eval_users: IntArray | None = None, **settings: Any
    ) -> None:
        super().__init__(ratings, eval_users, **settings)
        hidden = self._hidden
        self._log = RatingLog(hidden)
        self._offsets, places = rows_of(hidden, self.eval_users)
        owners = np.repeat(np.arange(self.n_users), np.diff(self._offsets))
        self._items = hidden.items[places][np.lexsort((hidden.items[places], owners))]
        self._n_relevant = np.bincount(owners[hidden.positive[places]], minlength=self.n_users)

    def chance(self, k: int) -> FloatArray:
        """Precision@k of a uniformly random order, in exact expectation: [U]."""
        candidates = np.maximum(np.diff(self._offsets), 1)
        return np.asarray(np.minimum(k, candidates) / k * self._n_relevant / candidates)

    def _candidates(self, rows: IntArray) -> IntArray:
        begin, lengths = self._offsets[rows], np.diff(self._offsets)[rows]
        column = np.arange(max(int(lengths.max(initial=0)), 1))
        real = column < lengths[:, None]
        places = np.where(real, begin[:, None] + column, 0)
        return np.where(real, self._items[places], PADDING).astype(np.int32)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        stars = np.where(np.isnan(ratings), np.nan, 3 + 2 * rewards)  # 1 to 5 on every scale
        return (
            self._ranking_metrics(ratings, self._n_relevant)
            | {f"ndcg_self@{k}": ndcg_self_at_k(stars, k) for k in self.ks}
            | self._reward_metrics(ratings, rewards)
        )


class SimulatorProtocol(KnownUsersProtocol):
    """`simulator`: T steps over the whole catalogue, less what a user is known to have rated.

    `known_items` (the paper) leaves that in: then the best policy repeats what was liked before.
    The answer is the user's rating, early or late, where there is one, else the model's, clipped
    to the scale. `total_reward` is the sum over all evaluated users: its per-user values are
    scaled by their number, so that their mean is the total and an interval over users is one of
    the total. `reward@T` is per user. `online` only says, in headings and JSON, that trained
    policies learn within a session.
    """

    name = "simulator"
    headline = ("precision",)
    default_ks = (10,)

    def __init__(
        self,
        ratings: Ratings,
        model: AnswerModel,
        eval_users: IntArray | None = None,
        *,
        online: bool = False,
        known_items: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(ratings, eval_users, **settings)
        self.mode, self.known_items = "online" if online else "inductive", known_items
        self.rule = {"known_items": known_items}
        notes = ["online"] * online + ["with known items"] * known_items
        self.label += f" ({', '.join(notes)})" if notes else ""
        self._log = CompletedLog(ratings, model)

    @property
    def headline_keys(self) -> tuple[str, ...]:
        return ("total_reward", *super().headline_keys)

    def _blocked(self, observation: Observation, candidates: IntArray | None) -> BoolArray:
        blocked = super()._blocked(observation, candidates)
        return blocked if self.known_items else without_known(blocked, observation)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        total = {"total_reward": rewards.sum(axis=1) * self.n_users}
        return total | self._reward_metrics(ratings, rewards)
