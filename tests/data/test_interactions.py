"""Any user, item, rating file: by hand, in every dress, and against a loop over the rows."""

import csv
import gzip
import math
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import data.tables
from data import DataError, Ratings, load_dataset, read_interactions
from data.tables import MISSING

SLOW_OK = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SHOP = (
    "customer,isbn,stars,bought",
    "zoe,007,5,2024-03-01",
    "anna,12,1,2024-03-02",
    "zoe,12,3,2024-01-03",
    "anna,x 9,4.5,2023-12-24",
    "bob,007,2,2024-01-01",
)
COLUMNS = {"user": "customer", "item": "isbn", "rating": "stars", "timestamp": "bought"}


def write(path: Path, lines: tuple[str, ...], newline: str = "\n", encoding: str = "utf-8") -> Path:
    path.write_bytes(newline.join([*lines, ""]).encode(encoding))
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop.csv", SHOP)


def rows(ratings: Ratings) -> list[tuple]:
    """(user id, item id, rating, time) of every rating, as stored."""
    columns = ratings.user_ids[ratings.users], ratings.item_ids[ratings.items], ratings.values
    return list(zip(*(c.tolist() for c in (*columns, ratings.timestamps)), strict=True))


def test_a_shop_by_hand(shop: Path) -> None:
    ratings = read_interactions(shop, **COLUMNS)
    day = 86_400
    assert ratings.name == "shop"
    assert ratings.user_ids.tolist() == ["anna", "bob", "zoe"]
    assert ratings.item_ids.tolist() == ["007", "12", "x 9"]
    first = 1_703_376_000  # 2023-12-24
    assert rows(ratings) == [
        ("anna", "x 9", 4.5, first),
        ("anna", "12", 1.0, first + 69 * day),
        ("bob", "007", 2.0, first + 8 * day),
        ("zoe", "12", 3.0, first + 10 * day),
        ("zoe", "007", 5.0, first + 68 * day),
    ]
    assert (ratings.scale, ratings.positive_threshold) == ((1.0, 5.0), 4.0)
    assert ratings.titles == ()


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        (("id,year,Title", "12,1815,Emma", "007,1922,Ulysses", "x 9,2000,NaN"), None),
        (("author,isbn,name", "A,12,Emma", "J,007,Ulysses", "X,x 9,null"), None),
        (("isbn,author,label", "12,A,Emma", "007,J,Ulysses", "x 9,X,"), "label"),
    ],
)
def test_titles_are_found_by_their_header(shop: Path, lines, column: str | None) -> None:
    titles = write(shop.parent / "titles.csv", lines)
    ratings = read_interactions(shop, **COLUMNS, titles=titles, title_column=column)
    assert ratings.titles == ("Ulysses", "Emma", "x 9")


def test_genres_are_read_where_the_titles_have_a_column_of_them(shop: Path) -> None:
    lines = ("id,title,genres", "12,Emma,Novel|Comedy", "007,Ulysses, Novel ", "x 9,Lost,null")
    ratings = read_interactions(shop, **COLUMNS, titles=write(shop.parent / "titles.csv", lines))
    assert ratings.genre_names == ("Comedy", "Novel")
    assert ratings.genres.tolist() == [[False, True], [True, True], [False, False]]
    lines = ("id,title,genres", "12,Emma," + "|".join(map(str, range(1_001))))
    with pytest.raises(DataError, match="different genres, 1,000 at most"):
        read_interactions(shop, **COLUMNS, titles=write(shop.parent / "titles.csv", lines))


def test_numbers_that_a_spreadsheet_cut_short_are_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("user,isbn,rating", "a,9.78037E+12,1", "a,9.78014E+12,5", "b,9.78037E+12,2", "b,x,2")
    read_interactions(write(tmp_path / "x.csv", lines), item="isbn")
    warning = capsys.readouterr().err
    assert "x.csv:2: isbn is a number that a spreadsheet cut short: 2 different ids" in warning
    assert "'9.78037E+12' (3 rows)" in warning


def quoted(line: str) -> str:
    return ",".join(f'"{field}"' for field in line.split(","))


SAME = {
    "semicolons": lambda path: write(path, tuple(line.replace(",", ";") for line in SHOP)),
    "tabs": lambda path: write(path, tuple(line.replace(",", "\t") for line in SHOP)),
    "colons": lambda path: write(path, tuple(line.replace(",", "::") for line in SHOP)),
    "crcrlf": lambda path: write(path, SHOP, "\r\r\n"),
    "gzip": lambda path: path.write_bytes(gzip.compress(write(path, SHOP).read_bytes())),
    "sep=": lambda path: write(path, ("sep=;", *(line.replace(",", ";") for line in SHOP))),
    "decimal comma": lambda path: write(
        path, tuple(line.replace(",", ";").replace("4.5", "4,5") for line in SHOP)
    ),
    "quoted between tabs": lambda path: write(
        path, tuple(quoted(line).replace(",", "\t") for line in SHOP)
    ),
    "text over lines": lambda path: write(
        path, (f"{SHOP[0]},review", *(f'{line},"fine,\nI say ""so"""' for line in SHOP[1:]))
    ),
    "blank lines": lambda path: write(path, (*SHOP[:3], "", *SHOP[3:])),
    "blanks": lambda path: write(path, tuple(line.replace(",", " , ") for line in SHOP)),
    "quoted": lambda path: write(path, tuple(map(quoted, SHOP))),
    "times": lambda path: write(path, (SHOP[0], *(f"{line}T00:00:00+00:00" for line in SHOP[1:]))),
}


@pytest.mark.parametrize("dress", SAME.values(), ids=SAME.keys())
def test_dress_changes_nothing(shop: Path, dress) -> None:
    plain = read_interactions(shop, **COLUMNS).fingerprint()
    dress(shop)
    assert read_interactions(shop, **COLUMNS).fingerprint() == plain


def test_without_a_header_columns_go_by_number(shop: Path) -> None:
    plain = read_interactions(shop, **COLUMNS).fingerprint()
    write(shop, SHOP[1:])
    columns = {"user": "1", "item": "2", "rating": "3", "timestamp": "4"}
    assert read_interactions(shop, **columns, header=False).fingerprint() == plain


def test_a_line_that_is_no_utf_8_is_announced_and_leaves_the_others_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("user item rating", "Zo\u00eb a,b 1", "Zo\u00eb c 5", "Jo c 2")
    path = write(tmp_path / "x.csv", lines)
    path.write_bytes(path.read_bytes() + "Andr\u00e9 c 3\n".encode("latin-1"))
    ratings = read_interactions(path, delimiter="space")
    assert ratings.user_ids.tolist() == ["Andr\u00e9", "Jo", "Zo\u00eb"]
    assert (
        "x.csv:5: not UTF-8, value 'Andr\\xe9 c 3'; read as Latin-1, 1 " in capsys.readouterr().err
    )


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "utf-16", "utf-8"])
def test_the_encoding_can_be_given(tmp_path: Path, encoding: str) -> None:
    name = {"gbk": "\u4e66", "cp1252": "\u201cA\u201d"}.get(encoding, "\u00e9")
    lines = (f"{name},item,rating", f"a,{name},1", "a,y,5", f"b,{name},2")
    path = write(tmp_path / "x.csv", lines, encoding=encoding)
    ratings = read_interactions(path, user=name, encoding=encoding, titles=path)
    assert ratings.item_ids.tolist() == sorted([name, "y"])


@pytest.mark.parametrize(
    ("given", "scale", "threshold"),
    [
        ({}, (1.0, 5.0), 4.0),
        ({"scale": (0.0, 10.0)}, (0.0, 10.0), 7.5),
        ({"positive": 3.0}, (1.0, 5.0), 3.0),
    ],
)
def test_scale_and_positive_threshold(shop: Path, given, scale, threshold) -> None:
    ratings = read_interactions(shop, **COLUMNS, **given)
    assert (ratings.scale, ratings.positive_threshold) == (scale, threshold)


PLAYS = ("user,item,plays", "a,x,1", "a,y,9", "b,x,3", "b,y,0", "a,y,90")


def test_counts_are_added_up_and_rewarded_by_their_logarithm(tmp_path: Path) -> None:
    path = write(tmp_path / "plays.csv", PLAYS)
    ratings = read_interactions(path, rating="plays", feedback="counts")
    assert ratings.scale == (-1.0, 1.0)
    expected = [math.log(2) / math.log(100), 1.0, math.log(4) / math.log(100)]
    assert ratings.values.tolist() == pytest.approx(expected)
    assert ratings.positive.all()
    assert [row[:2] for row in rows(ratings)] == [("a", "x"), ("a", "y"), ("b", "x")]
    often = read_interactions(path, rating="plays", feedback="counts", positive=3)
    assert often.positive.tolist() == [False, True, True]


def test_ratings_that_are_all_equal_are_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "likes.csv", ("user,item,rating", "a,x,7", "a,y,7", "b,x,7"))
    ratings = read_interactions(path)
    assert "every rating is 7: read as events" in capsys.readouterr().err
    assert (ratings.scale, ratings.values.tolist()) == ((-1.0, 1.0), [1.0, 1.0, 1.0])
    assert ratings.positive.all()
    given = read_interactions(path, scale=(1.0, 7.0))
    assert (given.scale, given.values.tolist()) == ((1.0, 7.0), [7.0, 7.0, 7.0])


def stars(*more: str) -> tuple[str, ...]:
    return ("user,item,rating", *(f"{n // 5},{n % 5},{n % 5 + 1}" for n in range(60)), *more)


@pytest.mark.parametrize(
    ("rating", "scale", "warned"),
    [(55, None, True), (-9, None, True), (7, None, False), (55, (1, 60), False)],
)
def test_a_rating_far_from_all_others_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rating: int, scale, warned: bool
) -> None:
    read_interactions(write(tmp_path / "x.csv", stars(f"3,77,{rating}")), scale=scale)
    says = "x.csv:62: rating is far from nearly all others (1 to 5)"
    found = capsys.readouterr().err
    assert (says in found and f"value {rating}" in found) == warned


def test_bad_rows_are_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "x.csv", stars())
    plain = read_interactions(path).fingerprint()
    capsys.readouterr()
    bad = ("-1,3,4", "99,undefined,3", ",,x", "4,88,much", "n/a,5,3", "5,2")
    write(path, (*stars()[:9], *bad, *stars()[9:]))
    assert read_interactions(path, skip_bad=True).fingerprint() == plain
    said = capsys.readouterr().err
    assert "left out 6 row(s): " in said and "x.csv:10: user id is missing" in said
    assert "value -1 (3 rows)" in said and "x.csv:15: not 3 fields" in said


def test_it_says_how_the_file_was_understood(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read_interactions(shop, **COLUMNS)
    assert capsys.readouterr().err == (
        f"{shop}: 5 rows, 5 different (user, item) pairs; ratings 1 to 5, positive from 4; "
        "by 'bought'\n"
    )


def test_load_dataset_reads_it(shop: Path) -> None:
    expected = read_interactions(shop, **COLUMNS).fingerprint()
    assert load_dataset("csv", csv={"path": shop, **COLUMNS}).fingerprint() == expected
    with pytest.raises(DataError, match=r"say which file it is with path FILE"):
        load_dataset("csv")


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=".-"),
    min_size=1,
    max_size=4,
).filter(lambda name: name.lower() not in MISSING)
VALUES = st.floats(-100, 100, width=32)
TIMES = st.integers(-(2**60), 2**60)
EVENTS = st.lists(st.tuples(NAMES, NAMES, VALUES, TIMES), min_size=1, max_size=40)


def oracle(events: list[tuple]) -> list[tuple]:
    """The last rating of every pair, in order of time; ties keep the order of the rows."""
    in_time = sorted(events, key=lambda event: event[3])
    last = {event[:2]: place for place, event in enumerate(in_time)}
    return [in_time[place] for place in sorted(last.values())]


@SLOW_OK
@pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])
@given(events=EVENTS)
def test_csv_and_parquet_bring_back_the_same_ratings(
    tmp_path: Path, events: list[tuple], parquet: bool
) -> None:
    path, columns = tmp_path / "events.csv", ("user", "item", "rating", "timestamp")
    if parquet:
        pytest.importorskip("pyarrow")
        pd.DataFrame(events, columns=columns).to_parquet(path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *events])
    expected = oracle(events)
    lengths = Counter(event[0] for event in expected)
    if len(lengths) < 2 or max(lengths.values()) < 2:
        with pytest.raises(DataError, match=r"1 user only|no user has two ratings"):
            read_interactions(path, scale=(-100, 100))
        return
    ratings = read_interactions(path, scale=(-100, 100))
    found = [(str(user), str(item), value, time) for user, item, value, time in rows(ratings)]
    for user in ratings.user_ids.astype(str):
        mine = [event for event in found if event[0] == user]
        assert mine == [event for event in expected if event[0] == user]
    assert len(found) == len(expected)


def test_blocks_change_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_interactions(shop, **COLUMNS).fingerprint()
    monkeypatch.setattr(data.tables, "ROWS_PER_BLOCK", 2)
    monkeypatch.setattr(data.tables, "CHARACTERS_PER_BLOCK", 30)
    assert read_interactions(shop, **COLUMNS).fingerprint() == plain
    for name in ("quoted", "text over lines", "colons", "blank lines", "crcrlf", "gzip"):
        SAME[name](shop)
        assert read_interactions(shop, **COLUMNS).fingerprint() == plain
    write(shop, (*SHOP, "zoe,7", *SHOP[1:], 'bob,"1"x,x,y', *SHOP[1:]))
    with pytest.raises(DataError, match=r"shop.csv:13: ',' expected after"):
        read_interactions(shop, **COLUMNS, skip_bad=True)
    write(shop, (*SHOP, "zoe,7", *SHOP[1:], 'bob,"1",x', *SHOP[1:]))
    with pytest.raises(DataError, match=r"shop.csv:7: not 4 fields .* 'zoe,7' \(2 rows\)"):
        read_interactions(shop, **COLUMNS)
