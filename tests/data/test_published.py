"""Other domains, in small files of the layouts in which they are published."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data import DataError, Ratings, load_dataset
from data.observation import rating_to_reward
from data.splits import split_by_time

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(folder, name=lines)` makes root/folder and returns the root."""

    def files(folder: str, **contents: str) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, content in contents.items():
            (tmp_path / folder / name).write_text(content, "utf-8")
        return tmp_path

    return files


def pairs(ratings: Ratings) -> list[tuple]:
    """(user id, item id, reward, positive) of every rating."""
    rewards = rating_to_reward(ratings.values, ratings.scale).astype(float).round(4)
    ids = ratings.user_ids[ratings.users], ratings.item_ids[ratings.items]
    return list(zip(*(c.tolist() for c in (*ids, rewards, ratings.positive)), strict=True))


def test_lastfm_by_hand(write: Write) -> None:
    files = {
        "user_artists.dat": "userID\tartistID\tweight\n2\t51\t9\n2\t52\t99\n4\t51\t1\n",
        "artists.dat": 'id\tname\turl\tpictureURL\n51\tDuran "Duran"\tu\tp\n52\tMorcheeba\tu\t\n',
    }
    ratings = load_dataset("lastfm", write("lastfm", **files))
    assert (ratings.name, ratings.titles) == ("lastfm", ('Duran "Duran"', "Morcheeba"))
    assert pairs(ratings) == [
        (2, 51, 0.5, True),
        (2, 52, 1.0, True),
        (4, 51, round(math.log(2) / math.log(100), 4), True),
    ]


COAT = {"train.ascii": "0 5 0 2\n3 0 1 0\n", "test.ascii": "1 4 0 0\n0 0 0 2\n"}


def test_coat_by_hand(write: Write) -> None:
    ratings = load_dataset("coat", write("coat", **COAT))
    assert (ratings.name, ratings.scale, ratings.n_items) == ("coat", (1.0, 5.0), 4)
    chosen, drawn = ratings.keep(~ratings.held_out), ratings.keep(ratings.held_out)
    assert pairs(chosen) == [(1, 4, -0.5, False), (2, 1, 0.0, False), (2, 3, -1.0, False)]
    assert pairs(drawn) == [(1, 1, -1.0, False), (1, 2, 0.5, True), (2, 4, -0.5, False)]
    for user in (0, 1):
        assert np.all(np.diff(ratings.held_out[ratings.row(user)].astype(int)) >= 0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 4 0 0\n0 6 0 2\n", r"test.ascii:2: not 0 to 5, value '6'"),
        ("1 4 0 0\n0 1 0\n", r"test.ascii:2: not 4 fields .*value '0 1 0'"),
        ("1 4 0\n0 1 0\n", r"coat: train.ascii has \(2, 4\) users and coats, test.ascii \(2, 3\)"),
    ],
)
def test_matrices_that_cannot_be(write: Write, content: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        load_dataset("coat", write("coat", **{**COAT, "test.ascii": content}))


@pytest.mark.realdata
def test_published_counts(real_root: Path) -> None:
    lastfm, coat = (load_dataset(name, real_root) for name in ("lastfm", "coat"))
    assert (lastfm.n_users, lastfm.n_items, lastfm.n_ratings) == (1_892, 17_632, 92_834)
    assert (coat.n_users, coat.n_items, int(coat.held_out.sum())) == (290, 300, 290 * 16)


def test_the_published_test_part_is_what_rerank_asks_for(write: Write) -> None:
    coat = load_dataset("coat", write("coat", **COAT))
    known, asked = split_by_time(coat)
    assert asked.n_ratings == coat.held_out.sum() > 0 and known.n_ratings == (~coat.held_out).sum()
