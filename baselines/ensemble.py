"""Ensembles: the mean of several baselines' scores."""

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np

from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings


class BlendMember(Protocol):
    """A baseline that can be cached."""

    def fit(self, ratings: Ratings) -> object: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> object: ...
    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray: ...


class Blend:
    """Mean of the members' scores; `standardise`: each user's first get mean 0 and deviation 1.

    Predicted ratings need no standardising, scores without a unit do.
    """

    name = "blend"
    adaptive = False

    def __init__(self, members: Sequence[BlendMember], *, standardise: bool = False) -> None:
        if not members:
            raise ValueError("a blend needs at least one member")
        self.members = list(members)
        self.standardise = standardise

    def fit(self, ratings: Ratings) -> Self:
        """Fit every member."""
        for member in self.members:
            member.fit(ratings)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Every member's arrays, their names prefixed by the member's number."""
        return {
            f"{number}.{key}": value
            for number, member in enumerate(self.members)
            for key, value in member.arrays().items()
        }

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings."""
        for number, member in enumerate(self.members):
            prefix = f"{number}."
            mine = {
                key.removeprefix(prefix): value
                for key, value in arrays.items()
                if key.startswith(prefix)
            }
            member.restore(mine, ratings)
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        scores = [self._of_member(member, observation) for member in self.members]
        return scores_at(np.mean(scores, axis=0), candidates)

    def _of_member(self, member: BlendMember, observation: Observation) -> FloatArray:
        scores = member.scores(observation, None)
        if not self.standardise:
            return scores
        spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-12)
        return np.asarray((scores - scores.mean(axis=1, keepdims=True)) / spread)
