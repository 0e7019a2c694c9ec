"""The training ratings as sparse matrices [U, I], and the item means every baseline needs."""

import numpy as np
from scipy.sparse import csr_matrix

from data.ratings import Ratings
from evaluation.policy import FloatArray


def as_matrix(ratings: Ratings, values: FloatArray) -> csr_matrix:
    """Sparse [U, I] of one value per rating; zeros are dropped."""
    shape = (ratings.n_users, ratings.n_items)
    matrix = csr_matrix(
        (values.astype(np.float32), ratings.items, ratings.offsets), shape=shape, copy=True
    )
    matrix.eliminate_zeros()
    return matrix


def positives(ratings: Ratings) -> csr_matrix:
    """1 where the rating reaches the positive threshold, float32 [U, I]."""
    return as_matrix(ratings, ratings.positive.astype(np.float32))


def rated_users(ratings: Ratings) -> np.ndarray:
    """Users with at least one rating, int64: the rows that training may use."""
    return np.flatnonzero(ratings.lengths)


def positive_counts(ratings: Ratings) -> np.ndarray:
    """Number of positive ratings of each item, int64 [I]."""
    return np.bincount(ratings.items[ratings.positive], minlength=ratings.n_items)


def shrunk_means(ratings: Ratings, shrink: float) -> FloatArray:
    """Mean rating of each item, float64 [I], pulled to the global mean by `shrink` ratings.

    (sum + shrink * mean) / (count + shrink); an item nobody rated gets the global mean.
    """
    counts = np.bincount(ratings.items, minlength=ratings.n_items)
    sums = np.bincount(ratings.items, weights=ratings.values, minlength=ratings.n_items)
    mean = float(ratings.values.mean(dtype=np.float64))
    means: FloatArray = (sums + shrink * mean) / np.maximum(counts + shrink, 1e-12)
    return means
