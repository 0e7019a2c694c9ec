"""Matrix factorisations: users are solved from their ratings, items stay fixed.

The same ridge regression as half a sweep of ALS, kept as sufficient statistics, so that a history
is read once and an answer only adds to it.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from data.observation import FloatArray, IntArray, Observation, sparse_rows
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import fit_mf, fit_pmf
from embedding.table import EmbeddingTable


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Of B users: gram [B, f, f], moment [B, f], number of ratings [B]."""

    gram: FloatArray
    moment: FloatArray
    count: FloatArray

    def __add__(self, other: "NormalEquations") -> "NormalEquations":
        """Those of all observations together."""
        gram, moment = self.gram + other.gram, self.moment + other.moment
        return NormalEquations(gram, moment, self.count + other.count)

    def penalised(self, base: float, per_rating: float, bias: float | None) -> FloatArray:
        """gram with base + per_rating * count added on the diagonal, `bias` at its end: [B, f, f]."""
        size = self.moment.shape[1]
        strength = np.repeat((base + per_rating * self.count)[:, None], size, axis=1)
        if bias is not None:
            strength[:, -1] = bias
        gram = self.gram.copy()
        gram[:, np.arange(size), np.arange(size)] += strength.astype(np.float32)
        return gram

    def solve(self, base: float, per_rating: float, bias: float | None) -> FloatArray:
        """Ridge solutions [B, f]."""
        gram = self.penalised(base, per_rating, bias)
        return np.linalg.solve(gram, self.moment[..., None])[..., 0]


def gather(features: FloatArray, targets: csr_matrix) -> NormalEquations:
    """Of rows of targets [B, I], every stored value an observation; features [I, f]."""
    n_rows, size = targets.shape[0], features.shape[1]
    gram = np.zeros((n_rows, size, size), np.float32)
    moment = np.zeros((n_rows, size), np.float32)
    for row, (begin, end) in enumerate(pairwise(targets.indptr.tolist())):
        known = features[targets.indices[begin:end]]  # [n, f]
        gram[row] = known.T @ known
        moment[row] = targets.data[begin:end] @ known
    return NormalEquations(gram, moment, np.diff(targets.indptr).astype(np.float32))


class Factorised:
    """Predicted ratings mean + item bias + user . item, the user solved from what is known.

    Without answers the vectors equal those of training, so seen and unseen users are one case.
    `refused`: the rating that stands for "recommended, not rated"; None: such items are ignored.
    """

    name: str
    adaptive = False
    refused: float | None = None

    def use(self, table: EmbeddingTable) -> Self:
        """Take the fitted factors; with a user bias, a constant joins the features."""
        self.table = table
        self._kept: tuple[tuple[IntArray, FloatArray], NormalEquations] | None = None
        ones = np.ones((table.n_items, int(table.bias_regularisation is not None)), np.float32)
        self._features = np.hstack([table.items, ones])  # [I, k] or [I, k + 1]
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything fitted, for the cache."""
        table = self.table
        bias = np.nan if table.bias_regularisation is None else table.bias_regularisation
        scalars = np.array([table.mean, table.regularisation, table.per_rating, bias])
        return {"items": table.items, "item_bias": table.item_bias, "scalars": scalars}

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings."""
        mean, regularisation, per_rating, bias = (float(value) for value in arrays["scalars"])
        return self.use(
            EmbeddingTable(
                kind=self.name,
                items=arrays["items"],
                users=None,
                item_bias=arrays["item_bias"],
                user_bias=None,
                mean=mean,
                regularisation=regularisation,
                per_rating=per_rating,
                bias_regularisation=None if np.isnan(bias) else bias,
            )
        )

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        solution = self.equations(observation).solve(*self.penalties())
        return scores_at(self.table.scores(solution[:, : self.table.k]), candidates)

    def penalties(self) -> tuple[float, float, float | None]:
        """Of a user: base, per rating, bias."""
        table = self.table
        return table.regularisation, table.per_rating, table.bias_regularisation

    def equations(self, observation: Observation) -> NormalEquations:
        """Of all that is known; the start's part is kept, since every answer asks for it again."""
        origin = observation.known_items, observation.known_ratings
        if self._kept is None or any(
            a is not b for a, b in zip(self._kept[0], origin, strict=True)
        ):
            self._kept = (origin, self._gather(*origin))
        if observation.shown_items.shape[1] == 0:
            return self._kept[1]
        ratings = observation.shown_ratings
        if self.refused is not None:
            ratings = np.where(np.isnan(ratings), np.float32(self.refused), ratings)
        return self._kept[1] + self._gather(observation.shown_items, ratings)

    def _gather(self, items: IntArray, ratings: FloatArray) -> NormalEquations:
        """items [B, m], -1 = none; ratings [B, m], NaN = not rated."""
        targets = ratings - self.table.item_bias[items] - np.float32(self.table.mean)
        rated = np.isfinite(ratings)
        return gather(self._features, sparse_rows(targets, items, self.table.n_items, rated))


class PMF(Factorised):
    """Probabilistic matrix factorisation: ratings ~ mean + user . item, by `embedding.als`."""

    name = "pmf"

    def __init__(
        self,
        *,
        k: int = 20,
        regularisation: float = 8.0,
        per_rating: float = 0.02,
        sweeps: int = 8,
        refused: float | None = None,
        seed: int = 0,
    ) -> None:
        self.k, self.regularisation, self.per_rating = k, regularisation, per_rating
        self.sweeps, self.refused, self.seed = sweeps, refused, seed

    def fit(self, ratings: Ratings) -> Self:
        """Alternate ridge regressions of users and items."""
        return self.use(
            fit_pmf(
                ratings,
                self.k,
                regularisation=self.regularisation,
                per_rating=self.per_rating,
                sweeps=self.sweeps,
                seed=self.seed,
            )
        )


class MF(Factorised):
    """Bias + ALS: ratings ~ mean + item bias + user bias + user . item, by `embedding.als`."""

    name = "mf"

    def __init__(
        self,
        *,
        k: int = 12,
        regularisation: float = 8.0,
        per_rating: float = 0.02,
        bias_regularisation: float = 5.0,
        sweeps: int = 10,
        refused: float | None = None,
        seed: int = 0,
    ) -> None:
        self.k, self.regularisation, self.per_rating = k, regularisation, per_rating
        self.bias_regularisation, self.sweeps = bias_regularisation, sweeps
        self.refused, self.seed = refused, seed

    def fit(self, ratings: Ratings) -> Self:
        """Alternate ridge regressions of users and items."""
        return self.use(
            fit_mf(
                ratings,
                self.k,
                regularisation=self.regularisation,
                per_rating=self.per_rating,
                bias_regularisation=self.bias_regularisation,
                sweeps=self.sweeps,
                seed=self.seed,
            )
        )
