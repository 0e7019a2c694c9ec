"""What the matrix factorisations share: users are solved from their ratings, items stay fixed.

The same ridge regression as half a sweep of ALS, kept as sufficient statistics, so that an answer
costs one rank-one update and a history is read once.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from data.ratings import Ratings
from embedding.least_squares import blocks, padded_positions
from embedding.table import EmbeddingTable
from evaluation.policy import FloatArray, IntArray, States, take


@dataclass(frozen=True, eq=False)
class Statistics:
    """Normal equations of B users: gram [B, f, f], moment [B, f], number of ratings [B]."""

    gram: FloatArray
    moment: FloatArray
    count: FloatArray

    def plus(self, features: FloatArray, targets: FloatArray, known: FloatArray) -> Self:
        """With t more observations: features [B, t, f], targets [B, t], known [B, t] in {0, 1}."""
        features = features * known[..., None]
        transposed = features.transpose(0, 2, 1)
        return replace(
            self,
            gram=self.gram + transposed @ features,
            moment=self.moment + (transposed @ (targets * known)[..., None])[..., 0],
            count=self.count + known.sum(axis=1),
        )

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


def gather(
    features: FloatArray, offsets: IntArray, items: IntArray, targets: FloatArray
) -> Statistics:
    """Statistics of CSR rows: features [I, f] of items [H], targets [H]."""
    n_rows, size = len(offsets) - 1, features.shape[1]
    gram = np.zeros((n_rows, size, size), np.float32)
    moment = np.zeros((n_rows, size), np.float32)
    count = np.diff(offsets).astype(np.float32)
    for rows in blocks(np.diff(offsets)):
        positions, mask = padded_positions(offsets, rows)
        known = features[items[positions]] * mask[..., None]  # [B, n, f]
        transposed = known.transpose(0, 2, 1)
        gram[rows] = transposed @ known
        moment[rows] = (transposed @ targets[positions][..., None])[..., 0]
    return Statistics(gram, moment, count)


class Factorised:
    """Predicted ratings mean + item bias + user . item, the user solved from the states.

    Without answers the vectors equal those of training, so seen and unseen users are one case.
    `refused`: the rating that stands for "recommended, not rated"; None: such items are ignored.
    """

    name: str
    adaptive = False
    refused: float | None = None

    def use(self, table: EmbeddingTable) -> Self:
        """Take the fitted factors; with a user bias, a constant joins the features."""
        self.table = table
        self._start: tuple[IntArray, Statistics] | None = None
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

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        solution = self.statistics(states).solve(*self.penalties())
        return take(self.table.scores(solution[:, : self.table.k]), candidates)

    def penalties(self) -> tuple[float, float, float | None]:
        """Of a user: base, per rating, bias."""
        table = self.table
        return table.regularisation, table.per_rating, table.bias_regularisation

    def statistics(self, states: States) -> Statistics:
        """All that is known; the start's part is kept until another start is asked."""
        if self._start is None or self._start[0] is not states.items:
            targets = self._targets(states.items, states.ratings)
            start = gather(self._features, states.offsets, states.items, targets)
            self._start = (states.items, start)
        if states.feedback_items.shape[1] == 0:
            return self._start[1]
        return self._with_feedback(self._start[1], states)

    def _targets(self, items: IntArray, ratings: FloatArray) -> FloatArray:
        return (ratings - self.table.item_bias[items] - np.float32(self.table.mean)).astype("f4")

    def _with_feedback(self, statistics: Statistics, states: States) -> Statistics:
        ratings, items = states.feedback_ratings, states.feedback_items  # [B, t]
        if self.refused is not None:
            ratings = np.where(np.isnan(ratings), np.float32(self.refused), ratings)
        known = np.isfinite(ratings) & (items >= 0)
        targets = self._targets(items, np.where(known, ratings, 0.0))
        return statistics.plus(self._features[items], targets, known.astype(np.float32))
