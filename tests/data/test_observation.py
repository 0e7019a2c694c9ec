"""Observation: what is in it, how it shifts, and that it shares no memory with the ratings."""

import numpy as np
import pytest

from data.observation import (
    Observation,
    answer_rewards,
    observation_of,
    rating_to_reward,
)
from data.policy import Adaptive, Policy, scores_at

N_ITEMS = 10


@pytest.fixture
def known() -> Observation:
    """Three users: four known items, none, two."""
    items = np.array([[1, 2, 3, 4], [-1, -1, -1, -1], [-1, -1, 9, 8]])
    ratings = np.array([[5, 4, 3, 2], [0, 0, 0, 0], [0, 0, 4, 4]])
    return Observation.start(np.array([5, 6, 7]), np.eye(3), items, ratings, window=3)


@pytest.fixture
def answered(known) -> Observation:
    """One liked, one refused, one with nothing left to show."""
    items, ratings = np.array([7, 0, -1]), np.array([4.0, np.nan, np.nan])
    return known.after(items, ratings, answer_rewards(items, ratings, (1, 5)))


def test_the_window_holds_the_latest_items_left_padded(known):
    assert known.window_items.tolist() == [[2, 3, 4], [-1, -1, -1], [-1, 9, 8]]
    assert known.window_ratings.tolist() == [[4, 3, 2], [0, 0, 0], [0, 4, 4]]
    assert (known.window, known.n_users) == (3, 3)
    assert known.shown_items.shape == known.shown_ratings.shape == (3, 0)


@pytest.mark.parametrize("positive_from", [None, 4.0])
def test_users_of_ratings_are_known_by_all_their_rows(tiny, positive_from):
    users = np.arange(tiny.n_users)[::-2]
    found = observation_of(tiny, users, window=4, positive_from=positive_from)
    np.testing.assert_array_equal(found.demographics, tiny.demographics[users])
    for place, user in enumerate(users):
        row = tiny.row(user)
        items, ratings = tiny.items[row].tolist(), tiny.values[row].tolist()
        size = found.known_items.shape[1]
        assert found.known_items[place].tolist() == [-1] * (size - len(items)) + items
        assert found.known_ratings[place].tolist() == [0] * (size - len(items)) + ratings
        pairs = list(zip(items, ratings, strict=True))
        eligible = [pair for pair in pairs if positive_from is None or pair[1] >= positive_from]
        padded = ([(-1, 0.0)] * 4 + eligible)[-4:]
        assert found.window_items[place].tolist() == [item for item, _ in padded]
        assert found.window_ratings[place].tolist() == [rating for _, rating in padded]
    for value in found:
        assert value is None or not np.shares_memory(value, tiny.items)


def test_only_what_is_liked_moves_the_window(known, answered):
    assert answered.window_items.tolist() == [[3, 4, 7], [-1, -1, -1], [-1, 9, 8]]
    assert answered.window_ratings.tolist() == [[3, 2, 4], [0, 0, 0], [0, 4, 4]]
    assert answered.shown_items.tolist() == [[7], [0], [-1]]
    np.testing.assert_array_equal(answered.shown_ratings, [[4], [np.nan], [np.nan]])
    assert answered.shown_rewards.tolist() == [[0.5], [-0.5], [0]]
    assert known.shown_items.shape == (3, 0)  # the earlier observation is untouched
    assert answered.known_items is known.known_items


def test_a_widened_window_fills_up_before_anything_drops_out(known):
    wide, before, many = known.widened(5), known.window_items, np.full(3, 4.0)
    np.testing.assert_array_equal(wide.window_items[:, :2], -1)
    np.testing.assert_array_equal(wide.window_items[:, 2:], before)
    np.testing.assert_array_equal(wide.window_ratings[:, 2:], known.window_ratings)
    for item in (5, 6):
        wide = wide.after(np.full(3, item), many, np.ones(3))
    np.testing.assert_array_equal(wide.window_items[:, :-2], before)
    np.testing.assert_array_equal(wide.window_items[:, -2:], [[5, 6]] * 3)
    np.testing.assert_array_equal(known.widened(1).window_items, before)  # never shorter


def test_rated_adds_the_rated_answers_to_what_was_known(known, answered):
    expected = np.zeros((3, N_ITEMS))
    expected[0, [1, 2, 3, 4, 7]] = [5, 4, 3, 2, 4]
    expected[2, [9, 8]] = 4
    found = answered.rated(lambda ratings: ratings, N_ITEMS)
    np.testing.assert_array_equal(found.toarray(), expected)
    again = known.after(np.array([4, 0, 0]), np.array([1.0, np.nan, np.nan]), np.zeros(3))
    assert again.rated(lambda ratings: ratings, N_ITEMS)[0, 4] == 2 + 1


def test_rows_are_chosen_and_reordered_in_every_field(answered):
    chosen = answered.rows(np.array([2, 0]))
    assert chosen.users.tolist() == [7, 5] and chosen.profile is None
    for name, value in chosen._asdict().items():
        if value is not None:
            np.testing.assert_array_equal(value, getattr(answered, name)[[2, 0]], err_msg=name)


def test_rewards_are_those_of_the_paper_on_its_scale():
    items, ratings = np.array([4, 4, 4, -1]), np.array([1, 4, np.nan, np.nan])
    assert answer_rewards(items, ratings, (1, 5)).tolist() == [-1, 0.5, -0.5, 0]
    assert rating_to_reward(7.5, (0, 10)) == 0.5


def test_scores_are_read_at_candidates_and_padding_is_hidden():
    scores = np.array([[0.0, 1, 2], [3, 4, 5]], np.float32)
    taken = scores_at(scores, np.array([[2, 0], [1, -1]]))
    assert taken.tolist() == [[2, 0], [4, -np.inf]] and taken.dtype == np.float32
    assert scores_at(scores, None) is scores


def test_the_adaptive_twin_wraps_a_policy_and_keeps_as_long_a_window(known):
    class Static:
        name, adaptive = "static", False

        def scores(self, observation, candidates):
            return observation.window_items

    twin = Adaptive(Static())
    assert (twin.name, twin.adaptive, twin.min_window) == ("static-adaptive", True, 0)
    assert isinstance(twin, Policy) and twin.scores(known, None) is known.window_items
    policy = Static()
    policy.min_window = 7
    assert Adaptive(policy).min_window == 7
