"""iALS: weighted matrix factorisation of implicit feedback (Hu et al., 2008), by `implicit`."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from baselines.profile import PLAIN, History, positives
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings


@dataclass(kw_only=True, eq=False)
class IALS:
    """scores = user . item; the user solved from the profile with confidences 1 + alpha * weight.

    A negative weight in the profile is a confident dislike, as in the library.
    """

    name = "ials"
    adaptive = False
    fits_history = False

    k: int = 64
    alpha: float = 1.0
    regularisation: float = 10.0
    sweeps: int = 15
    history: History = PLAIN
    seed: int = 0

    def fit(self, ratings: Ratings) -> Self:
        """Factorise the positives of the users who have any."""
        matrix = positives(ratings)
        model = self._model()
        model.fit(matrix[np.flatnonzero(np.diff(matrix.indptr))], show_progress=False)
        return self.restore({"items": model.item_factors}, ratings)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything fitted, for the cache."""
        return {"items": self.model.item_factors}

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings."""
        self.threshold = ratings.positive_threshold
        self.model = self._model()
        self.model.item_factors = np.ascontiguousarray(arrays["items"])
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        items = self.model.item_factors
        profile = self.history.profile(observation, self.threshold, len(items))
        users = self.model.recalculate_user(np.arange(observation.n_users), profile)  # [B, k]
        return scores_at(users @ items.T, candidates)

    def _model(self) -> AlternatingLeastSquares:
        with threadpool_limits(1, "blas"):  # the library warns about more threads when it starts
            return AlternatingLeastSquares(
                factors=self.k,
                alpha=self.alpha,
                regularization=self.regularisation,
                iterations=self.sweeps,
                random_state=self.seed,
                num_threads=1,
            )
