"""Files that cannot be meant: one message with file, line, value and what to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import DataError, read_interactions
from data.delimited import DELIMITERS

SLOW_OK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD = ("1,1,5,10", "1,2,3,20", "2,1,1,30")

# a line among good ones -> what the message says
BAD_LINES = {
    "rating-text": ("3,3,good,1", "rating must be a number, value 'good'; correct or remove"),
    "rating-empty": ("3,3,,1", "rating must be a number, value ''"),
    "rating-nan": ("3,3,nan,1", "rating must be a number, value 'nan'"),
    "rating-na": ("3,3,NA,1", "rating must be a number, value 'NA'"),
    "rating-inf": ("3,3,-inf,1", "rating must be a number, value '-inf'"),
    "rating-huge": ("3,3,1e16,1", "rating must be a number, value '1e16'"),
    "rating-underscore": ("3,3,1_0,1", "rating must be a number, value '1_0'"),
    "rating-hex": ("3,3,0x3,1", "rating must be a number, value '0x3'"),
    "rating-slash": ("3,3,4/5,1", "rating must be a number, value '4/5'"),
    "rating-low": ("3,3,0.5,1", "rating is outside 1 to 5, value 0.5; correct or remove the row"),
    "rating-high": ("3,3,6,1", "rating is outside 1 to 5, value 6; .* or change --csv.scale"),
    "user-empty": (",3,3,1", "user id is missing, .* value ''"),
    "user-blank": ("  ,3,3,1", "user id is missing, .* value '  '"),
    "item-empty": ("3,,3,1", "item id is missing, .* value ''"),
    "item-long": (f"3,{'x' * 257},3,1", "item id is missing, or longer than 256 characters"),
    "time-text": ("3,3,3,monday", "timestamp must be a number or a date such as .* 'monday'"),
    "time-empty": ("3,3,3,", "timestamp must be a number or a date .* value ''"),
    "time-american": ("3,3,3,05/31/2024", "timestamp must be a number or a date .*'05/31/2024'"),
    "time-month-13": ("3,3,3,2024-13-01", "timestamp must be a number or a date .*'2024-13-01'"),
    "time-huge": ("3,3,3,1e19", "timestamp must be a number or a date .* value '1e19'"),
    "short": ("3,3,3", r"3 field.s., value .*; expected 4 as in the first line"),
    "long": ("3,3,3,1,9", r"5 field.s., value .*; expected 4 .* --csv.delimiter"),
    "decimal-comma": ("3,3,3,5,1", r"5 field.s., value .*'3', '5'"),
    "blank": ("", r"0 field.s."),
    "blanks": ("   ", r"1 field.s., value .*'   '"),
    "other-delimiter": ("3;3;3;1", r"1 field.s., value .*'3;3;3;1'"),
    "stray-quote": ('3,"x"y,3,1', "',' expected after '\"'; correct the quotation marks"),
    "nul": ("3,3\0,3,1", r"NUL byte, value '\\x00'; not plain text: unpack or convert it"),
}


def write(path: Path, lines: tuple[str, ...], header: str = "user,item,rating,timestamp") -> Path:
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), "utf-8")
    return path


def assert_refused(path: Path, pattern: str, **settings: object) -> str:
    with pytest.raises(DataError, match=pattern) as caught:
        read_interactions(path, **settings)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400
    return message


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line(tmp_path: Path, case: str, place: int) -> None:
    bad, expected = BAD_LINES[case]
    path = write(tmp_path / "x.csv", (*GOOD[:place], bad, *GOOD[place:]))
    message = assert_refused(path, expected, scale=(1, 5))
    assert message.startswith(f"{path}:{place + 2}: ")


def test_lines_count_from_1_without_a_header_too(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ("1,2,3", "2,2,x"), header="1,1,5")
    columns = {"user": "1", "item": "2", "rating": "3", "header": False}
    assert assert_refused(path, "3 must be a number, value 'x'", **columns).startswith(
        f"{path}:3: "
    )


BAD_FILES = {
    "empty": (b"", "empty"),
    "blank first line": (b"\nuser,item,rating\n1,1,1\n", "empty, or its first line is"),
    "only a header": (b"user,item,rating\n", ":2: no rows; at least two users"),
    "one user": (b"user,item,rating\n1,1,1\n1,2,2\n", "ratings of 1 user only"),
    "one rating each": (b"user,item,rating\n1,1,1\n2,2,2\n", "no user has two ratings"),
    "no delimiter": (b"user item rating\n1 1 1\n", ":1: no tab, comma, .* --csv.delimiter"),
    "open quote": (b'user,item,rating\n1,"1,1\n1,2,2\n', ":2: unexpected end of data"),
    "a field over lines": (
        b'user,item,rating\n1,"1\n2",1\n',
        ":2: a quoted field runs on to line 3",
    ),
    "blank line inside": (b"user,item,rating\n1,1,1\n\n1,2,2\n", r":3: 0 field"),
    "utf-16": ("user,item,rating\n1,1,1\n".encode("utf-16"), ":1: NUL byte"),
    "zip": (b"PK\x03\x04,\x14\0\xff", ":1: NUL byte, .* unpack"),
    "not parquet": (b"PAR1 and then nothing", "not a readable Parquet file|needs pyarrow"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(tmp_path: Path, case: str) -> None:
    content, expected = BAD_FILES[case]
    (tmp_path / "x.csv").write_bytes(content)
    assert_refused(tmp_path / "x.csv", expected)


BAD_SETTINGS: dict[str, tuple[dict[str, object], str]] = {
    "typing error": ({"rating": "ratting"}, "--csv.rating 'ratting': no such column; did you mean"),
    "case": ({"user": "USER"}, "did you mean 'user'. there are 'user', 'item', 'rating', 'time"),
    "no such": ({"item": "zzz"}, "--csv.item 'zzz': no such column; .*--csv.no-header.* 'user'"),
    "no time": ({"timestamp": "bought"}, "--csv.timestamp 'bought': no such column"),
    "a number with a header": ({"user": "1"}, "--csv.user '1': no such column"),
    "a name without one": ({"header": False}, "'user': no such column; .*'1', '2', '3', '4'"),
    "twice": ({"user": "item"}, "columns item, item, .*: must be different"),
    "delimiter": ({"delimiter": ";"}, "delimiter ';': unknown; choose from tab, comma"),
    "other delimiter": ({"delimiter": "bar"}, "no such column; .* 'user,item,rating,timestamp'"),
    "scale upside down": ({"scale": (5, 1)}, "--csv.scale 5 1: give the lowest rating first"),
    "no scale": ({"scale": (3, 3)}, "--csv.scale 3 3: give the lowest rating first"),
    "nothing positive": ({"positive": 6}, "--csv.positive 6: must be above 1, up to 5"),
    "all positive": ({"positive": 1}, "--csv.positive 1: must be above 1, up to 5"),
    "scale of counts": ({"feedback": "counts", "scale": (0, 9)}, "scale .*: is for ratings"),
    "too many plays": (
        {"feedback": "counts", "positive": 9},
        "positive 9: must be above 0, up to 5",
    ),
    "missing titles": ({"titles": "nowhere.csv"}, "nowhere.csv: no such file"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_do_not_fit_the_file(tmp_path: Path, case: str) -> None:
    given, expected = BAD_SETTINGS[case]
    path = write(tmp_path / "x.csv", GOOD)
    with pytest.raises(DataError, match=expected):
        read_interactions(path, **given)


def test_a_name_that_two_columns_share(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", GOOD, header="user,item,rating,rating")
    assert_refused(
        path, "--csv.rating 'rating': two columns of that name among 'user', 'item', 'rating'"
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [(("1", "-2", "3"), ":3: count is negative, value -2"), (("0", "0", "0"), "every count is 0")],
)
def test_counts_that_mean_nothing(tmp_path: Path, counts, expected: str) -> None:
    lines = tuple(
        f"{user},{n},{count}" for n, (user, count) in enumerate(zip("aab", counts, strict=True))
    )
    path = write(tmp_path / "x.csv", lines, header="user,item,rating")
    assert_refused(path, expected, feedback="counts")


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        ("id,title\n8,Eight\n9,Nine\n", "a title for none of the 2 items, such as '1'"),
        ("id\ttitle\n1,One\n", r":2: 1 field"),
        ("id\n1\n", "no tab, comma"),
        ("", "empty"),
    ],
)
def test_bad_titles(tmp_path: Path, titles: str, expected: str) -> None:
    (tmp_path / "titles").write_text(titles)
    with pytest.raises(DataError, match=expected) as caught:
        read_interactions(write(tmp_path / "x.csv", GOOD), titles=tmp_path / "titles")
    assert str(caught.value).startswith(str(tmp_path / "titles"))


def test_one_column_of_titles(tmp_path: Path) -> None:
    (tmp_path / "titles").write_text("id\n1\n")
    lines = ("1 1 5", "1 2 3", "2 1 1")
    path = write(tmp_path / "x", lines, header="user item rating")
    with pytest.raises(DataError, match=r"one column; --csv\.titles needs ids"):
        read_interactions(path, delimiter="space", titles=tmp_path / "titles")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.csv", "no such file; check --csv.path")
    assert_refused(tmp_path, r"cannot be read \(Is a directory\)")


def test_a_pipe_instead_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert_refused(tmp_path / "x.csv", "is a pipe or device; give a file")
    titles = "is a pipe or device"
    with pytest.raises(DataError, match=titles):
        read_interactions(write(tmp_path / "y.csv", GOOD), titles=tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.csv.gz", "x.zip", "x.csv.zst", "x.tar.xz"])
def test_the_name_does_not_decide_how_a_file_is_read(tmp_path: Path, name: str) -> None:
    expected = read_interactions(write(tmp_path / "x.csv", GOOD))
    found = read_interactions(write(tmp_path / name, GOOD))
    assert found.fingerprint() == expected.fingerprint()


def test_parquet_rows_are_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, None], "rating": [1.0, None, 3.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert_refused(tmp_path / "x.parquet", r"x.parquet, row 3: item id is missing")
    frame.fillna({"item": 7}).to_parquet(tmp_path / "x.parquet")
    assert_refused(tmp_path / "x.parquet", r"x.parquet, row 2: rating must be a number, value ''")


JUNK = st.binary(max_size=60) | st.text('user,item\t;|"\r\n 019.-eE\0é', max_size=60).map(
    str.encode
)
WITH_HEADER: Callable[[bytes], bytes] = b"user,item,rating\n1,1,1\n1,2,2\n2,2,3\n".__add__


@SLOW_OK
@given(JUNK | JUNK.map(WITH_HEADER), st.sampled_from([None, *DELIMITERS]))
def test_any_file_is_read_or_refused(tmp_path: Path, junk: bytes, delimiter: str | None) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(junk)
    try:
        ratings = read_interactions(path, delimiter=delimiter)
    except DataError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        lines = [line for line in junk.replace(b"\r", b"\n").split(b"\n") if line]
        assert ratings.n_ratings <= len(lines) - 1
        assert ratings.values.min() >= ratings.scale[0]
        assert ratings.values.max() <= ratings.scale[1]
