"""Every metric against scikit-learn, or against a few obvious lines."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from evaluation import metrics
from evaluation.metrics import top_k

K = 5


@pytest.fixture
def lists():
    """Complete rankings: hits [U, I] of all items best-first, so that truth is a row's sum."""
    rng = np.random.default_rng(3)
    hits = rng.random((200, 12)) < 0.3
    hits[0] = False
    hits[1] = True
    return hits


def test_ndcg_agrees_with_scikit_learn(lists):
    ours = metrics.ndcg_at_k(lists, K, lists.sum(axis=1))
    descending = -np.arange(lists.shape[1], dtype=float)
    for user, hits in enumerate(lists):
        theirs = ndcg_score([hits.astype(float)], [descending], k=K) if hits.any() else 0.0
        assert ours[user] == pytest.approx(theirs)


def test_ndcg_self_agrees_with_scikit_learn():
    ratings = np.random.default_rng(0).integers(1, 6, (50, K)).astype(float)
    ours = metrics.ndcg_self_at_k(ratings, K)
    descending = -np.arange(K, dtype=float)
    theirs = [ndcg_score([2**row - 1], [descending]) for row in ratings]
    np.testing.assert_allclose(ours, theirs)


def test_ndcg_self_ignores_places_without_a_rating():
    ratings = [[np.nan, 5, 3], [np.nan, np.nan, np.nan]]
    dcg = 31 / math.log2(3) + 7 / math.log2(4)
    ideal = 31 / math.log2(2) + 7 / math.log2(3)
    np.testing.assert_allclose(metrics.ndcg_self_at_k(ratings, 3), [dcg / ideal, 0])


def one_user(hits, n_relevant):
    """(precision, recall, hit rate, fixed NDCG), by loops."""
    found, dcg, ideal = 0, 0.0, 0.0
    for rank in range(1, K + 1):
        ideal += 1 / math.log2(rank + 1)
        if hits[rank - 1]:
            found += 1
            dcg += 1 / math.log2(rank + 1)
    recall = found / n_relevant if n_relevant else 0
    return found / K, recall, float(found > 0), dcg / ideal


def test_the_others_agree_with_loops(lists):
    truth = lists.sum(axis=1)
    ours = (
        metrics.precision_at_k(lists, K),
        metrics.recall_at_k(lists, K, truth),
        metrics.hit_rate_at_k(lists, K),
        metrics.ndcg_fixed_at_k(lists, K),
    )
    expected = [one_user(hits, n) for hits, n in zip(lists, truth, strict=True)]
    np.testing.assert_allclose(np.transpose(ours), expected)


@pytest.mark.parametrize("hits", [np.zeros((2, 3)), np.zeros(5)])
def test_lists_shorter_than_k_are_refused(hits):
    with pytest.raises(ValueError, match="shape"):
        metrics.precision_at_k(hits, 4)


def full_sort(scores, k):
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(scores, best, axis=1)
    return np.where(np.isneginf(values), -1, best)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 30), st.integers(1, 6))
def test_top_k_is_the_head_of_a_stable_sort(seed, k, width, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (6, width)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    expected = np.full((6, k), -1)
    head = full_sort(scores, k)
    expected[:, : head.shape[1]] = head
    np.testing.assert_array_equal(top_k(scores, k), expected)
