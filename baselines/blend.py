"""A blend: the mean of several factorisations' scores."""

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np

from data.ratings import Ratings
from evaluation.policy import FloatArray, IntArray, States, take


class Member(Protocol):
    """A baseline that can be cached."""

    def fit(self, ratings: Ratings) -> object: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> object: ...
    def scores(self, states: States, candidates: IntArray | None) -> FloatArray: ...


class Blend:
    """Mean of the members' scores; `standardise`: each user's first get mean 0 and deviation 1.

    Predicted ratings need no standardising, scores without a unit do.
    """

    name = "blend"
    adaptive = False

    def __init__(self, members: Sequence[Member], *, standardise: bool = False) -> None:
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

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        total = np.zeros((states.n_users, states.n_items), np.float32)
        for member in self.members:
            scores = member.scores(states, None)
            if self.standardise:
                spread = np.maximum(scores.std(axis=1, keepdims=True), 1e-12)
                scores = (scores - scores.mean(axis=1, keepdims=True)) / spread
            total += scores
        return take(total / len(self.members), candidates)
