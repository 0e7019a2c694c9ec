"""Weighted sums of several baselines' scores; and what those show who know nothing of somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at


@dataclass(eq=False)
class Ensemble:
    """Weighted sum of the scores of members, baselines; `standardise`: of each user's z-scores.

    weights: one for each member; None: their mean. Predicted ratings need no standardising, scores
    without a unit do. The members are fitted by themselves (baselines/fit_cache.py).
    """

    name = "ensemble"
    adaptive = False

    members: Sequence[Any]
    weights: Sequence[float] | None = None
    standardise: bool = True

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        total, n = np.zeros((), np.float32), len(self.members)
        for member, weight in zip(self.members, self.weights or (1 / n,) * n, strict=True):
            scores = member.scores(observation, None)
            total = total + weight * (z_scores(scores) if self.standardise else scores)
        return scores_at(total, candidates)


def z_scores(scores: FloatArray) -> FloatArray:
    """Scores [B, I] with mean 0 and standard deviation 1 in each row; equal ones become zeros."""
    spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-12)
    return np.asarray((scores - scores.mean(axis=1, keepdims=True)) / spread)


class ColdStart:
    """A baseline, and popularity for those of whom nothing was known at the start.

    Their scores are (n z(baseline) + strength z(prior)) / (n + strength), n the number of rated
    answers since. Everybody else's are the baseline's, unchanged.
    """

    adaptive = False

    def __init__(self, policy: Any, prior: Any, strength: float) -> None:
        self.policy, self.prior, self.strength = policy, prior, strength
        self.members = policy, prior  # what is fitted
        self.name: str = policy.name
        self.min_window: int = getattr(policy, "min_window", 0)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        found = self.policy.scores(observation, None)
        cold = np.flatnonzero((observation.known_items < 0).all(axis=1))
        if len(cold):
            start = observation.rows(cold)
            heard = np.isfinite(start.shown_ratings) & (start.shown_items >= 0)
            n = heard.sum(axis=1, keepdims=True)
            prior = self.strength * z_scores(self.prior.scores(start, None))
            found = found.copy()
            found[cold] = (n * z_scores(found[cold]) + prior) / (n + self.strength)
        return scores_at(found, candidates)
