"""Intervals against SciPy's own."""

import numpy as np
import pytest
from scipy import stats

from evaluation.intervals import bootstrap_means, over_seeds, over_users, paired_difference


@pytest.fixture
def values():
    return np.random.default_rng(1).beta(1, 3, size=400)


def test_bootstrap_agrees_with_scipy(values):
    ours = over_users({"x": values})["x"]
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.002)
    assert ours.high == pytest.approx(theirs.high, abs=0.002)


def test_bootstrap_resamples_whole_users(values):
    twice = bootstrap_means(np.stack([values, 1 - values], axis=1), seed=5, resamples=300)
    assert twice.shape == (300, 2)
    np.testing.assert_allclose(twice.sum(axis=1), 1)
    spread = values.std() / np.sqrt(len(values))
    assert twice[:, 0].std() == pytest.approx(spread, rel=0.15)


def test_over_seeds_is_the_t_interval():
    runs = np.array([0.40, 0.43, 0.42, 0.44, 0.20])
    ours = over_seeds(runs)
    theirs = stats.ttest_1samp(runs, 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.as_json()["n"] == 5


def test_paired_difference_uses_the_pairing(values):
    shifted = values + 0.01
    estimate = paired_difference(shifted, values)
    assert estimate.low == pytest.approx(0.01)
    assert estimate.high == pytest.approx(0.01)
