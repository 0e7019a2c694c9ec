"""From scores to ranked lists: exact, best first, ties to the lower column."""

import numpy as np
from numpy.typing import NDArray

from config import DRRError
from evaluation.policy import PADDING, FloatArray, IntArray, Policy, States


class PolicyError(DRRError):
    """A policy answered something that cannot be ranked."""


def ask(policy: Policy, states: States, candidates: IntArray | None) -> FloatArray:
    """The policy's scores, checked and finite: [B, C], or [B, I] when candidates is None.

    Raises PolicyError, naming the policy, for a wrong shape or a NaN (padding aside). Infinite
    scores are clipped, so that -inf can mean *not a candidate* from here on.
    """
    scores = np.asarray(policy.scores(states, candidates))
    expected = (states.n_users, states.n_items) if candidates is None else candidates.shape
    if scores.shape != expected:
        raise PolicyError(
            f"policy {policy.name!r} returned scores of shape {scores.shape}, expected {expected}"
        )
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    undefined = np.isnan(scores) if candidates is None else np.isnan(scores) & (candidates >= 0)
    if undefined.any():
        row, column = (int(index[0]) for index in np.nonzero(undefined))
        item = column if candidates is None else int(candidates[row, column])
        raise PolicyError(
            f"policy {policy.name!r} returned NaN {int(undefined.sum())} times, first for user "
            f"{int(states.users[row])} and item {item} (contiguous ids); every candidate needs a "
            "number"
        )
    limits = np.finfo(scores.dtype)
    return np.clip(scores, limits.min, limits.max)


def top_k(scores: FloatArray, k: int) -> NDArray[np.int32]:
    """Columns of the k best scores of each row [B, C], best first: int32 [B, k].

    Equal scores go to the lower column. -inf means *not a candidate*; rows with fewer than k
    candidates are padded with -1. Equals `np.argsort(-scores, kind="stable")[:, :k]`, but sorts
    only k entries per row.
    """
    best = np.full((len(scores), k), PADDING, np.int32)
    width = min(k, scores.shape[1])
    if width == 0 or len(scores) == 0:
        return best
    chosen = _best_columns(scores, width)
    chosen_scores = np.take_along_axis(scores, chosen, axis=1)
    # Columns ascend within a row, so a stable sort leaves ties at the lower one.
    order = np.argsort(-chosen_scores, axis=1, kind="stable")
    ranked = np.take_along_axis(chosen, order, axis=1)
    ranked_scores = np.take_along_axis(chosen_scores, order, axis=1)
    best[:, :width] = np.where(np.isneginf(ranked_scores), PADDING, ranked)
    return best


def _best_columns(scores: FloatArray, k: int) -> NDArray[np.int64]:
    """The k best columns of each row in ascending order of column: [B, k], 1 <= k <= C."""
    if k == 1:
        return np.asarray(scores.argmax(axis=1))[:, None]  # the first of equals
    threshold = np.partition(scores, scores.shape[1] - k, axis=1)[:, [-k]]
    selected = scores >= threshold
    crowded = np.flatnonzero(selected.sum(axis=1) > k)
    if len(crowded):  # more ties at the threshold than places: the lower columns get them
        above = scores[crowded] > threshold[crowded]
        tied = selected[crowded] & ~above
        places = k - above.sum(axis=1, keepdims=True)
        selected[crowded] = above | (tied & (np.cumsum(tied, axis=1) <= places))
    return np.nonzero(selected)[1].reshape(len(scores), k)
