"""Popularity, counted two ways; the same list for everybody."""

from typing import Self

import numpy as np

from baselines.matrices import positive_counts, shrunk_means
from data.ratings import Ratings
from evaluation.policy import FloatArray, IntArray, States


class SameForAll:
    """One score per item, whoever asks."""

    name: str
    adaptive = False
    item_scores: FloatArray  # [I]

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        if candidates is None:
            return np.tile(self.item_scores, (states.n_users, 1))
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
