"""LinUCB: an optimistic linear bandit, one model for all users (Li et al., 2010)."""

from typing import Self

import numpy as np

from data.ratings import Ratings
from embedding.factorise import fit_mf
from evaluation.policy import FloatArray, IntArray, States, take


class LinUCB:
    """score = theta . x + alpha sqrt(x' A^-1 x), x = [item vector, item bias, 1] from bias + ALS.

    A = lambda I + sum x x' and theta = A^-1 sum x (rating - mean) run over the training ratings and
    the answers of all users asked together, so that users learn from each other.
    """

    name = "linucb"
    adaptive = True
    users_per_batch = 1 << 30  # everybody at once, so that all learn from all

    def __init__(
        self, *, k: int = 12, alpha: float = 0.1, regularisation: float = 1.0, seed: int = 0
    ) -> None:
        self.k, self.alpha, self.regularisation, self.seed = k, alpha, regularisation, seed

    def fit(self, ratings: Ratings) -> Self:
        """Item features, and the statistics of the training ratings."""
        table = fit_mf(ratings, self.k, seed=self.seed)
        ones = np.ones(ratings.n_items)
        self.features = np.column_stack([table.items, table.item_bias, ones]).astype(np.float64)
        self.mean = table.mean
        size = self.features.shape[1]
        self.gram: FloatArray = self.regularisation * np.eye(size)
        self.moment: FloatArray = np.zeros(size)
        self.gram, self.moment = self._with(ratings.items, ratings.values)
        return self

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        heard = np.isfinite(states.feedback_ratings) & (states.feedback_items >= 0)
        gram, moment = self._with(states.feedback_items[heard], states.feedback_ratings[heard])
        inverse = np.linalg.inv(gram)
        width = np.sqrt(np.einsum("if,fg,ig->i", self.features, inverse, self.features))
        scores = self.features @ (inverse @ moment) + self.alpha * width  # [I]
        return take(np.tile(scores, (states.n_users, 1)), candidates)

    def _with(self, items: IntArray, ratings: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A and sum x (rating - mean) with more observations [H]."""
        n_items = len(self.features)
        counts = np.bincount(items, minlength=n_items)
        sums = np.bincount(items, weights=ratings - self.mean, minlength=n_items)
        gram = self.gram + (self.features * counts[:, None]).T @ self.features
        return gram, self.moment + self.features.T @ sums
