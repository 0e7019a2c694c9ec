"""What a user's past weighs: the one place where baselines read `States`."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from evaluation.policy import FloatArray, IntArray, States


@dataclass(frozen=True)
class History:
    """Weights of the interactions that make up a profile.

    liked: rated at least the positive threshold. other: rated below it. refused: recommended, not
    rated. accepted: what a liked recommendation weighs, since it was chosen by the policy and says
    less about taste than an item the user came upon alone. decay: factor per later interaction
    within the start (1: order does not matter).
    """

    liked: float = 1.0
    other: float = 0.0
    refused: float = 0.0
    accepted: float = 1.0
    decay: float = 1.0

    def start(self, states: States, threshold: float) -> csr_matrix:
        """Profile of what was known before the first recommendation, float32 [B, I]."""
        weights = np.where(states.ratings >= threshold, self.liked, self.other)
        if self.decay != 1.0:
            weights = weights * self.decay ** _age(states.offsets)
        return csr(weights, states.items, states.offsets, states.n_items)

    def feedback(self, states: States, threshold: float) -> csr_matrix:
        """Profile of the answers since the start, float32 [B, I]; empty before the first one."""
        ratings = states.feedback_ratings  # [B, t], NaN: refused
        weights = np.where(ratings >= threshold, self.accepted, self.other)
        weights = np.where(np.isnan(ratings), self.refused, weights)
        return rows_csr(weights, states.feedback_items, states.n_items)

    def profile(self, states: States, threshold: float) -> csr_matrix:
        """Everything known, float32 [B, I]."""
        return self.start(states, threshold) + self.feedback(states, threshold)


PLAIN = History()


def csr(values: FloatArray, items: IntArray, offsets: IntArray, n_items: int) -> csr_matrix:
    """Sparse float32 [B, I] from values [H], items [H] and row offsets [B + 1]; zeros dropped."""
    shape = (len(offsets) - 1, n_items)
    matrix = csr_matrix((values.astype(np.float32), items, offsets), shape=shape, copy=True)
    matrix.eliminate_zeros()
    return matrix


def rows_csr(values: FloatArray, items: IntArray, n_items: int) -> csr_matrix:
    """Sparse float32 [B, I] from values and items [B, t], -1 where there is no item."""
    known = items >= 0  # [B, t]
    offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
    return csr(values[known], items[known], offsets, n_items)


def _age(offsets: IntArray) -> IntArray:
    """Number of later interactions in the same row, [H]."""
    ends = np.repeat(offsets[1:], np.diff(offsets))
    return ends - 1 - np.arange(offsets[-1])
