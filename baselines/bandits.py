"""Bandits: LinUCB, one linear model for all users, and hLinUCB, one for each user."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from baselines.factors import MF
from baselines.fit_cache import Keepable
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import fit_mf


@dataclass(kw_only=True, eq=False)
class LinUCB(Keepable):
    """An optimistic linear bandit (Li et al., 2010).

    score = theta . x + alpha sqrt(x' A^-1 x), x = [item vector, item bias, 1] from bias + ALS.

    A = lambda I + sum x x' and theta = A^-1 sum x (rating - mean) run over the training ratings and
    the answers of all users asked together, so that users learn from each other.
    """

    name = "linucb"
    adaptive = True
    fitted = ("features", "mean", "gram", "moment")
    users_per_batch = 1 << 30  # everybody at once, so that all learn from all

    k: int = 12
    alpha: float = 0.1
    regularisation: float = 1.0
    seed: int = 0

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

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        items, ratings = observation.shown_items, observation.shown_ratings
        heard = np.isfinite(ratings) & (items >= 0)
        gram, moment = self._with(items[heard], ratings[heard])
        inverse = np.linalg.inv(gram)
        width = np.sqrt(np.einsum("if,fg,ig->i", self.features, inverse, self.features))
        scores = self.features @ (inverse @ moment) + self.alpha * width  # [I]
        return scores_at(np.tile(scores, (observation.n_users, 1)), candidates)

    def _with(self, items: IntArray, ratings: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A and sum x (rating - mean) with more observations [H]."""
        n_items = len(self.features)
        counts = np.bincount(items, minlength=n_items)
        sums = np.bincount(items, weights=ratings - self.mean, minlength=n_items)
        gram = self.gram + (self.features * counts[:, None]).T @ self.features
        return gram, self.moment + self.features.T @ sums


@dataclass(kw_only=True, eq=False)
class HLinUCB(MF):
    """A bandit over learned hidden item features (Wang et al., 2016).

    score = predicted rating + alpha sqrt(x' A_u^-1 x).

    The hidden features x [I, f] and A_u are those of bias + ALS, warm from the training part; the
    user is solved again after each answer. The paper's second width, that of the items' own features,
    is left out: these stay as they were trained.
    """

    name = "hlinucb"
    adaptive = True

    alpha: float = 0.1

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores. Quadratic forms are one matrix product over flattened squares."""
        equations = self.equations(observation)
        inverse = np.linalg.inv(equations.penalised(*self.penalties))  # A_u^-1, [B, f, f]
        users = (inverse @ equations.moment[..., None])[..., 0]
        features = self.features
        squares = (features[:, :, None] * features[:, None, :]).reshape(len(features), -1)
        widths = inverse.reshape(len(inverse), -1) @ squares.T  # x' A_u^-1 x, [B, I]
        vectors = users[:, : self.k].astype(np.float32)
        scores = self.predicted(vectors) + self.alpha * np.sqrt(np.maximum(widths, 0))
        return scores_at(scores, candidates)
