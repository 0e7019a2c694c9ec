"""UserKNN: what the most similar training users liked."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from baselines.profile import PLAIN, History, gains, positives
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings


@dataclass(kw_only=True, eq=False)
class UserKNN:
    """score(u, i) = sum over the nearest v of similarity(u, v) [v liked i].

    similarity = p . x_v / (|p| |x_v| + shrink) between the profile p and the positives x_v; the
    user asked about is not his own neighbour. `values` "gains": neighbours say their reward + .5
    instead of whether they liked it.
    """

    name = "user-knn"
    adaptive = False

    neighbours: int = 200
    shrink: float = 10.0
    values: str = "positives"
    history: History = PLAIN

    def fit(self, ratings: Ratings) -> Self:
        """Keep the positives; the similarities wait for the profiles."""
        self.threshold = ratings.positive_threshold
        self.liked = positives(ratings)  # [U, I]
        self.said = self.liked if self.values == "positives" else gains(ratings)
        self.norms = _row_norms(self.liked)  # [U]
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        profile = self.history.profile(observation, self.threshold, self.liked.shape[1])
        profile.sort_indices()  # one order of the sum, whenever an item was met
        similarity = (profile @ self.liked.T).toarray()  # [B, U]
        similarity /= np.maximum(np.outer(_row_norms(profile), self.norms) + self.shrink, 1e-12)
        rows = np.flatnonzero(observation.users >= 0)
        similarity[rows, observation.users[rows]] = 0.0
        nearest = _largest(similarity, self.neighbours)
        return scores_at((nearest @ self.said).toarray().astype(np.float32), candidates)


def _largest(values: FloatArray, count: int) -> csr_matrix:
    """Sparse copy of values [B, U] that keeps the `count` largest of each row."""
    count = min(count, values.shape[1])
    columns = np.argpartition(-values, count - 1, axis=1)[:, :count]
    kept = np.take_along_axis(values, columns, axis=1)
    offsets = np.arange(len(values) + 1) * count
    return csr_matrix((kept.ravel(), columns.ravel(), offsets), shape=values.shape)


def _row_norms(matrix: csr_matrix) -> FloatArray:
    squares: FloatArray = np.asarray(matrix.multiply(matrix).sum(axis=1), np.float32)
    return np.sqrt(squares.ravel())
