"""Ridge regression from the mean of a profile's item vectors to everything else the user likes."""

from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from baselines.history import PLAIN, History, csr
from baselines.matrices import positives
from data.ratings import Ratings
from embedding.svd import fit_svd
from evaluation.policy import FloatArray, IntArray, States, take


class Ridge:
    """scores = x W, x = [mean of the liked items' SVD vectors, 1]; W = (X'X + lambda I)^-1 X'Y.

    A row of X is the mean over a window of `window` ratings of a training user, the same row of Y
    his other positives. Each user gives his first window and `random_windows` random ones. Refused
    items are subtracted as `history.refused` times their vectors.
    """

    name = "ridge"
    adaptive = False

    def __init__(
        self,
        *,
        k: int = 100,
        regularisation: float = 100.0,
        window: int = 10,
        random_windows: int = 4,
        history: History = PLAIN,
        seed: int = 0,
    ) -> None:
        self.k, self.regularisation, self.window = k, regularisation, window
        self.random_windows, self.history, self.seed = random_windows, history, seed

    def fit(self, ratings: Ratings) -> Self:
        """Draw windows, then one linear system."""
        self.threshold = ratings.positive_threshold
        self.vectors = fit_svd(ratings, self.k).items  # [I, k]
        liked = positives(ratings)
        rng = np.random.default_rng(self.seed)
        size = self.vectors.shape[1] + 1
        gram, moment = np.zeros((size, size)), np.zeros((size, ratings.n_items))
        for random in [False] + [True] * self.random_windows:
            users, window = self._windows(ratings, rng, random)
            features = self._features(window)
            gram += features.T @ features
            moment += (_others(liked[users], window).T @ features).T
        gram[np.diag_indices(size)] += self.regularisation
        self.weights = np.linalg.solve(gram, moment).astype(np.float32)  # [k + 1, I]
        return self

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        profile = self.history.profile(states, self.threshold)
        return take((self._features(profile) @ self.weights).astype(np.float32), candidates)

    def _features(self, profile: csr_matrix) -> FloatArray:
        """Mean item vector weighted by the profile, and a constant: [B, k + 1]."""
        positive = np.asarray(profile.maximum(0).sum(axis=1))  # [B, 1]
        mean = (profile @ self.vectors) / np.maximum(positive, 1e-6)
        mean = np.where(positive > 0, mean, 0.0)
        return np.hstack([mean, np.ones((len(mean), 1))])

    def _windows(
        self, ratings: Ratings, rng: np.random.Generator, random: bool
    ) -> tuple[IntArray, csr_matrix]:
        """One window of each user who rated more than that: users [M], profiles [M, I]."""
        users = np.flatnonzero(ratings.lengths > self.window)
        ends = np.full(len(users), self.window)
        if random:
            ends = rng.integers(self.window, ratings.lengths[users])
        places = (ratings.offsets[users] + ends)[:, None] + np.arange(-self.window, 0)  # [M, n]
        weights = np.where(ratings.positive[places], self.history.liked, self.history.other)
        weights = weights * self.history.decay ** np.arange(self.window - 1, -1, -1)
        offsets = np.arange(len(users) + 1) * self.window
        items = ratings.items[places].ravel()
        return users, csr(weights.ravel(), items, offsets, ratings.n_items)


def _others(liked: csr_matrix, window: csr_matrix) -> csr_matrix:
    """Positives [M, I] less those in the window."""
    return liked - liked.multiply(window.astype(bool))
