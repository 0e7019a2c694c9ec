"""States: what is in them, how they shift, and that nothing can be reached through them."""

import numpy as np
import pytest

from evaluation.policy import Adaptive, Policy, States, take


@pytest.fixture
def states():
    return States.begin(
        np.array([5, 6, 7]),
        np.array([0, 4, 4, 6]),
        np.array([1, 2, 3, 4, 9, 8]),
        np.array([5, 4, 3, 2, 4, 4.0]),
        window=3,
        n_items=10,
    )


def test_window_holds_the_latest_items_left_padded(states):
    assert states.window_items.tolist() == [[2, 3, 4], [-1, -1, -1], [-1, 9, 8]]
    assert states.window_ratings.tolist() == [[4, 3, 2], [0, 0, 0], [0, 4, 4]]
    assert (states.window, states.n_users) == (3, 3)
    assert states.feedback_items.shape == states.feedback_ratings.shape == (3, 0)


@pytest.mark.parametrize("positive_from", [None, 4.0])
def test_window_matches_a_loop(toy, positive_from):
    states = States.begin(
        np.arange(toy.n_users),
        toy.offsets,
        toy.items,
        toy.values,
        window=4,
        n_items=toy.n_items,
        positive_from=positive_from,
    )
    for user in range(toy.n_users):
        row = toy.row(user)
        pairs = [
            (item, value)
            for item, value in zip(toy.items[row], toy.values[row], strict=True)
            if positive_from is None or value >= positive_from
        ]
        padded = ([(-1, 0.0)] * 4 + pairs)[-4:]
        assert states.window_items[user].tolist() == [item for item, _ in padded]
        assert states.window_ratings[user].tolist() == [value for _, value in padded]


def test_only_a_shift_moves_the_window(states):
    items, ratings = np.array([7, 0, -1]), np.array([4.0, np.nan, np.nan])
    later = states.after(items, ratings, np.array([True, False, False]))
    assert later.window_items.tolist() == [[3, 4, 7], [-1, -1, -1], [-1, 9, 8]]
    assert later.window_ratings.tolist() == [[3, 2, 4], [0, 0, 0], [0, 4, 4]]
    assert later.feedback_items.tolist() == [[7], [0], [-1]]
    np.testing.assert_array_equal(later.feedback_ratings, [[4], [np.nan], [np.nan]])
    assert states.feedback_items.shape == (3, 0)  # the earlier states are untouched
    assert later.items.tolist() == states.items.tolist()


def test_a_widened_window_fills_up_before_anything_drops_out(states):
    wide, shift = states.widened(states.window + 2), np.ones(states.n_users, bool)
    before = states.window_items
    np.testing.assert_array_equal(wide.window_items[:, :2], -1)
    np.testing.assert_array_equal(wide.window_items[:, 2:], before)
    np.testing.assert_array_equal(wide.window_ratings[:, 2:], states.window_ratings)
    for item in (5, 6):
        wide = wide.after(np.full(states.n_users, item), np.full(states.n_users, 4.0), shift)
    np.testing.assert_array_equal(wide.window_items[:, :-2], before)
    np.testing.assert_array_equal(wide.window_items[:, -2:], [[5, 6]] * states.n_users)
    np.testing.assert_array_equal(states.widened(1).window_items, before)  # never shorter


def test_profile_adds_rated_feedback_only(states):
    later = states.after(np.array([7, 0, -1]), np.array([4.0, np.nan, np.nan]), np.ones(3, bool))
    expected = np.zeros((3, 10))
    expected[0, [1, 2, 3, 4, 7]] = [5, 4, 3, 2, 4]
    expected[2, [9, 8]] = 4
    np.testing.assert_array_equal(later.profile(lambda ratings: ratings).toarray(), expected)


def test_select_reorders_every_part(states):
    later = states.after(np.array([7, 0, 1]), np.array([4.0, np.nan, 2]), np.array([True] * 3))
    chosen = later.select(np.array([2, 0]))
    assert chosen.users.tolist() == [7, 5]
    assert chosen.offsets.tolist() == [0, 2, 6]
    assert chosen.items.tolist() == [9, 8, 1, 2, 3, 4]
    assert chosen.ratings.tolist() == [4, 4, 5, 4, 3, 2]
    assert chosen.window_items.tolist() == [[9, 8, 1], [3, 4, 7]]
    assert chosen.feedback_items.tolist() == [[1], [7]]


def test_arrays_are_read_only_copies(states):
    later = states.after(np.array([7, 0, 1]), np.ones(3), np.ones(3, bool))
    for each in (states, later, later.select(np.array([0]))):
        for name, value in vars(each).items():
            if isinstance(value, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = 0
                assert value.base is None or value.base.size <= value.size, name


def test_take_reads_candidates_and_hides_padding():
    scores = np.array([[0.0, 1, 2], [3, 4, 5]], np.float32)
    taken = take(scores, np.array([[2, 0], [1, -1]]))
    assert taken.tolist() == [[2, 0], [4, -np.inf]]
    assert taken.dtype == np.float32
    assert take(scores, None) is scores


def test_the_adaptive_twin_keeps_as_long_a_window(tied):
    policy = tied()
    assert Adaptive(policy).min_window == 0
    policy.min_window = 7
    assert Adaptive(policy).min_window == 7


def test_adaptive_wraps_a_policy(states, tied):
    policy = Adaptive(tied())
    assert (policy.name, policy.adaptive) == ("tied-adaptive", True)
    assert isinstance(policy, Policy)
    expected = tied().scores(states, None)
    np.testing.assert_array_equal(policy.scores(states, None), expected)
