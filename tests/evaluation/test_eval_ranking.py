"""Exact top-k with ties, and refusing answers that cannot be ranked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.policy import States
from evaluation.ranking import PolicyError, ask, top_k


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


def test_top_k_without_ties():
    scores = np.random.default_rng(0).standard_normal((50, 300))
    np.testing.assert_array_equal(top_k(scores, 10), full_sort(scores, 10))


def test_top_k_of_nothing():
    assert top_k(np.empty((0, 5)), 2).shape == (0, 2)
    assert top_k(np.empty((2, 0)), 2).tolist() == [[-1, -1], [-1, -1]]


class Fixed:
    name = "fixed"
    adaptive = False

    def __init__(self, answer):
        self.answer = answer

    def scores(self, states, candidates):
        return self.answer


@pytest.fixture
def two_users():
    return States.begin(
        np.array([4, 8]), np.zeros(3), np.empty(0), np.empty(0), window=1, n_items=3
    )


def test_nan_is_an_error_that_names_policy_user_and_item(two_users):
    answer = np.zeros((2, 3))
    answer[1, 2] = np.nan
    with pytest.raises(PolicyError, match=r"'fixed' returned NaN 1 times.*user 8 and item 2"):
        ask(Fixed(answer), two_users, None)
    candidates = np.array([[0, -1], [1, 2]])
    with pytest.raises(PolicyError, match="user 4 and item 0"):
        ask(Fixed(np.array([[np.nan, 0], [0, 0]])), two_users, candidates)


def test_nan_at_padding_is_ignored(two_users):
    scores = ask(Fixed(np.array([[1, np.nan], [2, 3]])), two_users, np.array([[0, -1], [1, 2]]))
    assert scores[0, 0] == 1


def test_wrong_shape_is_an_error(two_users):
    with pytest.raises(PolicyError, match=r"shape \(2, 4\), expected \(2, 3\)"):
        ask(Fixed(np.zeros((2, 4))), two_users, None)


def test_infinite_scores_stay_candidates(two_users):
    answer = np.array([[-np.inf, 0, np.inf], [0, 0, 0]], np.float32)
    scores = ask(Fixed(answer), two_users, None)
    assert top_k(scores, 3).tolist() == [[2, 1, 0], [0, 1, 2]]
    assert np.isneginf(answer[0, 0])  # the policy's own array is not touched


def test_integer_scores_are_accepted(two_users):
    scores = ask(Fixed(np.array([[1, 2, 3], [3, 2, 1]])), two_users, None)
    assert np.issubdtype(scores.dtype, np.floating)
