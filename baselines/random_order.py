"""Random order: the floor of every table."""

from typing import Self

import numpy as np

from data.ratings import Ratings
from evaluation.policy import FloatArray, IntArray, States, take


class RandomOrder:
    """Independent uniform scores, a fixed draw for each user and seed whatever the batch."""

    name = "random"
    adaptive = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, ratings: Ratings) -> Self:
        """Nothing to learn."""
        return self

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        draws = np.empty((states.n_users, states.n_items), np.float32)
        for row, user in enumerate(states.users):
            draws[row] = np.random.default_rng((self.seed, int(user))).random(states.n_items)
        return take(draws, candidates)
