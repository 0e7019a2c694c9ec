"""What ItemKNN, EASE and PureSVD share: scores are a profile times an item-by-item matrix."""

from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from baselines.history import PLAIN, History, csr, rows_csr
from baselines.matrices import as_matrix, positives, shrunk_means
from data.ratings import Ratings
from evaluation.policy import FloatArray, IntArray, States, take

MEAN_SHRINK = 10.0


class ItemItem:
    """scores = profile @ weights (+ item means), a subclass supplies the weights.

    `values` "positives": profiles are binary, weighted by `history`. "residuals": a rating counts
    as its difference from the item's shrunk mean and from the user's average difference, the item
    mean is added to the score, and of `history` only `refused` is used.
    """

    name: str
    adaptive = False

    def __init__(self, *, values: str = "positives", history: History = PLAIN) -> None:
        if values not in ("positives", "residuals"):
            raise ValueError(f"values: got {values!r}, choose 'positives' or 'residuals'")
        self.values = values
        self.history = history
        self._start: tuple[IntArray, History, FloatArray] | None = None

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """Item-by-item weights float32 [I, I] learned from the training matrix [U, I]."""
        raise NotImplementedError

    def fit(self, ratings: Ratings) -> Self:
        """Learn the weights, and the item means if residuals are asked for."""
        self.threshold = ratings.positive_threshold
        self._start = None
        if self.values == "positives":
            self.means = np.zeros(ratings.n_items, np.float32)
            self.weights = self.item_weights(positives(ratings))
        else:
            self.means = shrunk_means(ratings, MEAN_SHRINK).astype(np.float32)
            residuals = ratings.values - self.means[ratings.items]
            residuals -= _user_means(residuals, ratings.offsets)[ratings.users]
            self.weights = self.item_weights(as_matrix(ratings, residuals))
        return self

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores. The product with the start is kept until another start is asked."""
        scores = self._start_scores(states)
        if states.feedback_items.shape[1]:
            scores = scores + self._feedback_profile(states) @ self.weights
        return take(scores, candidates)

    def _start_scores(self, states: States) -> FloatArray:
        kept = self._start
        if kept is not None and kept[0] is states.items and kept[1] is self.history:
            return kept[2]
        scores = np.asarray(self._start_profile(states) @ self.weights + self.means, np.float32)
        self._start = (states.items, self.history, scores)
        return scores

    def _start_profile(self, states: States) -> csr_matrix:
        if self.values == "positives":
            return self.history.start(states, self.threshold)
        residuals, bias = self._residuals(states)
        lengths = np.diff(states.offsets)
        return csr(
            residuals - np.repeat(bias, lengths), states.items, states.offsets, states.n_items
        )

    def _feedback_profile(self, states: States) -> csr_matrix:
        if self.values == "positives":
            return self.history.feedback(states, self.threshold)
        means = self.means[states.feedback_items]
        residuals = states.feedback_ratings - means - self._residuals(states)[1][:, None]
        values = np.where(np.isnan(residuals), self.history.refused, residuals)
        return rows_csr(values, states.feedback_items, states.n_items)

    def _residuals(self, states: States) -> tuple[FloatArray, FloatArray]:
        """Differences from the item means at the start [H], and each user's average of them [B]."""
        residuals = states.ratings - self.means[states.items]
        return residuals, _user_means(residuals, states.offsets)


def _user_means(residuals: FloatArray, offsets: IntArray) -> FloatArray:
    """Mean residual of each CSR row [B], pulled to zero by MEAN_SHRINK ratings."""
    totals = np.concatenate([[0.0], np.cumsum(residuals, dtype=np.float64)])
    sums = totals[offsets[1:]] - totals[offsets[:-1]]
    return np.asarray(sums / (np.diff(offsets) + MEAN_SHRINK), np.float32)
