"""Lists that do not look at the user: popularity, counted two ways, and random order."""

from typing import Self

import numpy as np

from baselines.profile import positive_counts, shrunk_means
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings


class SameForAll:
    """One score per item, whoever asks."""

    name: str
    adaptive = False
    item_scores: FloatArray  # [I]

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        if candidates is None:
            return np.tile(self.item_scores, (observation.n_users, 1))
        return np.where(candidates >= 0, self.item_scores[candidates], -np.inf)


class Popularity(SameForAll):
    """Number of positive ratings."""

    name = "popularity"

    def fit(self, ratings: Ratings) -> Self:
        """Count the positives of each item."""
        self.item_scores = positive_counts(ratings).astype(np.float64)
        return self


class PopularityMean(SameForAll):
    """Mean rating, shrunk to the global mean by `shrink` ratings."""

    name = "popularity-mean"

    def __init__(self, shrink: float = 10.0) -> None:
        self.shrink = shrink

    def fit(self, ratings: Ratings) -> Self:
        """Average the ratings of each item."""
        self.item_scores = shrunk_means(ratings, self.shrink)
        return self


class RandomOrder:
    """Independent uniform scores, a fixed draw for each user and seed whatever the batch."""

    name = "random"
    adaptive = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, ratings: Ratings) -> Self:
        """Nothing to learn but the size of the catalogue."""
        self.n_items = ratings.n_items
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores. All unknown users share a draw."""
        draws = np.empty((observation.n_users, self.n_items), np.float32)
        for row, user in enumerate(observation.users.astype(np.uint32).tolist()):
            draws[row] = np.random.default_rng((self.seed, user)).random(self.n_items)
        return scores_at(draws, candidates)
