"""SVD++: matrix factorisation whose user is also the set of items he rated (Koren, 2008)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from baselines.factors import gather
from baselines.profile import as_matrix
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import fit_mf

USERS_PER_STEP = 256
ADAM = (0.9, 0.999, 1e-8)


@dataclass(frozen=True)
class Penalties:
    """Ridge strengths: of a vector with n ratings base + per_rating * n; of user and item biases;
    implicit: of an implicit vector with n ratings, times n."""

    base: float
    per_rating: float
    bias: float
    implicit: float


class SVDpp:
    """r(u, i) ~ mean + b_u + b_i + q_i . (p_u + z_u),  z_u = |N(u)|^-1/2 sum over N(u) of y_j.

    Given the item side (q, y, b_i), p_u and b_u are a ridge regression; so only the item side is
    learned, by Adam on the objective with the users already minimised out (at that minimum its
    gradient is the partial one). Unseen users are solved the same way. Training starts from
    bias + ALS factors with y = 0.
    """

    name = "svd++"
    adaptive = False

    def __init__(
        self,
        *,
        k: int = 20,
        regularisation: float = 8.0,
        per_rating: float = 0.02,
        bias_regularisation: float = 5.0,
        implicit_regularisation: float = 0.05,
        epochs: int = 10,
        learning_rate: float = 3e-3,
        seed: int = 0,
    ) -> None:
        self.k, self.epochs = k, epochs
        self.penalties = Penalties(
            regularisation, per_rating, bias_regularisation, implicit_regularisation
        )
        self.learning_rate, self.seed = learning_rate, seed

    def fit(self, ratings: Ratings) -> Self:
        """ALS first, then `epochs` passes over the users."""
        strengths = self.penalties
        table = fit_mf(
            ratings,
            self.k,
            regularisation=strengths.base,
            per_rating=strengths.per_rating,
            bias_regularisation=strengths.bias,
            seed=self.seed,
        )
        self.mean = table.mean
        self.items, self.bias = table.items.copy(), table.item_bias.copy()  # q [I, k], b [I]
        self.implicit = np.zeros_like(self.items)  # y [I, k]
        self._descend(ratings)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything fitted, for the cache."""
        mean = np.array(self.mean)
        arrays = {"items": self.items, "implicit": self.implicit, "bias": self.bias}
        return arrays | {"mean": mean}

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings."""
        self.items, self.implicit = arrays["items"], arrays["implicit"]
        self.bias, self.mean = arrays["bias"], float(arrays["mean"])
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        known = observation.rated(lambda ratings: ratings, len(self.items))
        vectors, _ = self._users(known, _normalised(known) @ self.implicit)
        return scores_at(vectors @ self.items.T + (self.bias + np.float32(self.mean)), candidates)

    def _users(self, known: csr_matrix, implicit: FloatArray) -> tuple[FloatArray, FloatArray]:
        """p + z [B, k] and the biases [B] from ratings [B, I] and z [B, k], the item side fixed."""
        features = np.hstack([self.items, np.ones((len(self.items), 1), np.float32)])
        items, strengths = known.indices, self.penalties
        targets = known.data - self.bias[items] - np.float32(self.mean)
        targets -= np.einsum("hk,hk->h", implicit[_rows(known)], self.items[items])
        equations = gather(features, _with_values(known, targets))
        solution = equations.solve(strengths.base, strengths.per_rating, strengths.bias)
        return solution[:, :-1] + implicit, solution[:, -1]

    def _descend(self, ratings: Ratings) -> None:
        rng = np.random.default_rng(self.seed)
        users = np.flatnonzero(ratings.lengths)
        parameters = [self.items, self.implicit, self.bias]
        adam = Adam(parameters)
        total = self.epochs * -(-len(users) // USERS_PER_STEP)
        for step, known in enumerate(_minibatches(ratings, users, self.epochs, rng)):
            rate = self.learning_rate * (1 - step / total)
            adam.step(self._gradients(known, len(users)), rate)

    def _gradients(self, known: csr_matrix, n_users: int) -> list[FloatArray]:
        """Of half the objective with respect to items, implicit and bias, from B of U users."""
        normalised, strengths = _normalised(known), self.penalties
        vectors, bias = self._users(known, normalised @ self.implicit)
        rows, items = _rows(known), known.indices
        predicted = np.einsum("hk,hk->h", vectors[rows], self.items[items])
        predicted += bias[rows] + self.bias[items] + np.float32(self.mean)
        errors = _with_values(known, predicted - known.data)
        counts = np.bincount(items, minlength=len(self.items)).astype(np.float32)
        share = np.float32(len(vectors) / n_users)
        vector_penalty = strengths.base * share + strengths.per_rating * counts
        return [
            errors.T @ vectors + vector_penalty[:, None] * self.items,
            normalised.T @ (errors @ self.items)
            + (strengths.implicit * counts)[:, None] * self.implicit,
            errors.T @ np.ones(len(vectors), np.float32) + strengths.bias * share * self.bias,
        ]


class Adam:
    """Adam (Kingma and Ba, 2015) on NumPy arrays, changed in place."""

    def __init__(self, parameters: list[FloatArray]) -> None:
        self.parameters = parameters
        self.first = [np.zeros_like(value) for value in parameters]
        self.second = [np.zeros_like(value) for value in parameters]
        self.steps = 0

    def step(self, gradients: list[FloatArray], rate: float) -> None:
        """One update with bias-corrected moments."""
        beta1, beta2, epsilon = ADAM
        self.steps += 1
        rate *= np.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
        for number, gradient in enumerate(gradients):
            first, second = self.first[number], self.second[number]
            self.first[number] = first + (1 - beta1) * (gradient - first)
            self.second[number] = second + (1 - beta2) * (gradient * gradient - second)
            step = self.first[number] / (np.sqrt(self.second[number]) + epsilon)
            self.parameters[number] -= np.float32(rate) * step


def _rows(known: csr_matrix) -> IntArray:
    """Row of each stored value, [H]."""
    return np.repeat(np.arange(known.shape[0]), np.diff(known.indptr))


def _with_values(known: csr_matrix, values: FloatArray) -> csr_matrix:
    """The same entries with other values [H]."""
    return csr_matrix((values, known.indices, known.indptr), shape=known.shape)


def _normalised(known: csr_matrix) -> csr_matrix:
    """|N(u)|^-1/2 at each known item, float32 [B, I]."""
    counts = np.maximum(np.diff(known.indptr), 1)
    return _with_values(known, (1 / np.sqrt(counts)).astype(np.float32)[_rows(known)])


def _minibatches(
    ratings: Ratings, users: IntArray, epochs: int, rng: np.random.Generator
) -> Iterator[csr_matrix]:
    """Ratings [B, I] of the users in a new order each epoch."""
    matrix = as_matrix(ratings, ratings.values)
    for _ in range(epochs):
        shuffled = rng.permutation(users)
        for begin in range(0, len(shuffled), USERS_PER_STEP):
            yield matrix[shuffled[begin : begin + USERS_PER_STEP]]
