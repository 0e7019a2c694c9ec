"""Where episodes start."""

import numpy as np
import pytest

from data.ratings import Ratings
from envs.episodes import draw_starts, windows

WINDOW = 4


def log(lengths, n_items=30):
    """User u has lengths[u] ratings: items 0, 1, ... in time order, rated 1 2 3 4 5 1 2 ..."""
    users = np.repeat(np.arange(len(lengths)), lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    ids = {"user_ids": np.arange(len(lengths)), "item_ids": np.arange(n_items)}
    return Ratings.from_events("log", users, place, place % 5 + 1, place, **ids)


@pytest.mark.parametrize(("length", "start"), [(20, 4), (5, 4), (4, 2), (3, 1), (2, 1), (1, 1)])
def test_the_start_follows_the_first_window_or_half_of_a_short_history(length, start):
    rng = np.random.default_rng(0)
    drawn = draw_starts(rng, log([length]), np.array([0]), WINDOW, 0.0, 1)
    assert [each.tolist() for each in drawn] == [[0], [start]]


def test_random_starts_are_uniform_from_nothing_to_what_is_known():
    rng, ratings = np.random.default_rng(0), log([10, 3])
    users, starts = draw_starts(rng, ratings, np.array([0, 1]), WINDOW, 1.0, 6000)
    assert set(starts[users == 1]) == {0, 1}
    counts = np.bincount(starts[users == 0])
    assert len(counts) == WINDOW + 1 and np.all(np.abs(counts - 600) < 90)


def test_a_share_of_the_starts_is_random():
    rng = np.random.default_rng(0)
    users, starts = draw_starts(rng, log([14]), np.array([0]), WINDOW, 0.7, 9000)
    counts = np.bincount(starts)
    assert counts[4] == pytest.approx(9000 * (0.3 + 0.14), rel=0.05)
    assert counts[:4] == pytest.approx(np.full(4, 1260), rel=0.15)
    assert set(users) == {0}


def test_nobody_begins_twice_before_everybody_has_once():
    ratings, users = log([6] * 9), np.array([1, 3, 4, 6, 8])
    drawn = draw_starts(np.random.default_rng(0), ratings, users, WINDOW, 0.3, 12)[0]
    for begin in (0, 5):
        assert sorted(drawn[begin : begin + 5]) == users.tolist()


def test_windows_hold_what_was_rated_before_the_start_padded_on_the_left():
    items, stars = windows(log([9, 3, 0]), np.array([0, 1, 2]), np.array([6, 2, 0]), WINDOW)
    assert items.tolist() == [[2, 3, 4, 5], [-1, -1, 0, 1], [-1] * 4]
    assert stars.tolist() == [[3, 4, 5, 1], [0, 0, 1, 2], [0] * 4]
    assert items.dtype == np.int32 and stars.dtype == np.float32
