"""`session`: the same new users, one item at a time, judged by the rewards collected."""

import numpy as np

from evaluation.metrics import hit_rate_at_k, precision_at_k
from evaluation.policy import FloatArray, IntArray
from evaluation.protocols.catalog import NewUsers


class Session(NewUsers):
    """T steps without repeats; the log answers, an unrated item costs a constant.

    `reward@T` is a user's total reward over the first T steps; `hit_rate@T` is 1 where at least
    one of them was relevant, `precision@T` the share of relevant ones.
    """

    name = "session"
    headline = ("reward", "hit_rate")

    default_ks = (10, 20)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        hits, totals = self._hits(ratings), np.cumsum(rewards, axis=1)
        return (
            {f"reward@{k}": totals[:, k - 1] for k in self.ks}
            | {f"hit_rate@{k}": hit_rate_at_k(hits, k) for k in self.ks}
            | {f"precision@{k}": precision_at_k(hits, k) for k in self.ks}
        )
