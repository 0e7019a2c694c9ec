"""Readers: exact on good files whatever their dress; the real files are counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import Ratings, load_dataset
from data.movielens import read_ml_1m, read_ml_100k

SLOW_OK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WriteFolder = Callable[..., Path]
BOM = b"\xef\xbb\xbf"


def as_bytes(lines: tuple[str, ...], newline: str = "\n", encoding: str = "latin-1") -> bytes:
    return newline.join([*lines, ""]).encode(encoding)


def test_ml_1m_by_hand(write_ml_1m: WriteFolder) -> None:
    ratings = read_ml_1m(write_ml_1m())
    assert ratings.user_ids.tolist() == [1, 2, 5]
    assert ratings.item_ids.tolist() == [1, 3, 7, 9]
    assert ratings.items[ratings.row(0)].tolist() == [2, 1, 0]  # time, then order of the file
    assert ratings.values[ratings.row(1)].tolist() == [1.0, 4.0]
    assert ratings.titles[1] == "Les Misérables (1995)"
    assert ratings.genre_names == ("Action", "Animation", "Comedy", "Drama")
    assert ratings.genres[2].tolist() == [True, False, False, True]
    names = np.array(ratings.demographic_names)
    assert len(names) == 2 + 7 + 21
    assert names[ratings.demographics[1] == 1].tolist() == ["gender=M", "age=56", "occupation=16"]


def test_ml_100k_by_hand(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[5] = "1"
    people = [(1, 17), (2, 18), (3, 49), (4, 50), (5, 73)]
    lines = [f"{user}|{age}|M|writer|00000" for user, age in people]
    (tmp_path / "u.user").write_text("\n".join(lines))
    (tmp_path / "u.item").write_bytes(
        f"1|Été (1995)|01-Jan-1995||url|{'|'.join(flags)}\n".encode("latin-1")
        + f"2|Two|||u|{'|'.join(['0'] * 19)}\n".encode()
    )
    (tmp_path / "u.data").write_text("1\t1\t3\t20\n1\t2\t4\t10\n2\t2\t5\t10\n")
    ratings = read_ml_100k(tmp_path)
    assert ratings.items.tolist() == [1, 0, 1]
    assert ratings.titles == ("Été (1995)", "Two")
    assert ratings.genre_names[int(ratings.genres[0].argmax())] == "Comedy"
    ages = ratings.demographics[:, 2:9].argmax(axis=1)
    assert ages.tolist() == [0, 1, 4, 5, 6]


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
@pytest.mark.parametrize(
    "dress",
    [
        lambda lines: as_bytes(lines, "\r\n"),
        lambda lines: BOM + as_bytes(lines),
        lambda lines: BOM + as_bytes(lines, "\r\n"),
        lambda lines: as_bytes(lines) + b"\n\r\n",
        lambda lines: as_bytes(lines).rstrip(b"\n"),
        lambda lines: as_bytes(lines, encoding="utf-8"),
    ],
    ids=["crlf", "bom", "bom-crlf", "blank-end", "no-final-newline", "utf-8"],
)
def test_dress_changes_nothing(write_ml_1m: WriteFolder, name: str, dress) -> None:
    plain = read_ml_1m(write_ml_1m()).fingerprint()
    lines = write_ml_1m.files[name]
    assert read_ml_1m(write_ml_1m(**{name: dress(lines)})).fingerprint() == plain


def test_unsorted_rows_change_nothing(write_ml_1m: WriteFolder) -> None:
    plain = read_ml_1m(write_ml_1m()).fingerprint()
    rows, movies, users = write_ml_1m.files.values()
    folder = write_ml_1m(ratings=rows[:1:-1] + rows[:2], movies=movies[::-1], users=users[::-1])

    assert read_ml_1m(folder).fingerprint() == plain  # only the two ties kept their order


def test_short_and_empty_histories_are_accepted(write_ml_1m: WriteFolder) -> None:
    ratings = read_ml_1m(write_ml_1m(ratings=("1::3::5::100", "1::1::4::101", "2::1::1::1")))
    assert ratings.lengths.tolist() == [2, 1, 0]


EVENT_LISTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5), st.integers(0, 2**62)),
    unique_by=lambda event: event[:2],
    min_size=8,
    max_size=30,
)
TITLES = st.text(st.characters(codec="latin-1", exclude_characters=":\n\r\0"), max_size=12)


@SLOW_OK
@given(EVENT_LISTS, st.lists(TITLES, min_size=6, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_round_trip(tmp_path: Path, events, titles: list[str], newline: str) -> None:
    ids = [1, 4, 6, 40, 500, 3952]
    rows = [f"{ids[u]}::{ids[i]}::{stars}::{time}" for u, i, stars, time in events]
    movies = [f"{key}::{title}::Drama" for key, title in zip(ids, titles, strict=True)]
    users = [f"{key}::F::25::3::0" for key in ids]
    for name, lines in (("ratings", rows), ("movies", movies[::-1]), ("users", users[::-1])):
        # A Latin-1 file that happens to be valid UTF-8 cannot be told apart: write UTF-8.
        (tmp_path / f"{name}.dat").write_bytes(as_bytes(tuple(lines), newline, "utf-8"))
    ratings = read_ml_1m(tmp_path)
    assert ratings.titles == tuple(titles)
    for user in range(6):
        expected = sorted((e for e in events if e[0] == user), key=lambda event: event[3])
        row = ratings.row(user)
        assert ratings.items[row].tolist() == [event[1] for event in expected]
        assert ratings.values[row].tolist() == [event[2] for event in expected]
        assert ratings.timestamps[row].tolist() == [event[3] for event in expected]


@pytest.mark.realdata
def test_ml_1m_counts(real_ml_1m: Ratings) -> None:
    assert (real_ml_1m.n_users, real_ml_1m.n_items, real_ml_1m.n_ratings) == (6040, 3883, 1_000_209)
    assert len(np.unique(real_ml_1m.items)) == 3706
    stars = np.bincount(real_ml_1m.values.astype(int), minlength=6).tolist()
    assert stars == [0, 56174, 107557, 261197, 348971, 226310]
    assert real_ml_1m.positive.sum() == 575_281
    assert real_ml_1m.demographics.shape == (6040, 30)
    assert np.all(real_ml_1m.demographics.sum(axis=1) == 3)
    assert len(real_ml_1m.genre_names) == 18


@pytest.mark.realdata
def test_ml_1m_first_user_in_time_order(real_ml_1m: Ratings) -> None:
    first = real_ml_1m.item_ids[real_ml_1m.items[real_ml_1m.row(0)][:10]]
    assert first.tolist() == [3186, 1270, 1721, 1022, 2340, 1836, 3408, 2804, 1207, 1193]
    assert real_ml_1m.titles[int(real_ml_1m.items[0])] == "Girl, Interrupted (1999)"


@pytest.mark.realdata
def test_ml_100k_counts(real_root: Path) -> None:
    ratings = load_dataset("ml-100k", real_root)
    assert (ratings.n_users, ratings.n_items, ratings.n_ratings) == (943, 1682, 100_000)
    assert ratings.demographics.shape == (943, 30)
    assert len(ratings.genre_names) == 19
