"""Intervals: over users by bootstrap, over seeds by Student's t, and paired differences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 2000
CELLS = 1 << 24  # bounds memory: draws x users at once


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval: over users, or over `n` independently trained runs."""

    mean: float
    low: float
    high: float
    n: int | None = None

    def as_json(self) -> dict[str, object]:
        """{"mean": x, "ci95": [low, high]}, and "n" of one over runs."""
        runs = {} if self.n is None else {"n": self.n}
        return {"mean": self.mean, "ci95": [self.low, self.high], **runs}

    def text(self, form: str) -> str:
        """`mean (low, high)`, each in the format `form`."""
        return f"{self.mean:{form}} ({self.low:{form}}, {self.high:{form}})"


def bootstrap_means(
    values: ArrayLike, seed: int, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Means of `resamples` draws of U users with replacement from values [U, K]: [resamples, K].

    The draws depend on U and the seed alone: metrics and policies judged on the same users share
    them.
    """
    table = np.asarray(values, np.float64)
    n_users = len(table)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, table.shape[1]))
    chunk = max(1, min(250, CELLS // n_users))
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        drawn = rng.integers(0, n_users, size=(count, n_users), dtype=np.int32)
        cells = (drawn + n_users * np.arange(count, dtype=np.int64)[:, None]).ravel()
        times = np.bincount(cells, minlength=count * n_users).reshape(count, n_users)
        means[start : start + count] = times.astype(np.float64) @ table / n_users
    return means


def over_users(values: Mapping[str, ArrayLike], seed: int = 0) -> dict[str, Estimate]:
    """Each metric's mean over users [U] with its 95% bootstrap percentile interval."""
    table = np.stack([np.asarray(column, np.float64) for column in values.values()], axis=1)
    low, high = np.percentile(bootstrap_means(table, seed), [2.5, 97.5], axis=0)
    rows = zip(table.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Estimate(*row) for name, row in zip(values, rows, strict=True)}


def over_seeds(values: ArrayLike) -> Estimate:
    """Mean of one value per run [n] and its 95% Student-t interval; ValueError for one run alone."""
    runs = np.asarray(values, np.float64)
    if len(runs) < 2:
        raise ValueError(f"an interval over seeds needs at least 2 runs, got {len(runs)}")
    mean = float(runs.mean())
    half = float(stats.t.ppf(0.975, len(runs) - 1) * runs.std(ddof=1) / np.sqrt(len(runs)))
    return Estimate(mean, mean - half, mean + half, len(runs))


def paired_difference(first: ArrayLike, second: ArrayLike, seed: int = 0) -> Estimate:
    """Mean of first - second over the same users [U], with its 95% bootstrap interval."""
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    return over_users({"": difference}, seed)[""]
