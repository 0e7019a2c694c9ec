"""Item vectors by a truncated SVD of the positives: the default embedding, without a seed."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from data.errors import DataError
from data.observation import UNRATED_REWARD, rating_to_reward
from data.ratings import Ratings
from embedding.table import EmbeddingTable

Array = NDArray[np.float64]


DAMPING = 0.25  # chosen on held-out training users


def fit_svd(ratings: Ratings, k: int = 60, *, regularisation: float = 1.0) -> EmbeddingTable:
    """The k leading right singular vectors of the binary positives X [U, I].

    Each item's column is divided by count^DAMPING first, so that popular items do not own the leading
    factors: X D = P S Q'. An item's vector is its row of Q sqrt(I / k), of mean squared length 1; the
    columns are orthogonal, so that least squares in their space need no inverse. An item without a
    positive rating has zeros. A catalogue smaller than k leaves the last columns zero.
    `regularisation` is that of `EmbeddingTable.fold_in`.
    """
    users, items = ratings.users[ratings.positive], ratings.items[ratings.positive]
    if len(items) == 0:
        raise DataError(
            f"{ratings.name}: no positive rating ({ratings.positive_threshold:g} or more) to train "
            "on; an SVD needs one (in your own data, --csv.positive says which they are)"
        )
    counts = np.bincount(items, minlength=ratings.n_items)
    weights = counts[items] ** -DAMPING
    matrix = sp.csr_matrix((weights, (users, items)), shape=(ratings.n_users, ratings.n_items))
    factors = np.zeros((ratings.n_items, k), np.float32)
    leading = _right_factors(matrix, k)
    factors[:, : leading.shape[1]] = leading * np.sqrt(ratings.n_items / k)
    people = _user_vectors(ratings, factors)
    return EmbeddingTable.without_biases("svd", ratings, factors, people, regularisation)


def _user_vectors(ratings: Ratings, items: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the vectors of rated items times reward + 0.5, scaled to a mean square of 1: [U, k]."""
    gains = rating_to_reward(ratings.values, ratings.scale) - UNRATED_REWARD
    entries = (gains.astype(np.float32), ratings.items, ratings.offsets)
    vectors = sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items)) @ items
    spread = np.sqrt(np.mean(vectors[ratings.lengths > 0] ** 2))
    return np.asarray(vectors / max(float(spread), 1e-12), np.float32)


def _right_factors(matrix: sp.csr_matrix, rank: int) -> Array:
    """Q of the `rank` largest singular values [I, <= rank], largest first, signs fixed."""
    if rank < min(matrix.shape):
        start = np.ones(min(matrix.shape))  # ARPACK's own start is random
        with threadpool_limits(limits=1, user_api="blas"):  # its vectors are too small for threads
            _, singular, right = svds(matrix, k=rank, v0=start, return_singular_vectors="vh")
    else:
        _, singular, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    order = np.argsort(-singular, kind="stable")
    factors: Array = right[order].T
    largest = np.abs(factors).argmax(axis=0)
    signs: Array = np.where(factors[largest, np.arange(factors.shape[1])] < 0, -1.0, 1.0)
    return factors * signs
