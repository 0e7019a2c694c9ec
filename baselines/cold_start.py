"""What a baseline that learns from a history shows to somebody without one."""

from typing import Self

import numpy as np

from baselines.ensemble import Member, z_scores
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings


class ColdStart:
    """A baseline, and popularity for those of whom nothing was known at the start.

    Their scores are (n z(baseline) + strength z(prior)) / (n + strength), n the number of rated
    answers since. Everybody else's are the baseline's, unchanged.
    """

    adaptive = False

    def __init__(self, policy: Member, prior: Member, strength: float) -> None:
        self.policy, self.prior, self.strength = policy, prior, strength
        self.name: str = policy.name
        self.min_window: int = getattr(policy, "min_window", 0)

    @property
    def members(self) -> tuple[Member, Member]:
        """What is fitted."""
        return self.policy, self.prior

    def fit(self, ratings: Ratings) -> Self:
        """Fit both."""
        for member in self.members:
            member.fit(ratings)
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        found = self.policy.scores(observation, None)
        cold = np.flatnonzero((observation.known_items < 0).all(axis=1))
        if len(cold):
            start = observation.rows(cold)
            heard = np.isfinite(start.shown_ratings) & (start.shown_items >= 0)
            n = heard.sum(axis=1, keepdims=True)
            mixed = n * z_scores(found[cold]) + self.strength * z_scores(
                self.prior.scores(start, None)
            )
            found = found.copy()
            found[cold] = mixed / (n + self.strength)
        return scores_at(found, candidates)
