"""The training ratings as matrices, and what a user's past weighs: what most baselines start from."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from data.observation import (
    UNRATED_REWARD,
    FloatArray,
    IntArray,
    Observation,
    rating_to_reward,
    sparse_rows,
)
from data.ratings import Ratings


@dataclass(frozen=True)
class History:
    """Weights of the interactions that make up a profile.

    One that was rated at least the positive threshold weighs 1. other: rated below it. refused:
    recommended, not rated. decay: factor per later interaction within the start (1: order does not
    matter).
    """

    other: float = 0.0
    refused: float = 0.0
    decay: float = 1.0

    def known(self, observation: Observation, threshold: float, n_items: int) -> csr_matrix:
        """Profile of what was known before the first recommendation, float32 [B, I]."""
        weights = self.weights(observation.known_ratings >= threshold)
        return _without_zeros(sparse_rows(weights, observation.known_items, n_items))

    def answers(self, observation: Observation, threshold: float, n_items: int) -> csr_matrix:
        """Profile of the answers since the start, float32 [B, I]; empty before the first one."""
        ratings = observation.shown_ratings  # [B, t], NaN: refused
        weights = np.where(ratings >= threshold, 1.0, self.other)
        weights = np.where(np.isnan(ratings), self.refused, weights)
        return _without_zeros(sparse_rows(weights, observation.shown_items, n_items))

    def profile(self, observation: Observation, threshold: float, n_items: int) -> csr_matrix:
        """Everything known, float32 [B, I]."""
        asked = observation, threshold, n_items
        return self.known(*asked) + self.answers(*asked)

    def weights(self, liked: np.ndarray) -> FloatArray:
        """Weights of interactions bool [B, m], oldest first: [B, m]."""
        age = np.arange(liked.shape[1] - 1, -1, -1)
        return np.where(liked, 1.0, self.other) * self.decay**age


PLAIN = History()


def as_matrix(ratings: Ratings, values: FloatArray) -> csr_matrix:
    """Sparse float32 [U, I] of one value per rating."""
    entries = (values.astype(np.float32), ratings.items, ratings.offsets)
    return csr_matrix(entries, shape=(ratings.n_users, ratings.n_items), copy=True)


def positives(ratings: Ratings) -> csr_matrix:
    """1 where the rating reaches the positive threshold, else nothing, float32 [U, I]."""
    return _without_zeros(as_matrix(ratings, ratings.positive.astype(np.float32)))


def gains(ratings: Ratings) -> csr_matrix:
    """Reward + .5 of each rating, so that nothing (0) stands for an unrated item: float32 [U, I]."""
    rewards = rating_to_reward(ratings.values, ratings.scale)
    return _without_zeros(as_matrix(ratings, rewards - UNRATED_REWARD))


def positive_counts(ratings: Ratings) -> IntArray:
    """Number of positive ratings of each item, int64 [I]."""
    return np.bincount(ratings.items[ratings.positive], minlength=ratings.n_items)


def shrunk_means(ratings: Ratings, shrink: float) -> FloatArray:
    """Mean rating of each item, float64 [I], pulled to the global mean by `shrink` ratings.

    (sum + shrink * mean) / (count + shrink); an item nobody rated gets the global mean.
    """
    counts = np.bincount(ratings.items, minlength=ratings.n_items)
    sums = np.bincount(ratings.items, weights=ratings.values, minlength=ratings.n_items)
    mean = float(ratings.values.mean(dtype=np.float64))
    return np.asarray((sums + shrink * mean) / np.maximum(counts + shrink, 1e-12))


def _without_zeros(matrix: csr_matrix) -> csr_matrix:
    matrix.eliminate_zeros()
    return matrix
