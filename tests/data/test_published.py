"""Other domains, in small files of the layouts in which they are published."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from envs.rewards import rating_to_reward

from data import DataError, Ratings, load_dataset, read_interactions

YAHOO = "ydata-ymusic-rating-study-v1_0-train.txt"
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


JESTER = "2,-7.82,99,9.41\n3,0,0.05,-10.00\n1,99,10,99\n"


def test_jester_by_hand(write: Write) -> None:
    more = {"jester-data-1.csv": JESTER, "jester-data-2.csv": "1,99,-0.05,99.00\n"}
    ratings = load_dataset("jester", write("jester", **more))
    assert (ratings.name, ratings.scale) == ("jester", (-10.0, 10.0))
    assert (ratings.user_ids.tolist(), ratings.item_ids.tolist()) == ([1, 2, 3, 4], [1, 2, 3])
    assert pairs(ratings) == [
        *[(1, 1, -0.782, False), (1, 3, 0.941, True)],
        *[(2, 1, 0.0, False), (2, 2, 0.005, True), (2, 3, -1.0, False)],
        *[(3, 2, 1.0, True), (4, 2, -0.005, False)],
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2,1,2,99.5", "joke 3: rating must be -10 to 10, or 99, value '99.5'"),
        ("3,1,-11,2", "joke 2: rating must be -10 to 10, or 99, value '-11'"),
        ("3,1,,2", "joke 2: rating must be -10 to 10, or 99, value ''"),
        ("3,x,1,2", "joke 1: rating must be -10 to 10, or 99, value 'x'"),
        ("3,1,99,2", "first column says '3' ratings, the line has 2"),
        ("2,1,99", r"3 field.s., .* expected 4 as in the first line"),
    ],
)
def test_jester_lines_that_cannot_be(write: Write, line: str, expected: str) -> None:
    root = write("jester", **{"a.csv": f"{JESTER}{line}\n{JESTER}"})
    with pytest.raises(DataError, match=expected) as caught:
        load_dataset("jester", root)
    assert str(caught.value).startswith(f"{root / 'jester' / 'a.csv'}:4: ")


def test_jester_files_must_belong_together(write: Write) -> None:
    root = write("jester", **{"a.csv": JESTER, "b.csv": "2,1,2\n1,99,1\n"})
    with pytest.raises(DataError, match=r"different data sets, jokes {'a.csv': 3, 'b.csv': 2}"):
        load_dataset("jester", root)


def test_yahoo_r3_by_hand(write: Write) -> None:
    ratings = load_dataset(
        "yahoo-r3", write("yahoo-r3", **{YAHOO: "1\t14\t5\n1\t35\t1\n2\t14\t4\n"})
    )
    assert (ratings.name, ratings.scale) == ("yahoo-r3", (1.0, 5.0))
    assert pairs(ratings) == [(1, 14, 1.0, True), (1, 35, -1.0, False), (2, 14, 0.5, True)]


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


@pytest.mark.parametrize("name", ["jester", "yahoo-r3", "lastfm"])
def test_what_is_not_there_is_not_downloaded(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: no such folder, or empty; docs/domains.md says"):
        load_dataset(name, tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "readme.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"no \*.csv|no such file"):
        load_dataset(name, tmp_path)


# The recipes of docs/domains.md: file, settings -> (user, item, reward, positive).
RECIPES: dict[str, tuple[str, dict[str, object], list[tuple]]] = {
    "amazon 2023": (
        "user_id,parent_asin,rating,timestamp\nAG,B00T,3.0,1452647382000\nAG,B006,5.0,145264738000\n"
        "AF,B006,1.0,1471541996000\n",
        {"user": "user_id", "item": "parent_asin"},
        [("AF", "B006", -1.0, False), ("AG", "B006", 1.0, True), ("AG", "B00T", 0.0, False)],
    ),
    "amazon 2014": (
        "AH,0000013714,4.0,1394409600\nAH,000014357X,5.0,1354406400\nA1,000014357X,1.0,1360022400\n",
        {"header": False, "user": "1", "item": "2", "rating": "3", "timestamp": "4"},
        [
            *[("A1", "000014357X", -1.0, False), ("AH", "000014357X", 1.0, True)],
            ("AH", "0000013714", 0.5, True),
        ],
    ),
    "amazon purchases": (
        "user_id,parent_asin,rating,timestamp\nAG,B00T,1.0,2\nAG,B006,5.0,1\nAF,B006,4.0,3\n",
        {"user": "user_id", "item": "parent_asin", "feedback": "events"},
        [("AF", "B006", 1.0, True), ("AG", "B006", 1.0, True), ("AG", "B00T", 1.0, True)],
    ),
    "lastfm 360k": (
        'c01\tm-1\tbetty "b"\t9\nc01\t\tdie Ärzte\t99\nc02\tm-1\tbetty "b"\t9\nc02\tm-2\tsilence\t0\n',
        {"header": False, "user": "1", "item": "3", "rating": "4", "feedback": "counts"},
        [
            *[("c01", 'betty "b"', 0.5, True), ("c01", "die Ärzte", 1.0, True)],
            ("c02", 'betty "b"', 0.5, True),
        ],
    ),
    "lastfm 1k": (
        "u1\t2009-05-04T23:08:57Z\tm1\tA\tt1\tx\nu1\t2009-05-04T13:54:10Z\tm1\tA\tt2\ty\n"
        "u1\t2009-05-03T13:54:10Z\tm2\tB\tt3\tz\nu2\t2006-08-13T13:59:20Z\tm1\tA\tt1\tx\n",
        {"header": False, "user": "1", "item": "4", "timestamp": "2", "feedback": "events"},
        [
            *[("u1", "B", round(math.log(2) / math.log(3), 4), True)],
            *[("u1", "A", 1.0, True)],
            ("u2", "A", round(math.log(2) / math.log(3), 4), True),
        ],
    ),
    "jester 2": (
        "1\t\t5\t\t0.219\n1\t\t7\t\t-9.281\n2\t\t5\t\t10.000\n",
        {
            **{"header": False, "user": "1", "item": "3", "rating": "5"},
            **{"scale": (-10.0, 10.0), "positive": 0.001},
        },
        [(1, 5, 0.0219, True), (1, 7, -0.9281, False), (2, 5, 1.0, True)],
    ),
    "book-crossing": (
        '"User-ID";"ISBN";"Book-Rating"\n"276725";"034545104X";"0"\n"276726";"0155061224";"5"\n'
        '"276726";"034545104X";"10"\n',
        {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"},
        [
            *[(276725, "034545104X", -1.0, False), (276726, "0155061224", 0.0, False)],
            (276726, "034545104X", 1.0, True),
        ],
    ),
    "movielens 25m": (
        "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,0.5,1147868817\n2,5,4.0,9\n",
        {"user": "userId", "item": "movieId"},
        [(1, 306, -1.0, False), (1, 296, 1.0, True), (2, 5, 0.5556, True)],
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(tmp_path: Path, name: str) -> None:
    content, settings, expected = RECIPES[name]
    path = tmp_path / "file"
    path.write_text(content, "utf-8")
    ratings = read_interactions(path, **settings)
    assert pairs(ratings) == expected
    assert np.all(np.diff(ratings.timestamps)[np.diff(ratings.users) == 0] >= 0)
