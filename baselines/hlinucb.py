"""hLinUCB: a bandit per user over learned hidden item features (Wang et al., 2016)."""

from typing import Self

import numpy as np

from baselines.factors import Factorised, gather
from data.ratings import Ratings
from embedding.factorise import fit_mf
from evaluation.policy import FloatArray, IntArray, States, take


class HLinUCB(Factorised):
    """score = predicted rating + alpha_user sqrt(x' A_u^-1 x) + alpha_item sqrt(p' C_i^-1 p).

    The hidden features x [I, f] and A_u are those of bias + ALS, warm from the training part; the
    user p is solved again after each answer. C_i is the item's own normal matrix, from training.
    """

    name = "hlinucb"
    adaptive = True

    def __init__(
        self,
        *,
        k: int = 12,
        alpha_user: float = 0.1,
        alpha_item: float = 0.0,
        regularisation: float = 8.0,
        seed: int = 0,
    ) -> None:
        self.k, self.seed, self.regularisation = k, seed, regularisation
        self.alpha_user, self.alpha_item = alpha_user, alpha_item

    def fit(self, ratings: Ratings) -> Self:
        """Bias + ALS, and the items' normal matrices."""
        table = fit_mf(ratings, self.k, regularisation=self.regularisation, seed=self.seed)
        self.use(table)
        if table.users is None:
            raise LookupError("bias + ALS without user vectors")
        order = np.argsort(ratings.items, kind="stable")
        counts = np.bincount(ratings.items, minlength=ratings.n_items)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        users = ratings.users[order]
        statistics = gather(table.users, offsets, users, np.zeros(len(users), np.float32))
        strength = table.regularisation + table.per_rating * statistics.count
        inverse = np.linalg.inv(statistics.gram + strength[:, None, None] * np.eye(table.k))
        self._item_inverse = inverse.reshape(ratings.n_items, -1).astype(np.float32)  # [I, k k]
        return self

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores. Quadratic forms are one matrix product over flattened squares."""
        statistics = self.statistics(states)
        inverse = np.linalg.inv(statistics.penalised(*self.penalties()))  # A_u^-1, [B, f, f]
        users = (inverse @ statistics.moment[..., None])[..., 0]
        features = self._features
        squares = (features[:, :, None] * features[:, None, :]).reshape(len(features), -1)
        by_user = inverse.reshape(len(inverse), -1) @ squares.T  # x' A_u^-1 x, [B, I]
        vectors = users[:, : self.table.k].astype(np.float32)
        doubles = (vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1)
        by_item = doubles @ self._item_inverse.T  # p' C_i^-1 p, [B, I]
        scores = self.table.scores(vectors)
        scores = scores + self.alpha_user * np.sqrt(np.maximum(by_user, 0))
        return take(scores + self.alpha_item * np.sqrt(np.maximum(by_item, 0)), candidates)
