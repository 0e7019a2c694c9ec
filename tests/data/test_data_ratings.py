"""Ratings against a few obvious lines, and its promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import DataError, Ratings

CALM = settings(deadline=None)  # machines under load are slow
Event = tuple[int, int, float, int]
IDS = st.integers(0, 6)
EVENTS = st.lists(
    st.tuples(IDS, IDS, st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]), st.integers(0, 3)),
    unique_by=lambda event: event[:2],
    max_size=40,
)


def ratings_of(events: list[Event]) -> Ratings:
    users, items, values, times = zip(*events, strict=True) if events else ([], [], [], [])
    ids = np.arange(7)
    return Ratings.from_events("toy", users, items, values, times, user_ids=ids, item_ids=ids)


TOY: list[Event] = [(2, 0, 4.0, 9), (0, 1, 5.0, 3), (0, 4, 1.0, 1), (2, 3, 3.0, 9), (2, 6, 5.0, 1)]


@CALM
@given(EVENTS)
def test_rows_equal_a_naive_stable_sort(events: list[Event]) -> None:
    ratings = ratings_of(events)
    for user in range(7):
        expected = sorted((e for e in events if e[0] == user), key=lambda event: event[3])
        row = ratings.row(user)
        found = zip(ratings.items[row], ratings.values[row], ratings.timestamps[row], strict=True)
        assert list(found) == [event[1:] for event in expected]
        assert np.all(ratings.users[row] == user)


@pytest.mark.parametrize(
    "name", ["offsets", "items", "values", "timestamps", "user_ids", "users", "lengths", "positive"]
)
def test_arrays_are_read_only(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(ratings_of(TOY), name)[0] = 1


def test_the_held_out_part_follows_its_ratings() -> None:
    columns = list(zip(*TOY, strict=True))
    held_out = np.array([True, False, True, False, False])
    ratings = Ratings.from_events("toy", *columns, held_out=held_out)
    assert ratings.items[ratings.held_out].tolist() == [3, 0]  # the items 4 and 0
    assert ratings.keep(ratings.held_out).held_out.tolist() == [True, True]
    assert ratings.repeated(2).held_out.tolist() == ratings.held_out.tolist() * 2
    plain = Ratings.from_events("toy", *columns)
    assert not plain.held_out.any() and plain.fingerprint() != ratings.fingerprint()


def test_fingerprint_follows_the_data() -> None:
    other = [(2, 0, 3.0, 9), *TOY[1:]]
    assert ratings_of(TOY).fingerprint() == ratings_of(TOY).fingerprint()
    assert ratings_of(TOY).fingerprint() != ratings_of(other).fingerprint()
    assert ratings_of(TOY).fingerprint() == ratings_of([TOY[2], *TOY[:2], *TOY[3:]]).fingerprint()


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ((9, 1, 5.0, 0), "event 5: user id 9 "),
        ((-1, 1, 5.0, 0), "event 5: user id -1 "),
        ((1, 2**60, 5.0, 0), "event 5: item id 1152921504606846976 "),
        ((1, 1, 0.5, 0), "event 5: rating 0.5 "),
        ((1, 1, 6.0, 0), "event 5: rating 6 "),
        ((1, 1, float("nan"), 0), "event 5: rating nan "),
        ((1, 1, float("inf"), 0), "event 5: rating inf "),
        ((0, 4, 5.0, 8), "event 5: user 0 rated item 4 before"),
    ],
)
def test_bad_events_are_named(event: Event, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ratings_of([*TOY, event])


def test_shapes_must_fit() -> None:
    with pytest.raises(DataError, match="columns of shapes"):
        Ratings.from_events("toy", [1, 2], [1], [5], [0])
    with pytest.raises(DataError, match="1 titles, 2 items"):
        Ratings.from_events("toy", [1, 2], [1, 2], [5, 5], [0, 0], titles=("one",))
    with pytest.raises(DataError, match="ascending"):
        Ratings.from_events("toy", [1], [1], [5], [0], user_ids=[1, 1])
