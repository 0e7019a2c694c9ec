"""From scores to ranked lists, and their metrics: one value per user unless said otherwise.

Lists are best-first. `hits` [U, >= k] is true where the item at that rank is relevant (rated at
least the data set's positive threshold); a place that could not be filled is no hit. Nothing is
averaged over users and no user is dropped: one without a relevant item counts with 0.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.observation import PADDING, FloatArray

Values = NDArray[np.float64]


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


def precision_at_k(hits: ArrayLike, k: int) -> Values:
    """Hits among the first k, divided by k even when fewer than k candidates exist: [U].

    Gain 1, no discount, denominator k; empty truth 0.
    """
    return np.asarray(_first_columns(hits, k).sum(axis=1) / k)


def recall_at_k(hits: ArrayLike, k: int, n_relevant: ArrayLike) -> Values:
    """Hits among the first k, divided by the user's relevant items n_relevant [U]: [U].

    Gain 1, no discount, denominator n_relevant (not min(k, n_relevant)); empty truth 0.
    """
    return _ratio(_first_columns(hits, k).sum(axis=1), np.asarray(n_relevant, np.float64))


def hit_rate_at_k(hits: ArrayLike, k: int) -> Values:
    """1 where at least one of the first k is a hit, else 0: [U]. Empty truth 0."""
    return np.asarray(_first_columns(hits, k).max(axis=1))


def ndcg_at_k(hits: ArrayLike, k: int, n_relevant: ArrayLike) -> Values:
    """Standard binary NDCG: [U].

    Gain 1, discount 1 / log2(rank + 1), ideal = min(k, n_relevant) hits on top; empty truth 0.
    """
    ideal = np.concatenate([[0.0], np.cumsum(discounts(k))])
    best = ideal[np.minimum(k, np.asarray(n_relevant, np.int64))]
    return _ratio(dcg_at_k(hits, k), best)


def ndcg_fixed_at_k(hits: ArrayLike, k: int) -> Values:
    """As NDCG, but the ideal always has k hits, even for users with fewer relevant items: [U].

    Gain 1, discount 1 / log2(rank + 1), ideal = sum of all k discounts; empty truth 0.
    """
    return np.asarray(dcg_at_k(hits, k) / discounts(k).sum())


def ndcg_self_at_k(ratings: ArrayLike, k: int) -> Values:
    """Order of the retrieved items among themselves, blind to what was left out: [U].

    ratings [U, >= k] of the retrieved items, 1 to 5, NaN = unknown or place not filled. Gain
    2^rating - 1 (0 for NaN), discount 1 / log2(rank + 1), ideal = the same k ratings re-sorted;
    nothing known among the k: 0.
    """
    known = _first_columns(ratings, k)
    gains = np.where(np.isnan(known), 0.0, np.exp2(known) - 1.0)
    return _ratio(gains @ discounts(k), -np.sort(-gains, axis=1) @ discounts(k))


def dcg_at_k(hits: ArrayLike, k: int) -> Values:
    """Gain 1, discount 1 / log2(rank + 1), not normalised: [U]. Empty truth 0."""
    return np.asarray(_first_columns(hits, k) @ discounts(k))


def discounts(k: int) -> Values:
    """1 / log2(rank + 1) for rank 1..k: [k]."""
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)))


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


def _first_columns(values: ArrayLike, k: int) -> Values:
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or k < 1 or table.shape[1] < k:
        raise ValueError(f"need lists of shape [U, >= k] with k >= 1, got {table.shape}, k = {k}")
    return table[:, :k]


def _ratio(part: Values, whole: NDArray[Any]) -> Values:
    """part / whole, 0 where whole is 0: [U]; both must be one value per user."""
    if part.shape != whole.shape:
        raise ValueError(f"need one value per user: {whole.shape} for {part.shape} lists")
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0))
