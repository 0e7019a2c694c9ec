"""Item vectors by a truncated SVD of the positives: the default embedding, without a seed."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from data.errors import DataError
from data.ratings import Ratings
from embedding.table import EmbeddingTable

Array = NDArray[np.float64]


def fit_svd(ratings: Ratings, k: int = 100, *, regularisation: float = 1.0) -> EmbeddingTable:
    """k - 1 factors of the binary positives, and one column of standardised log-popularity.

    The positives X [U, I] have each item's column scaled to unit length, X D^-1/2 = P S Q', so that
    popular items do not own the leading factors. An item's vector is its row of Q S sqrt(k - 1):
    its coordinates in the space of users, with a squared length of at most k - 1. An item without
    a positive rating has zeros there. A catalogue smaller than k - 1 leaves the last columns zero.
    `regularisation` is that of `EmbeddingTable.fold_in`.
    """
    if k < 2:
        raise ValueError(f"k must be at least 2 (one factor and the popularity), got {k}")
    users, items = ratings.users[ratings.positive], ratings.items[ratings.positive]
    if len(items) == 0:
        raise DataError(
            f"{ratings.name}: no positive rating ({ratings.positive_threshold:g} or more) to train "
            "on; an SVD needs one (in your own data, --csv.positive says which they are)"
        )
    counts = np.bincount(items, minlength=ratings.n_items)
    weights = 1 / np.sqrt(counts[items])
    matrix = sp.csr_matrix((weights, (users, items)), shape=(ratings.n_users, ratings.n_items))
    factors = np.zeros((ratings.n_items, k), np.float32)
    leading = _scaled_right_factors(matrix, k - 1)
    factors[:, : leading.shape[1]] = leading * np.sqrt(k - 1)
    factors[:, -1] = _standardised(np.log1p(counts))
    return EmbeddingTable.without_biases("svd", ratings, factors, regularisation=regularisation)


def _scaled_right_factors(matrix: sp.csr_matrix, rank: int) -> Array:
    """Q S of the `rank` largest singular values [I, <= rank], largest first, signs fixed."""
    if rank < min(matrix.shape):
        start = np.ones(min(matrix.shape))  # ARPACK's own start is random
        with threadpool_limits(limits=1, user_api="blas"):  # its vectors are too small for threads
            _, singular, right = svds(matrix, k=rank, v0=start, return_singular_vectors="vh")
    else:
        _, singular, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    order = np.argsort(-singular, kind="stable")
    factors: Array = (right[order] * singular[order, None]).T
    largest = np.abs(factors).argmax(axis=0)
    signs: Array = np.where(factors[largest, np.arange(factors.shape[1])] < 0, -1.0, 1.0)
    return factors * signs


def _standardised(values: Array) -> Array:
    """Mean 0, standard deviation 1; zeros where all values are equal."""
    spread = float(values.std())
    return (values - float(values.mean())) / (spread if spread > 0 else 1.0)
