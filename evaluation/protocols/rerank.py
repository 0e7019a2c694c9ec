"""`rerank`: the paper's Algorithm 2, ordering each user's own held-out items one at a time."""

from collections.abc import Sequence

import numpy as np

from data.ratings import Ratings
from data.splits import split_by_time
from evaluation.metrics import ndcg_self_at_k
from evaluation.policy import PADDING, FloatArray, IntArray, States
from evaluation.protocols.base import (
    EvaluationProtocol,
    RatingLog,
    check_ks,
    rows_of,
)


class Rerank(EvaluationProtocol):
    """Each user's first int(fraction * length) ratings are visible, the rest are the candidates.

    The window holds the `window` latest visible positives. Candidates come in ascending order of
    id, which says nothing about when they were rated. Every user with a rating is evaluated
    unless eval_users says otherwise. To choose hyper-parameters, evaluate on `visible` of another
    Rerank: that holds out training time.
    """

    name = "rerank"
    headline = ("precision", "ndcg")
    _n_relevant: IntArray

    def __init__(
        self,
        ratings: Ratings,
        eval_users: IntArray | None = None,
        *,
        window: int = 5,
        fraction: float = 0.8,
        ks: Sequence[int] | None = None,
    ) -> None:
        self.ks = check_ks(ks or (5, 10))
        self.eval_users = np.flatnonzero(ratings.lengths > 0) if eval_users is None else eval_users
        self.visible, hidden = split_by_time(ratings, fraction)
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        self._states = latest_positives(self.visible, self.eval_users, window)
        self._log = RatingLog(hidden)
        self._offsets, places = rows_of(hidden, self.eval_users)
        owners = np.repeat(np.arange(self.n_users), np.diff(self._offsets))
        self._items = hidden.items[places][np.lexsort((hidden.items[places], owners))]
        self._n_relevant = np.bincount(owners[hidden.positive[places]], minlength=self.n_users)

    def chance(self, k: int) -> FloatArray:
        """Precision@k of a uniformly random order, in exact expectation: [U]."""
        candidates = np.maximum(np.diff(self._offsets), 1)
        return np.asarray(np.minimum(k, candidates) / k * self._n_relevant / candidates)

    def _order(self) -> IntArray:
        return np.argsort(np.diff(self._offsets), kind="stable")  # so that little is padding

    def _candidates(self, rows: IntArray) -> IntArray:
        begin, lengths = self._offsets[rows], np.diff(self._offsets)[rows]
        column = np.arange(max(int(lengths.max(initial=0)), 1))
        real = column < lengths[:, None]
        places = np.where(real, begin[:, None] + column, 0)
        return np.where(real, self._items[places], PADDING).astype(np.int32)

    def _answer(self, users: IntArray, items: IntArray) -> FloatArray:
        return self._log(users, items)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        totals = np.cumsum(rewards, axis=1)
        return (
            self._ranking_metrics(items, ratings, self._n_relevant)
            | {f"ndcg_self@{k}": ndcg_self_at_k(ratings, k) for k in self.ks}
            | {f"reward@{k}": totals[:, k - 1] for k in self.ks}
        )


def latest_positives(visible: Ratings, users: IntArray, window: int) -> States:
    """States that know the users' visible ratings, their window the latest positive ones."""
    offsets, places = rows_of(visible, users)
    return States.begin(
        users,
        offsets,
        visible.items[places],
        visible.values[places],
        window=window,
        n_items=visible.n_items,
        positive_from=visible.positive_threshold,
    )
