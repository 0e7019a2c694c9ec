"""Linear scores of what a user's items are: item-item weights, and ridge regression on vectors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import is_not
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor
from scipy.linalg.lapack import spotri
from scipy.sparse import csr_matrix

from baselines.fit_cache import Keepable
from baselines.profile import PLAIN, History, as_matrix, gains, positives, shrunk_means
from config import DRRError
from data.observation import FloatArray, IntArray, Observation, sparse_rows
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import coordinates, decomposed, likeness

MEAN_SHRINK = 10.0
MOST_BYTES = 3_200_000_000  # of dense matrices at once
BLOCK = 512  # rows of item weights that are computed at once


class TooLarge(DRRError):
    """A data set has too many items for a method whose memory grows with their square."""


@dataclass(kw_only=True, eq=False)
class ItemItem(Keepable):
    """scores = profile @ weights (+ item means), a subclass supplies the weights.

    `values` "positives": profiles are binary, weighted by `history`. "residuals": a rating counts
    as its difference from the item's shrunk mean and from the user's average difference, the item
    mean is added to the score, and of `history` only `refused` is used.
    """

    adaptive = False
    fitted = ("threshold", "n_items", "means", "weights")
    fits_history = False

    values: str = "positives"
    history: History = PLAIN
    _kept: tuple[tuple[object, ...], FloatArray] | None = field(default=None, init=False)

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """Item-by-item weights float32 [I, I] learned from the training matrix [U, I]."""
        raise NotImplementedError

    def fit(self, ratings: Ratings) -> Self:
        """Learn the weights, and the item means if residuals are asked for.

        Raises TooLarge where dense matrices would need more than MOST_BYTES.
        """
        check_memory(4 * ratings.n_items**2)
        self.threshold, self.n_items = ratings.positive_threshold, ratings.n_items
        self._kept = None
        if self.values == "positives":
            self.means = np.zeros(ratings.n_items, np.float32)
            self.weights = self.item_weights(positives(ratings))
        else:
            self.means = shrunk_means(ratings, MEAN_SHRINK).astype(np.float32)
            residuals = ratings.values - self.means[ratings.items]
            sums = np.bincount(ratings.users, weights=residuals, minlength=ratings.n_users)
            residuals -= _shrunk_mean(sums, ratings.lengths.astype(np.float64))[ratings.users]
            self.weights = self.item_weights(as_matrix(ratings, residuals))
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        scores = self._known_scores(observation)
        if observation.shown_items.shape[1]:
            scores = scores + self._answers_profile(observation) @ self.weights
        return scores_at(scores, candidates)

    def _known_scores(self, observation: Observation) -> FloatArray:
        """From what was known at the start [B, I]; kept, since every answer asks for them again."""
        origin = (observation.known_items, observation.known_ratings, self.history)
        if self._kept is None or any(map(is_not, self._kept[0], origin)):
            scores = self._known_profile(observation) @ self.weights + self.means
            self._kept = (origin, np.asarray(scores, np.float32))
        return self._kept[1]

    def _known_profile(self, observation: Observation) -> csr_matrix:
        if self.values == "positives":
            return self.history.known(observation, self.threshold, self.n_items)
        residuals, bias = self._residuals(observation)
        return sparse_rows(residuals - bias, observation.known_items, self.n_items)

    def _answers_profile(self, observation: Observation) -> csr_matrix:
        if self.values == "positives":
            return self.history.answers(observation, self.threshold, self.n_items)
        bias = self._residuals(observation)[1]
        residuals = observation.shown_ratings - self.means[observation.shown_items] - bias
        values = np.where(np.isnan(residuals), self.history.refused, residuals)
        return sparse_rows(values, observation.shown_items, self.n_items)

    def _residuals(self, observation: Observation) -> tuple[FloatArray, FloatArray]:
        """Differences from the item means at the start [B, m], and each user's average [B, 1]."""
        items = observation.known_items
        residuals = np.where(items >= 0, observation.known_ratings - self.means[items], 0.0)
        sums = residuals.sum(axis=1, dtype=np.float64)
        return residuals, _shrunk_mean(sums, (items >= 0).sum(axis=1))[:, None]


def _shrunk_mean(sums: NDArray[Any], counts: IntArray) -> FloatArray:
    """Means float32, pulled to zero by MEAN_SHRINK values."""
    return np.asarray(sums / (counts + MEAN_SHRINK), np.float32)


@dataclass(kw_only=True, eq=False)
class ItemKNN(ItemItem):
    """Cosine similarity of training columns (Sarwar et al., 2001).

    Similarity x_i . x_j / (|x_i| |x_j| + shrink), zero on the diagonal.
    """

    name = "item-knn"

    shrink: float = 100.0

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem."""
        return _without_diagonal(_in_blocks(matrix.shape[1], likeness(matrix, self.shrink)))


@dataclass(kw_only=True, eq=False)
class EASE(ItemItem):
    """A linear autoencoder in closed form (Steck, 2019).

    Weights B minimising |X - X B|^2 + regularisation |B|^2 with a zero diagonal.

    With P = (X^T X + regularisation I)^-1: B_ij = -P_ij / P_jj off the diagonal. Of fewer users
    than items the same by a smaller inverse: with M = X^T (X X^T + regularisation I)^-1 X,
    P = (I - M) / regularisation, so that B_ij = M_ij / (1 - M_jj).
    """

    name = "ease"

    regularisation: float = 20_000.0

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem."""
        if matrix.shape[0] < matrix.shape[1]:
            return self._from_users(matrix)
        inverse = self._inverse(matrix.T.tocsr(), matrix)
        inverse /= -inverse.diagonal().copy()
        return _without_diagonal(inverse)

    def _from_users(self, matrix: csr_matrix) -> FloatArray:
        n_users, n_items = matrix.shape
        check_memory(4 * (n_items**2 + n_users**2 + n_users * n_items))
        columns = matrix.T.tocsr()  # [I, U]
        half = (columns @ self._inverse(matrix, matrix.T)).T  # [U, I]
        rest = 1.0 - np.asarray(columns.multiply(half.T).sum(axis=1)).ravel()  # 1 - M_jj
        rows = _in_blocks(n_items, lambda part: np.asarray(columns[part] @ half / rest))
        return _without_diagonal(rows)

    def _inverse(self, left: csr_matrix, right: csr_matrix) -> FloatArray:
        """(left right + regularisation I)^-1, symmetric, in place of the matrix itself.

        In single precision: against regularisations of thousands the matrix is well-conditioned.
        """
        size = left.shape[0]
        dense = _in_blocks(size, lambda part: (left[part] @ right).toarray())
        dense[np.diag_indices(size)] += self.regularisation
        # symmetric: the transpose is in the order in which LAPACK writes
        factor, _ = cho_factor(dense.T, lower=True, overwrite_a=True)
        inverse: FloatArray = spotri(factor, lower=1, overwrite_c=1)[0]
        for row in range(size):  # LAPACK gives the lower triangle
            inverse[row, row + 1 :] = inverse[row + 1 :, row]
        return inverse


@dataclass(kw_only=True, eq=False)
class PureSVD(ItemItem):
    """Projection on the leading right singular vectors (Cremonesi et al., 2010).

    scores = profile @ V V^T, V [I, k] from the SVD of the training matrix.

    Columns are divided by count^`damping` before the SVD, so that popular items do not take all
    directions; scores are multiplied back. 0 is the published method.
    """

    name = "pure-svd"

    k: int = 50
    damping: float = 0.0

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem."""
        counts = np.maximum(matrix.getnnz(axis=0), 1)
        scale = (counts**-self.damping).astype(np.float32)
        vectors = decomposed(matrix.multiply(scale).tocsr(), self.k)[0]  # [I, k]
        scaled = scale[:, None] * vectors
        return _in_blocks(len(scale), lambda part: np.asarray(scaled[part] @ vectors.T / scale))


def check_memory(needed: int) -> None:
    """TooLarge, saying how much, where dense matrices would take more bytes than allowed."""
    if needed > MOST_BYTES:
        raise TooLarge(
            f"its item-by-item weights would need {needed / 1e9:.1f} GB of memory; at most "
            f"{MOST_BYTES / 1e9:.1f} are allowed"
        )


def _in_blocks(n_items: int, rows: Callable[[slice], FloatArray]) -> FloatArray:
    weights = np.empty((n_items, n_items), np.float32)
    for begin in range(0, n_items, BLOCK):
        part = slice(begin, begin + BLOCK)
        weights[part] = rows(part)
    return weights


def _without_diagonal(weights: FloatArray) -> FloatArray:
    np.fill_diagonal(weights, 0.0)
    return weights


@dataclass(kw_only=True, eq=False)
class Ridge(Keepable):
    """scores = x W, W = (X'X + lambda I)^-1 X'Y; x = [mean of the liked items' SVD vectors,
    `demographics` times those of the user, 1].

    A row of X is the mean over a window of `window` ratings of a training user, the same row of Y
    his other positives, or (`values` "gains") the reward + .5 of his other ratings. Each user gives
    his first window and `random_windows` random ones. Refused items are subtracted as
    `history.refused` times their vectors.
    """

    name = "ridge"
    adaptive = False
    fitted = ("threshold", "n_items", "vectors", "weights")

    k: int = 100
    regularisation: float = 100.0
    window: int = 10
    random_windows: int = 4
    demographics: float = 0.0
    values: str = "positives"
    history: History = PLAIN
    seed: int = 0

    def fit(self, ratings: Ratings) -> Self:
        """Draw windows, then one linear system."""
        self.threshold, self.n_items = ratings.positive_threshold, ratings.n_items
        self.vectors = coordinates(ratings, self.k)  # [I, k]
        answers = positives(ratings) if self.values == "positives" else gains(ratings)
        rng = np.random.default_rng(self.seed)
        columns = ratings.demographics.shape[1] if self.demographics else 0
        size = self.vectors.shape[1] + columns + 1
        gram, moment = np.zeros((size, size)), np.zeros((size, ratings.n_items))
        for random in [False] + [True] * self.random_windows:
            users, window = self._windows(ratings, rng, random)
            features = self._features(window, ratings.demographics[users])
            gram += features.T @ features
            moment += (_others(answers[users], window).T @ features).T
        gram[np.diag_indices(size)] += self.regularisation
        self.weights = np.linalg.solve(gram, moment).astype(np.float32)  # [k + D + 1, I]
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        profile = self.history.profile(observation, self.threshold, self.n_items)
        features = self._features(profile, observation.demographics)
        return scores_at((features @ self.weights).astype(np.float32), candidates)

    def _features(self, profile: csr_matrix, demographics: FloatArray) -> FloatArray:
        """Mean item vector weighted by the profile, demographics, a constant: [B, k + D + 1]."""
        positive = np.asarray(profile.maximum(0).sum(axis=1))  # [B, 1]
        mean = (profile @ self.vectors) / np.maximum(positive, 1e-6)
        mean = np.where(positive > 0, mean, 0.0)
        people = [self.demographics * demographics] if self.demographics else []
        return np.hstack([mean, *people, np.ones((len(mean), 1))])

    def _windows(
        self, ratings: Ratings, rng: np.random.Generator, random: bool
    ) -> tuple[IntArray, csr_matrix]:
        """One window of each user who rated more than that: users [M], profiles [M, I]."""
        users = np.flatnonzero(ratings.lengths > self.window)
        ends = np.full(len(users), self.window)
        if random:
            ends = rng.integers(self.window, ratings.lengths[users])
        places = (ratings.offsets[users] + ends)[:, None] + np.arange(-self.window, 0)  # [M, n]
        weights = self.history.weights(ratings.positive[places])
        return users, sparse_rows(weights, ratings.items[places], ratings.n_items)


def _others(answers: csr_matrix, window: csr_matrix) -> csr_matrix:
    """Answers [M, I] less those in the window, whose every entry counts, also one of weight 0."""
    seen = csr_matrix((np.ones_like(window.data), window.indices, window.indptr), window.shape)
    return answers - answers.multiply(seen)
