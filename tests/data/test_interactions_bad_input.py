"""Files that cannot be meant: one message with file, line, value and what to do."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from data import DataError, read_interactions

GOOD = ("1,1,5,10", "1,2,3,20", "2,1,1,30")

# a line among good ones -> what the message says
BAD_LINES = {
    "rating-text": ("3,3,good,1", "rating must be a number, value 'good'; correct or remove"),
    "rating-inf": ("3,3,-inf,1", "rating must be a number, value '-inf'"),
    "rating-huge": ("3,3,1e16,1", "rating must be a number, value '1e16'"),
    "rating-thousands": ('3,3,"1,234",1', "rating must be a number, value '1,234'"),
    "rating-high": ("3,3,6,1", "rating is outside the scale .* value 6"),
    "item-long": (f"3,{'x' * 257},3,1", "item id is missing, or longer than 256 characters"),
    "time-text": ("3,3,3,monday", "timestamp must be a number or a date such as .* 'monday'"),
    "time-huge": ("3,3,3,1e19", "timestamp must be a number or a date .* value '1e19'"),
    "short": ("3,3,3", r"not 4 fields \(user, item, rating, timestamp\) .*, value '3,3,3'"),
    "other-delimiter": ("3;3;3;1", "not 4 fields .*separated by ',', value '3;3;3;1'"),
    "stray-quote": ('3,"x"y,3,1', "',' expected after '\"'; correct the quotation marks"),
    "nul": ("3,3\0,3,1", r"control character, value '\\x00'; not plain text: unpack or convert it"),
}
# Words for "nothing there", in any column of ids.
NOBODY = ("", "  ", "nan", "NaN", "NULL", "None", "NA", "<NA>", r"\N", "n/a", "(null)", "-", "-1")


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


@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize("word", NOBODY)
def test_a_missing_id_is_nobody(tmp_path: Path, word: str, column: str) -> None:
    rows = [f"{word},3,3,1" if column == "user" else f"3,{word},3,1"] * 3
    path = write(tmp_path / "x.csv", (*GOOD, *rows))
    message = assert_refused(path, rf"x.csv:5: {column} id is missing, .* value .* \(3 rows\)")
    assert message.endswith("leave them out with skip_bad")


def test_all_kinds_of_faults_are_counted_in_one_message(tmp_path: Path) -> None:
    rows = ("ann,tea,3", "ann,milk,-2", ",tea,1", "bob,tea,x", "bob,,1", "bob,milk,-7", "bob,tea")
    path = write(tmp_path / "x.csv", rows, header="customer,item,quantity")
    with pytest.raises(DataError) as caught:
        read_interactions(path, user="customer", rating="quantity", feedback="counts")
    *kinds, _ = str(caught.value).split("; ")
    assert [kind.removeprefix(f"{path}:").split(",")[0] for kind in kinds] == [
        "3: count is negative",
        "4: customer id is missing",
        "5: quantity must be a number",
        "6: item id is missing",
        "8: not 3 fields (customer",
    ]
    assert kinds[0].endswith("value -2 (2 rows)") and kinds[1].endswith("value ''")


def test_lines_are_counted_over_line_breaks_in_fields(tmp_path: Path) -> None:
    rows = ('1,1,5,"a\nb\nc"', "1,2,3,", '2,1,x,"d\ne"', "2,2,y,")
    path = write(tmp_path / "x.csv", rows, header="user,item,rating,review")
    assert_refused(path, r"x.csv:6: rating must be a number, value 'x' \(2 rows\)")


def test_two_columns_are_events(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ("1,1", "1,2", "2,1"), header="user,item")
    assert_refused(path, "'rating': no such column; .*add feedback events; there are 'user'")
    assert read_interactions(path, feedback="events").n_ratings == 3


BAD_FILES = {
    "empty": (b"", "empty"),
    "blank first line": (b"\nuser,item,rating\n1,1,1\n", "empty, or its first line is"),
    "only a header": (b"user,item,rating\n", "no rows; at least two users"),
    "one user": (b"user,item,rating\n1,1,1\n1,2,2\n", "ratings of 1 user only"),
    "one rating each": (b"user,item,rating\n1,1,1\n2,2,2\n", "no user has two ratings"),
    "JSON": (b'{"user": 1, "item": 2}', "is JSON, not a table; convert it to CSV"),
    "no delimiter": (b"user item rating\n1 1 1\n", ":1: no tab, comma, .* delimiter"),
    "open quote": (b'user,item,rating\n1,"1,1\n1,2,2\n', ":2: unexpected end of data"),
    "utf-16": ("user,item,rating\n1,1,1\n".encode("utf-16"), ":1: control character"),
    "cut gzip": (gzip.compress(bytes(999))[:-9], "damaged gzip file .*; restore it"),
    "zip": (b"PK\x03\x04,\x14\0\xff", ":1: control character, .* unpack"),
    "not parquet": (b"PAR1 and then nothing", "not a readable Parquet file|needs pyarrow"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(tmp_path: Path, case: str) -> None:
    content, expected = BAD_FILES[case]
    (tmp_path / "x.csv").write_bytes(content)
    assert_refused(tmp_path / "x.csv", expected)


BAD_SETTINGS: dict[str, tuple[dict[str, object], str]] = {
    "typing error": ({"rating": "ratting"}, "rating 'ratting': no such column; did you mean"),
    "no such": ({"item": "zzz"}, "item 'zzz': no such column; .*header=False.* 'user'"),
    "a name without one": ({"header": False}, "'user': no such column; .*'1', '2', '3', '4'"),
    "twice": ({"user": "item"}, "columns item, item, .*: must be different"),
    "delimiter": ({"delimiter": ";"}, "delimiter ';': unknown; choose from tab, comma"),
    "scale upside down": ({"scale": (5, 1)}, "scale 5 1: give the lowest rating first"),
    "nothing positive": ({"positive": 6}, "positive 6: must be above 1, up to 5"),
    "scale of counts": ({"feedback": "counts", "scale": (0, 9)}, "scale .*: is for ratings"),
    "encoding": ({"encoding": "utf-9"}, "encoding 'utf-9': unknown; give cp1252 or gbk"),
    "title column": (
        {"title_column": "tittle"},
        "title_column 'tittle': no such column",
    ),
    "missing titles": ({"titles": "nowhere.csv"}, "nowhere.csv: no such file"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_do_not_fit_the_file(tmp_path: Path, case: str) -> None:
    given, expected = BAD_SETTINGS[case]
    path = write(tmp_path / "x.csv", GOOD)
    with pytest.raises(DataError, match=expected):
        read_interactions(
            path, **{**given, **({"titles": path} if "title_column" in given else {})}
        )


def test_another_encoding_than_that_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", (*GOOD, "3,\u00e9,3,1"))
    assert_refused(path, r"not ascii .*value '\\xc3'.*; give another encoding", encoding="ascii")


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
        ("id\ttitle\n1,One\n", r":2: not 2 fields"),
        ("id\n1\n", "no tab, comma"),
        ("", "empty"),
    ],
)
def test_bad_titles(tmp_path: Path, titles: str, expected: str) -> None:
    (tmp_path / "titles").write_text(titles)
    with pytest.raises(DataError, match=expected) as caught:
        read_interactions(write(tmp_path / "x.csv", GOOD), titles=tmp_path / "titles")
    assert str(caught.value).startswith(str(tmp_path / "titles"))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.csv", "no such file; restore it, or give another path")
    assert_refused(tmp_path, r"cannot be read \(Is a directory\)")


def test_parquet_rows_are_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, None], "rating": [1.0, None, 3.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert_refused(tmp_path / "x.parquet", r"row 2: rating must .* row 3: item id is missing")
    frame.fillna({"item": 7}).to_parquet(tmp_path / "x.parquet")
    assert_refused(tmp_path / "x.parquet", r"x.parquet, row 2: rating must be a number, value ''")


def test_a_pipe_instead_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert_refused(tmp_path / "x.csv", "is a pipe or device; give a file")
