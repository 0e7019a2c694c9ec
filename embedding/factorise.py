"""Matrix factorisation: by alternating least squares, and the truncated SVD of the positives.

`fit_pmf` is probabilistic matrix factorisation (Salakhutdinov and Mnih, 2007; the paper's
embedding, section V) as a maximum a posteriori estimate: the same objective as gradient descent
on it, reached in a few exact sweeps. `fit_mf` adds user and item biases, solved jointly with the
vectors; `fit_blend` puts several of those side by side, `fit_with_genres` one beside the genres.
`fit_svd` is the default embedding, without a seed. Memory grows with the number of ratings.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds
from threadpoolctl import threadpool_limits

from data.errors import DataError
from data.observation import UNRATED_REWARD, rating_to_reward
from data.ratings import Ratings
from embedding.table import (
    EmbeddingError,
    EmbeddingTable,
    FloatArray,
    IntArray,
    blocks,
    joined_members,
    padded_positions,
    ridge_with_bias,
)

INITIAL_SCALE = 0.1  # standard deviation of the first item vectors
DAMPING = 0.25  # of an item's column of the SVD, chosen on held-out training users
SHRINK = 20.0  # of the likeness of items, that of ItemKNN in the baselines
MOST_RATINGS = 1_000_000  # of more, evenly drawn users say which items are similar
BLOCK = 512  # items whose dense likeness to all is held at once

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Penalty:
    """Ridge strength of a row of n ratings: base + per_rating * n; `bias` None: no biases."""

    base: float
    per_rating: float = 0.0
    bias: float | None = None


@dataclass(frozen=True, eq=False)
class Side:
    """The ratings as seen from one side (users or items), row by row."""

    offsets: IntArray  # [R + 1]
    others: IntArray  # [N] the item of each rating, or its user
    values: FloatArray  # [N] ratings less their mean

    def solve(
        self, factors: FloatArray, bias: FloatArray, penalty: Penalty
    ) -> tuple[FloatArray, FloatArray]:
        """Half a sweep: vectors [R, k] and biases [R], the other side's [O, k] and [O] fixed."""
        rows = len(self.offsets) - 1
        vectors = np.zeros((rows, factors.shape[1]), np.float32)
        biases = np.zeros(rows, np.float32)
        lengths = np.diff(self.offsets)
        for block in blocks(lengths):
            positions, mask = padded_positions(self.offsets, block)
            others = self.others[positions]
            strength = (penalty.base + penalty.per_rating * lengths[block]).astype(np.float32)
            vectors[block], biases[block] = ridge_with_bias(
                factors[others], self.values[positions] - bias[others], mask, strength, penalty.bias
            )
        return vectors, biases


def fit_pmf(
    ratings: Ratings,
    k: int = 100,
    *,
    regularisation: float = 8.0,
    per_rating: float = 0.05,
    sweeps: int = 5,
    seed: int = 0,
) -> EmbeddingTable:
    """PMF: ratings ~ mean + user . item, with the ridge penalties of `fit_mf` and no biases.

    per_rating = 0 is the original prior, of one variance for all; a share that grows with the
    number of ratings predicts better (ml-1m, last tenth of the training ratings: .881 against
    .899 RMSE).
    """
    return _fit("pmf", ratings, k, Penalty(regularisation, per_rating), sweeps, seed)


def fit_mf(
    ratings: Ratings,
    k: int = 12,
    *,
    regularisation: float = 8.0,
    per_rating: float = 0.02,
    bias_regularisation: float = 5.0,
    sweeps: int = 10,
    seed: int = 0,
) -> EmbeddingTable:
    """Bias + ALS: ratings ~ mean + item bias + user bias + user . item.

    The penalty of a user or item of n ratings is regularisation + per_rating * n on its vector and
    bias_regularisation on its bias. Users and items without ratings get zeros.
    """
    penalty = Penalty(regularisation, per_rating, bias_regularisation)
    return _fit("mf", ratings, k, penalty, sweeps, seed)


def fit_blend(ratings: Ratings, k: int, members: int, seed: int = 0) -> EmbeddingTable:
    """`members` factorisations of `fit_mf` with seeds of their own, whose mean rating is u . i.

    Item i is [v_1, b_1, v_2, b_2, ...] / sqrt(m) and user u is [u_1, 1, u_2, 1, ...] / sqrt(m) for
    m members with vectors v_j, u_j and item biases b_j, so that u . i is the mean of b_j + u_j . v_j:
    what a blend predicts, less the user's own level, which orders nothing. Each member has
    int(k / m) components, one of them its item bias; zeros fill up to k.
    """
    size = k // members - 1
    tables = [fit_mf(ratings, size, seed=seed + number) for number in range(members)]
    items = joined_members([(table.items, table.item_bias) for table in tables])
    return replace(
        tables[0],
        items=np.pad(items, [(0, 0), (0, k - items.shape[1])]),
        users=None,
        item_bias=np.zeros(ratings.n_items, np.float32),
        user_bias=None,
        members=members,
    )


def fit_with_genres(ratings: Ratings, k: int, seed: int = 0) -> EmbeddingTable:
    """`fit_mf` with the item bias and the genres as components, for equation 2 to weigh.

    Item i is [v, b, g] with v of k - 1 components and g 1 in the columns of its genres; user u is
    [u, 1, 0], so that mean + user_bias + u . i is what `fit_mf` predicts. EmbeddingError where
    there are no genres.
    """
    if not ratings.genres.any():
        raise EmbeddingError(
            f"{ratings.name}: --embedding.kind mf-genres, but the items have no genres; choose another"
        )
    table = fit_mf(ratings, k - 1, regularisation=7.0, seed=seed)
    if table.users is None:
        raise LookupError("a factorisation has user vectors")
    genres = ratings.genres.astype(np.float32)
    constant = np.zeros([len(table.users), 1 + genres.shape[1]], np.float32)
    constant[:, 0] = 1.0
    return replace(
        table,
        kind="mf-genres",
        items=np.hstack([table.items, table.item_bias[:, None], genres]),
        users=np.hstack([table.users, constant]),
        item_bias=np.zeros(ratings.n_items, np.float32),
        genres=genres.shape[1],
    )


def _fit(
    kind: str, ratings: Ratings, k: int, penalty: Penalty, sweeps: int, seed: int
) -> EmbeddingTable:
    mean = float(ratings.values.mean(dtype=np.float64))
    values = ratings.values - np.float32(mean)
    order = np.argsort(ratings.items, kind="stable")
    counts = np.bincount(ratings.items, minlength=ratings.n_items)
    by_user = Side(ratings.offsets, ratings.items, values)
    by_item = Side(np.append(0, np.cumsum(counts)), ratings.users[order], values[order])
    rng = np.random.default_rng(seed)
    items = rng.normal(0, INITIAL_SCALE, (ratings.n_items, k)).astype(np.float32)
    item_bias = np.zeros(ratings.n_items, np.float32)
    for _ in range(sweeps):
        users, user_bias = by_user.solve(items, item_bias, penalty)
        items, item_bias = by_item.solve(users, user_bias, penalty)
    # The users once more, so that they equal the fold-in of their own ratings.
    users, user_bias = by_user.solve(items, item_bias, penalty)
    return EmbeddingTable(
        kind=kind,
        items=items,
        users=users,
        item_bias=item_bias,
        user_bias=None if penalty.bias is None else user_bias,
        mean=mean,
        regularisation=penalty.base,
        per_rating=penalty.per_rating,
        bias_regularisation=penalty.bias,
    )


def fit_svd(ratings: Ratings, k: int = 60) -> EmbeddingTable:
    """Items: the k leading right singular vectors of the positives, times sqrt(I / k).

    The columns are orthogonal, so that least squares in their space need no inverse, and an item's
    squared length is 1 in the mean. Users: sums over what they rated, see `_user_vectors`.
    """
    items = right_factors(ratings, k, DAMPING)[0] * np.sqrt(ratings.n_items / k)
    items = items.astype(np.float32)
    return EmbeddingTable.without_biases("svd", ratings, items, _user_vectors(ratings, items))


def with_similar_items(table: EmbeddingTable, ratings: Ratings) -> EmbeddingTable:
    """The table with `similar`: of each item the sum of the others' vectors, weighted by `likeness`,
    and scaled to the size of the items' own."""
    liked = ratings.keep(ratings.positive)
    rows = np.arange(0, liked.n_users, 1 + liked.n_ratings // MOST_RATINGS)
    ones = np.ones(liked.n_ratings, np.float32)
    shape = (liked.n_users, liked.n_items)
    like = likeness(sp.csr_matrix((ones, liked.items, liked.offsets), shape)[rows], SHRINK)
    similar = np.empty_like(table.items)
    for begin in range(0, table.n_items, BLOCK):
        part = slice(begin, begin + BLOCK)
        weights = like(part)
        weights[np.arange(len(weights)), np.arange(begin, begin + len(weights))] = 0.0
        similar[part] = weights @ table.items
    size, wanted = (float(np.sqrt(np.mean(each**2))) for each in (similar, table.items))
    return replace(table, similar=np.asarray(similar * (wanted / (size or 1.0)), np.float32))


def likeness(matrix: sp.csr_matrix, shrink: float) -> Callable[[slice], FloatArray]:
    """Cosine similarity of columns of [U, I], x_i . x_j / (|x_i| |x_j| + shrink): a function that
    computes some of its rows."""
    columns = matrix.T.tocsr()
    norms = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=1)).ravel())

    def rows(part: slice) -> FloatArray:
        products = np.outer(norms[part], norms) + shrink
        return np.asarray((columns[part] @ matrix).toarray() / np.maximum(products, 1e-12))

    return rows


def coordinates(ratings: Ratings, k: int) -> FloatArray:
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
    leading, found = decomposed(matrix, k)
    factors, singular = np.zeros((ratings.n_items, k)), np.zeros(k)
    factors[:, : len(found)], singular[: len(found)] = leading, found
    return factors, singular, counts


def decomposed(matrix: sp.csr_matrix, rank: int) -> tuple[Array, Array]:
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


def _user_vectors(ratings: Ratings, items: FloatArray) -> FloatArray:
    """Sum of the vectors of rated items times reward + 0.5, scaled to a mean square of 1: [U, k]."""
    gains = rating_to_reward(ratings.values, ratings.scale) - UNRATED_REWARD
    entries = (gains.astype(np.float32), ratings.items, ratings.offsets)
    vectors = sp.csr_matrix(entries, shape=(ratings.n_users, ratings.n_items)) @ items
    spread = float(np.sqrt(np.mean(vectors[ratings.lengths > 0] ** 2)))
    return np.asarray(vectors / (spread or 1.0), np.float32)
