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
Vectors = NDArray[np.float32]
DAMPING = 0.25  # chosen on held-out training users


def fit_svd(ratings: Ratings, k: int = 60, *, regularisation: float = 1.0) -> EmbeddingTable:
    """Items: the k leading right singular vectors of the positives, times sqrt(I / k).

    The columns are orthogonal, so that least squares in their space need no inverse, and an item's
    squared length is 1 in the mean. Users: sums over what they rated, see `_user_vectors`.
    `regularisation` is that of `EmbeddingTable.fold_in`.
    """
    items = right_factors(ratings, k, DAMPING)[0] * np.sqrt(ratings.n_items / k)
    items = items.astype(np.float32)
    users = _user_vectors(ratings, items)
    return EmbeddingTable.without_biases("svd", ratings, items, users, regularisation)


def coordinates(ratings: Ratings, k: int) -> Vectors:
    """Item vectors of some baselines [I, k]: k - 1 factors, and standardised log-popularity.

    Each item's column of positives has unit length; the factors are its coordinates in the space of
    users, Q S sqrt(k - 1), with a squared length of at most k - 1.
    """
    factors, singular, counts = right_factors(ratings, k - 1, 0.5)
    popularity = np.log1p(counts)
    popularity = (popularity - popularity.mean()) / (popularity.std() or 1.0)
    return np.column_stack([factors * singular * np.sqrt(k - 1), popularity]).astype(np.float32)


def right_factors(ratings: Ratings, k: int, damping: float) -> tuple[Array, Array, Array]:
    """Q [I, k] and S [k] of the positives X [U, I], X D = P S Q', and the items' counts [I].

    D divides each item's column by count^damping, so that popular items do not own the leading
    factors. An item without a positive rating has zeros; a catalogue smaller than k leaves the last
    columns zero. DataError where nothing is positive.
    """
    users, items = ratings.users[ratings.positive], ratings.items[ratings.positive]
    if len(items) == 0:
        raise DataError(
            f"{ratings.name}: no positive rating ({ratings.positive_threshold:g} or more) to train "
            "on; an SVD needs one (in your own data, --csv.positive says which they are)"
        )
    counts = np.bincount(items, minlength=ratings.n_items).astype(np.float64)
    weights = counts[items] ** -damping
    matrix = sp.csr_matrix((weights, (users, items)), shape=(ratings.n_users, ratings.n_items))
    leading, found = _decomposed(matrix, k)
    factors, singular = np.zeros((ratings.n_items, k)), np.zeros(k)
    factors[:, : len(found)], singular[: len(found)] = leading, found
    return factors, singular, counts


def _decomposed(matrix: sp.csr_matrix, rank: int) -> tuple[Array, Array]:
    """Q [I, <= rank] and S of the `rank` largest singular values, largest first, signs fixed."""
    if rank < min(matrix.shape):
        start = np.ones(min(matrix.shape))  # ARPACK's own start is random
        with threadpool_limits(limits=1, user_api="blas"):  # its vectors are too small for threads
            _, singular, right = svds(matrix, k=rank, v0=start, return_singular_vectors="vh")
    else:
        _, singular, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
        singular, right = singular[:rank], right[:rank]
    order = np.argsort(-singular, kind="stable")
    factors: Array = right[order].T
    largest = np.abs(factors).argmax(axis=0)
    signs: Array = np.where(factors[largest, np.arange(factors.shape[1])] < 0, -1.0, 1.0)
    return factors * signs, singular[order]


def _user_vectors(ratings: Ratings, items: Vectors) -> Vectors:
    """Sum of the vectors of rated items times reward + 0.5, scaled to a mean square of 1: [U, k]."""
    gains = rating_to_reward(ratings.values, ratings.scale) - UNRATED_REWARD
    entries = (gains.astype(np.float32), ratings.items, ratings.offsets)
    vectors = sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items)) @ items
    spread = float(np.sqrt(np.mean(vectors[ratings.lengths > 0] ** 2)))
    return np.asarray(vectors / (spread or 1.0), np.float32)
