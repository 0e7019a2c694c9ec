"""Matrix factorisations: users are solved from their ratings, items stay fixed.

The same ridge regression as half a sweep of ALS, kept as sufficient statistics, so that a history
is read once and an answer only adds to it.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from operator import is_not
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_matrix

from baselines.fit_cache import Keepable
from baselines.profile import as_matrix
from config import Boredom
from data.observation import FloatArray, IntArray, Observation, sparse_rows
from data.policy import scores_at
from data.ratings import Ratings
from embedding.factorise import fit_mf, fit_pmf
from embedding.table import EmbeddingTable
from envs.boredom import bored_of, leaves

USERS_PER_STEP = 256  # of SVD++
LEAVING = 100.0  # stars that leaving costs: an item that keeps the user always comes first


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


@dataclass(kw_only=True, eq=False)
class PMF(Keepable):
    """Probabilistic matrix factorisation: ratings ~ mean + user . item, by ALS.

    The user is solved from what is known. Without answers the vectors equal those of training, so
    seen and unseen users are one case.
    """

    name = "pmf"
    adaptive = False
    fitted: ClassVar[tuple[str, ...]] = ("items", "item_bias", "mean")

    k: int = 20
    regularisation: float = 8.0
    per_rating: float = 0.02
    sweeps: int = 8
    bias_regularisation: float | None = None  # None: users have no bias
    seed: int = 0
    _kept: tuple[tuple[object, ...], NormalEquations] | None = field(default=None, init=False)

    def fit(self, ratings: Ratings) -> Self:
        """Alternate ridge regressions of users and items."""
        table = self.factorise(ratings)
        self.items, self.item_bias, self.mean = table.items, table.item_bias, table.mean
        self._kept = None
        return self

    def factorise(self, ratings: Ratings) -> EmbeddingTable:
        """The factors of items and users."""
        return fit_pmf(ratings, **self._settings())

    def _settings(self) -> dict[str, Any]:
        names = ("k", "regularisation", "per_rating", "sweeps", "seed")
        return {name: getattr(self, name) for name in names}

    @property
    def features(self) -> FloatArray:
        """Item vectors; with a user bias a constant joins them: [I, k] or [I, k + 1]."""
        ones = np.ones((len(self.items), int(self.bias_regularisation is not None)), np.float32)
        return np.hstack([self.items, ones])

    @property
    def penalties(self) -> tuple[float, float, float | None]:
        """Of a user: base, per rating, bias."""
        return self.regularisation, self.per_rating, self.bias_regularisation

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        solution = self.equations(observation).solve(*self.penalties)
        return scores_at(self.predicted(solution), candidates)

    def predicted(self, users: FloatArray) -> FloatArray:
        """Ratings of all items by users [B, k] or [B, k + 1], less the bias of the user: [B, I]."""
        vectors = users[:, : self.items.shape[1]]
        return vectors @ self.items.T + (self.item_bias + np.float32(self.mean))

    def equations(self, observation: Observation) -> NormalEquations:
        """Of all that is known; the start's part is kept, since every answer asks for it again."""
        origin = observation.known_items, observation.known_ratings
        if self._kept is None or any(map(is_not, self._kept[0], origin)):
            self._kept = (origin, self._gather(*origin))
        if observation.shown_items.shape[1] == 0:
            return self._kept[1]
        return self._kept[1] + self._gather(observation.shown_items, observation.shown_ratings)

    def _gather(self, items: IntArray, ratings: FloatArray) -> NormalEquations:
        """items [B, m], -1 = none; ratings [B, m], NaN = not rated."""
        targets = ratings - self.item_bias[items] - np.float32(self.mean)
        rated = np.isfinite(ratings)
        return gather(self.features, sparse_rows(targets, items, len(self.items), rated))


@dataclass(kw_only=True, eq=False)
class MF(PMF):
    """Bias + ALS: ratings ~ mean + item bias + user bias + user . item."""

    name = "mf"

    k: int = 12
    sweeps: int = 10
    bias_regularisation: float = 5.0

    def factorise(self, ratings: Ratings) -> EmbeddingTable:
        """See PMF."""
        return fit_mf(ratings, **self._settings(), bias_regularisation=self.bias_regularisation)


@dataclass(kw_only=True, eq=False)
class GenreMMR(MF):
    """`mf` less `weight` stars for every genre of an item that the last `window` items had, too
    (maximal marginal relevance), and less `price` stars for every genre at all."""

    name, adaptive = "mf-mmr", True
    fitted = (*MF.fitted, "genres")

    weight: float = 2.0
    window: int = 10
    price: float = 0.0

    def fit(self, ratings: Ratings) -> Self:
        """Fit `mf`; keep the genres."""
        self.genres = ratings.genres
        return super().fit(ratings)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        met = bored_of(self.genres, observation.shown_items, Boredom(self.window, 0))
        costs = self.weight * met.astype(np.float32) + self.price  # of a genre, [B, G]
        penalty = costs @ self.genres.T.astype(np.float32)
        return scores_at(super().scores(observation, None) - penalty, candidates)


@dataclass(kw_only=True, eq=False)
class Foresight(MF):
    """`mf`, told the rule: never an item that makes the user leave while another is left."""

    name, adaptive = "mf-foresight", True
    fitted = (*MF.fitted, "genres")

    boredom: Boredom = Boredom()  # noqa: RUF009

    def fit(self, ratings: Ratings) -> Self:
        """See GenreMMR."""
        self.genres = ratings.genres
        return super().fit(ratings)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        leaving = leaves(self.genres, observation.shown_items, None, self.boredom)
        return scores_at(super().scores(observation, None) - LEAVING * leaving, candidates)


@dataclass(kw_only=True, eq=False)
class SVDpp(Keepable):
    """SVD++ (Koren, 2008): the user is also the set of items he rated.

    r(u, i) ~ mean + b_u + b_i + q_i . (p_u + z_u),  z_u = |N(u)|^-1/2 sum over N(u) of y_j.

    Given the item side (q, y, b_i), p_u and b_u are a ridge regression; so only the item side is
    learned, by Adam on the objective with the users already minimised out (at that minimum its
    gradient is the partial one). Unseen users are solved the same way. Training starts from
    bias + ALS factors with y = 0.
    """

    name = "svd++"
    adaptive = False
    fitted = ("items", "implicit", "bias", "mean")

    k: int = 20
    regularisation: float = 8.0
    per_rating: float = 0.02
    bias_regularisation: float = 5.0
    implicit_regularisation: float = 0.05  # of an implicit vector with n ratings, times n
    epochs: int = 10
    learning_rate: float = 3e-3
    seed: int = 0

    def fit(self, ratings: Ratings) -> Self:
        """ALS first, then `epochs` passes over the users."""
        table = fit_mf(
            ratings,
            self.k,
            regularisation=self.regularisation,
            per_rating=self.per_rating,
            bias_regularisation=self.bias_regularisation,
            seed=self.seed,
        )
        self.mean = table.mean
        self.items, self.bias = table.items.copy(), table.item_bias.copy()  # q [I, k], b [I]
        self.implicit = np.zeros_like(self.items)  # y [I, k]
        rng, users = np.random.default_rng(self.seed), np.flatnonzero(ratings.lengths)
        matrix = as_matrix(ratings, ratings.values)
        adam = Adam([self.items, self.implicit, self.bias])
        total = self.epochs * -(-len(users) // USERS_PER_STEP)
        for _ in range(self.epochs):
            shuffled = rng.permutation(users)
            for begin in range(0, len(shuffled), USERS_PER_STEP):
                known = matrix[shuffled[begin : begin + USERS_PER_STEP]]
                rate = self.learning_rate * (1 - adam.steps / total)
                adam.step(self._gradients(known, len(users)), rate)
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        known = observation.rated(lambda ratings: ratings, len(self.items))
        vectors, _ = self._users(known, _normalised(known) @ self.implicit)
        return scores_at(vectors @ self.items.T + (self.bias + np.float32(self.mean)), candidates)

    def _users(self, known: csr_matrix, implicit: FloatArray) -> tuple[FloatArray, FloatArray]:
        """p + z [B, k] and the biases [B] from ratings [B, I] and z [B, k], the item side fixed."""
        features = np.hstack([self.items, np.ones((len(self.items), 1), np.float32)])
        items = known.indices
        targets = known.data - self.bias[items] - np.float32(self.mean)
        targets -= np.einsum("hk,hk->h", implicit[_rows(known)], self.items[items])
        equations = gather(features, _with_values(known, targets))
        solution = equations.solve(self.regularisation, self.per_rating, self.bias_regularisation)
        return solution[:, :-1] + implicit, solution[:, -1]

    def _gradients(self, known: csr_matrix, n_users: int) -> list[FloatArray]:
        """Of half the objective with respect to items, implicit and bias, from B of U users."""
        normalised = _normalised(known)
        vectors, bias = self._users(known, normalised @ self.implicit)
        rows, items = _rows(known), known.indices
        predicted = np.einsum("hk,hk->h", vectors[rows], self.items[items])
        predicted += bias[rows] + self.bias[items] + np.float32(self.mean)
        errors = _with_values(known, predicted - known.data)
        counts = np.bincount(items, minlength=len(self.items)).astype(np.float32)
        share = np.float32(len(vectors) / n_users)
        vector_penalty = self.regularisation * share + self.per_rating * counts
        implicit_penalty = self.implicit_regularisation * counts
        return [
            errors.T @ vectors + vector_penalty[:, None] * self.items,
            normalised.T @ (errors @ self.items) + implicit_penalty[:, None] * self.implicit,
            errors.T @ np.ones(len(vectors), np.float32)
            + self.bias_regularisation * share * self.bias,
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
        beta1, beta2, epsilon = 0.9, 0.999, 1e-8
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
    return csr_matrix((values, known.indices, known.indptr), shape=known.shape)


def _normalised(known: csr_matrix) -> csr_matrix:
    """|N(u)|^-1/2 at each known item, float32 [B, I]."""
    counts = np.maximum(np.diff(known.indptr), 1)
    return _with_values(known, (1 / np.sqrt(counts)).astype(np.float32)[_rows(known)])
