"""Matrix factorisations of the ratings: PMF, and bias + ALS (the paper's and Koren's)."""

from typing import Self

from baselines.factors import Factorised
from data.ratings import Ratings
from embedding.factorise import fit_mf, fit_pmf


class PMF(Factorised):
    """Probabilistic matrix factorisation: ratings ~ mean + user . item, by `embedding.factorise`."""

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
    """Bias + ALS: ratings ~ mean + item bias + user bias + user . item, by `embedding.factorise`."""

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
