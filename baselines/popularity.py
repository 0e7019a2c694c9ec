"""Lists that do not look at the history: popularity, counted in several ways, and random order."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from baselines.profile import as_matrix, positive_counts, positives, shrunk_means
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings

WEEK = 7 * 24 * 3600  # seconds


class SameForAll:
    """One score per item, whoever asks."""

    name: str
    adaptive = False
    item_scores: FloatArray  # [I]

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        return scores_at(np.tile(self.item_scores, (observation.n_users, 1)), candidates)


class Popularity(SameForAll):
    """Number of positive ratings."""

    name = "popularity"

    def fit(self, ratings: Ratings) -> Self:
        """Count the positives of each item."""
        self.item_scores = positive_counts(ratings).astype(np.float64)
        return self


@dataclass(kw_only=True, eq=False)
class PopularityMean(SameForAll):
    """Mean rating, shrunk to the global mean by `shrink` ratings."""

    name = "popularity-mean"

    shrink: float = 10.0

    def fit(self, ratings: Ratings) -> Self:
        """Average the ratings of each item."""
        self.item_scores = shrunk_means(ratings, self.shrink)
        return self


@dataclass(kw_only=True, eq=False)
class PopularityByGroup:
    """log popularity + sum over the user's groups (his demographics) of log P(group | i) / P(group).

    Naive Bayes: how likely somebody of these groups is to like the item. `shrink` liking users of
    the average kind join each item's own. popularity: weight of the first term.
    """

    name = "popularity-demographics"
    adaptive = False

    shrink: float = 300.0
    popularity: float = 1.0

    def fit(self, ratings: Ratings) -> Self:
        """Count who liked what."""
        liked = positives(ratings)
        counts = np.asarray(liked.sum(axis=0), np.float64)  # [1, I]
        by_group = (liked.T @ ratings.demographics).T.astype(np.float64)  # [D, I]
        usual = (by_group.sum(axis=1, keepdims=True) + 1) / (counts.sum() + 1)  # [D, 1]
        share = (by_group + self.shrink * usual) / (counts + self.shrink)
        self.log_odds = np.log(np.maximum(share, 1e-12) / usual)
        self.log_popularity = self.popularity * np.log1p(counts)
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        scores = observation.demographics @ self.log_odds + self.log_popularity
        return scores_at(scores.astype(np.float32), candidates)


@dataclass(kw_only=True, eq=False)
class Trending:
    """Number of positive ratings, each worth half as much every `half_life` weeks before the last.

    `by_age`: counted within the user's age group where it is known, `shrink` ratings of everybody
    added to it.
    """

    name = "trending"
    adaptive = False

    half_life: float = 52.0
    by_age: bool = False
    shrink: float = 1000.0

    def fit(self, ratings: Ratings) -> Self:
        """Count the positives of each age group, and of all."""
        ages = [key == "age" for key, _ in ratings.demographic_columns]
        self.ages = np.flatnonzero(ages if self.by_age else [])
        weeks = (ratings.timestamps.max(initial=0) - ratings.timestamps) / WEEK
        weights = ratings.positive * 0.5 ** (weeks / self.half_life)
        counts = as_matrix(ratings, weights)  # [U, I]
        everybody = np.asarray(counts.sum(axis=0), np.float64)
        everybody /= max(float(everybody.sum()), 1e-12)
        groups = np.asarray(ratings.demographics[:, self.ages], np.float64)
        self.counts = np.vstack([(counts.T @ groups).T + self.shrink * everybody, everybody])
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        groups = observation.demographics[:, self.ages]
        scores = np.hstack([groups, 1 - groups.sum(axis=1, keepdims=True)]) @ self.counts
        return scores_at(scores.astype(np.float32), candidates)


@dataclass(kw_only=True, eq=False)
class RandomOrder:
    """Independent uniform scores, a fixed draw for each user and seed whatever the batch."""

    name = "random"
    adaptive = False

    seed: int = 0

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
