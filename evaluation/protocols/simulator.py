"""`simulator`: the paper's online evaluation, unrated items answered by a rating model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from data.ratings import Ratings
from data.splits import split_by_time
from evaluation.metrics import hit_rate_at_k, precision_at_k
from evaluation.policy import FloatArray, IntArray
from evaluation.protocols.base import EvaluationProtocol, RatingLog, check_ks
from evaluation.protocols.rerank import latest_positives


class RatingModel(Protocol):
    """Predicts what users would say; it may know everything, the policies do not."""

    def rating(self, users: IntArray, items: IntArray) -> FloatArray:
        """Ratings of items [B, C] by users [B], on the rating scale: [B, C]."""
        ...


class Simulator(EvaluationProtocol):
    """T steps over the whole catalogue; items rated in training are candidates, too.

    The window holds the `window` latest visible positives. The answer is the user's rating, early
    or late, where there is one, else the model's, clipped to the scale. `total_reward` is the sum
    over all evaluated users: its per-user values are scaled by their number, so that their mean
    is the total and an interval over users is one of the total. `reward@T` is per user. `online`
    only says, in headings and JSON, that trained policies learn within a session.
    """

    name = "simulator"
    headline = ("precision",)

    def __init__(
        self,
        ratings: Ratings,
        model: RatingModel,
        eval_users: IntArray | None = None,
        *,
        window: int = 5,
        fraction: float = 0.8,
        ks: Sequence[int] | None = None,
        online: bool = False,
    ) -> None:
        self.ks = check_ks(ks or (10,))
        self.mode = "online" if online else "inductive"
        self.eval_users = np.flatnonzero(ratings.lengths > 0) if eval_users is None else eval_users
        self.visible = split_by_time(ratings, fraction)[0]
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        self._states = latest_positives(self.visible, self.eval_users, window)
        self._log, self._model = RatingLog(ratings), model

    @property
    def label(self) -> str:
        """See EvaluationProtocol.label."""
        return f"{self.name} ({self.mode})" if self.mode == "online" else self.name

    @property
    def headline_keys(self) -> tuple[str, ...]:
        """See EvaluationProtocol.headline_keys."""
        return ("total_reward", *super().headline_keys)

    def _candidates(self, rows: IntArray) -> None:
        return None

    def _answer(self, users: IntArray, items: IntArray) -> FloatArray:
        logged = self._log(users, items)
        guess = np.clip(self._model.rating(users, np.maximum(items, 0)), *self._scale)
        answers = np.where(np.isnan(logged), guess, logged)
        return np.where(items >= 0, answers, np.nan).astype(np.float32)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        hits, totals = self._hits(ratings), np.cumsum(rewards, axis=1)
        return (
            {"total_reward": totals[:, -1] * self.n_users}
            | {f"reward@{k}": totals[:, k - 1] for k in self.ks}
            | {f"precision@{k}": precision_at_k(hits, k) for k in self.ks}
            | {f"hit_rate@{k}": hit_rate_at_k(hits, k) for k in self.ks}
        )
