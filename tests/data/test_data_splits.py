"""Splits by user and by time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import DataError, Ratings
from data.splits import (
    hold_out_users,
    split_new_users,
    split_users,
    training_sessions,
)

CALM = settings(deadline=None)  # machines under load are slow


def ratings_with(lengths: list[int]) -> Ratings:
    users = np.repeat(np.arange(len(lengths)), lengths)
    items = np.concatenate([np.arange(n) for n in lengths]) if lengths else []
    return Ratings.from_events(
        "toy", users, items, np.full(len(users), 3), items, user_ids=np.arange(len(lengths))
    )


def test_ml_1m_users_split_as_published() -> None:
    train, test = split_users(6040)
    assert (train[0], train[-1], test[0], test[-1]) == (0, 4831, 4832, 6039)  # ids are one more
    assert len(test) == 1208


@CALM
@given(st.integers(2, 500), st.floats(0, 1))
def test_both_sides_of_a_user_split_have_somebody(n_users: int, fraction: float) -> None:
    train, test = split_users(n_users, fraction)
    assert len(train)
    assert len(test)
    assert np.concatenate([train, test]).tolist() == list(range(n_users))


def test_in_time_nothing_later_than_the_date_is_visible_and_joiners_are_tested() -> None:
    users, times = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3], [1, 2, 9, 3, 4, 5, 6, 11, 10, 12]
    ratings = Ratings.from_events("toy", users, [0, 1, 2, 0, 1, 2, 0, 1, 0, 1], [4] * 10, times)
    split = split_new_users(ratings, "time", 0.6)  # 9 is the time of the seventh rating
    assert sorted(split.visible.timestamps) == [1, 2, 3, 4, 5, 6]
    assert split.train_users.tolist() == [0, 1, 2]
    assert split.test_users.tolist() == [3]
    with pytest.raises(DataError, match="0 joined later"):
        split_new_users(ratings.of_users(np.arange(2)), "time", 0.6)


def test_one_user_cannot_be_split() -> None:
    with pytest.raises(DataError, match="1 user"):
        split_users(1)


@CALM
@given(st.integers(2, 60), st.integers(0, 2**32), st.data())
def test_held_out_users_are_a_seeded_partition(
    n_users: int, seed: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, n_users - 1))
    users = np.arange(n_users, dtype=np.int32) * 3
    fit, validation = hold_out_users(users, count, seed)
    again = hold_out_users(users, count, seed)
    assert len(validation) == count
    assert sorted([*fit, *validation]) == users.tolist()
    assert np.array_equal(fit, again[0])
    assert np.array_equal(validation, again[1])
    assert fit.dtype == validation.dtype == np.int32


@pytest.mark.parametrize("count", [0, -1, 5, 6])
def test_holding_out_nobody_or_everybody_is_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} validation users out of 5"):
        hold_out_users(np.arange(5), count, 0)


@CALM
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=6),
    st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]), min_size=1, max_size=3),
)
def test_training_sessions_cut_every_history_once_per_share(
    lengths: list[int], cuts: list[float]
) -> None:
    ratings = ratings_with(lengths)
    known, later = training_sessions(ratings, cuts)
    assert known.n_users == later.n_users == len(cuts) * len(lengths)
    for session in range(known.n_users):
        cut, user = divmod(session, len(lengths))
        row, end = ratings.items[ratings.row(user)].tolist(), int(cuts[cut] * lengths[user])
        assert known.items[known.row(session)].tolist() == row[:end]
        assert later.items[later.row(session)].tolist() == row[end:]
        assert known.user_ids[session] == ratings.user_ids[user]
