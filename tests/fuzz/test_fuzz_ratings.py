"""Ratings files with a few bytes changed: read as they stand, or refused with file and reason."""

from pathlib import Path

import pandas as pd
import pytest
from fuzz.edits import SEARCH, edited, from_files
from hypothesis import given
from hypothesis import strategies as st

from data import DataError, Ratings, read_interactions
from data.movielens import ML_1M as LAYOUT_1M
from data.movielens import ML_100K as LAYOUT_100K
from data.movielens import read_movielens

pytestmark = pytest.mark.slow

FLAGS = "|".join("0" * 18)
ML_1M = {
    "ratings.dat": b"1::3::5::100\n1::1::3::100\n1::7::4::90\n2::7::1::50\n2::1::4::60\n5::3::2::70\n",
    "movies.dat": "1::Toys (1995)::Animation|Comedy\n3::Les Misérables::Drama\n7::Heat::\n".encode(),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n5::M::25::15::55117\n",
}  # fmt: skip
ML_100K = {
    "u.data": b"1\t2\t5\t100\n1\t1\t3\t100\n2\t2\t4\t90\n2\t1\t1\t50\n",
    "u.item": f"1|T\xe9|01-Jan-1995||http://x|1|{FLAGS}\n2|U||||0|{FLAGS}\n".encode("latin-1"),
    "u.user": b"1|24|M|technician|85711\n2|53|F|other|94043\n",
}
CSV = b'user,item,rating,timestamp\n1,"a",5,10\n1,b,3.5,20\nx,a,1,2001-02-03\n'
ALMOST = st.text("0123456789:\t\r\n .-,5\0é|", max_size=60).map(lambda text: text.encode("latin-1"))


def triples(content: bytes, separator: bytes) -> list[tuple[int, int, int, int]]:
    """The rows of a ratings file, read as simply as can be."""
    body = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")
    rows = [line.split(separator) for line in body.split(b"\n") if line]
    assert all(len(row) == 4 for row in rows)
    return [
        tuple(seconds(field) if at == 3 else float(field) for at, field in enumerate(row))
        for row in rows
    ]


def seconds(field: bytes) -> float:
    """A number, or a date in seconds since 1970."""
    try:
        return float(field)
    except ValueError:
        return pd.Timestamp(field.decode(), tz="UTC").timestamp()


def rows_of(ratings: Ratings) -> list[tuple[int, int, int, int]]:
    columns = (ratings.user_ids[ratings.users], ratings.item_ids[ratings.items], ratings.values)
    return sorted(zip(*(column.tolist() for column in (*columns, ratings.timestamps)), strict=True))


def check(folder: Path, files: dict[str, bytes], changed: str, content: bytes) -> None:
    """Refused with one message that names the file, or read exactly as it is written."""
    for name, good in files.items():
        (folder / name).write_bytes(content if name == changed else good)
    first, separator, layout = (
        ("ratings.dat", b"::", LAYOUT_1M) if files is ML_1M else ("u.data", b"\t", LAYOUT_100K)
    )
    try:
        ratings = read_movielens("fuzz", folder, layout)
    except DataError as error:
        message = str(error).removeprefix(str(folder))
        assert message != str(error) and "\n" not in message and len(message) < 2_000
    else:
        assert rows_of(ratings) == sorted(triples((folder / first).read_bytes(), separator))
        assert set(ratings.values.tolist()) <= {1, 2, 3, 4, 5}


@pytest.mark.parametrize("files", [ML_1M, ML_100K], ids=["ml-1m", "ml-100k"])
@given(st.data())
@SEARCH
def test_a_changed_file_is_read_as_it_stands_or_refused(tmp_path: Path, files, data) -> None:
    check(tmp_path, files, *data.draw(from_files(files)))


@pytest.mark.parametrize("files", [ML_1M, ML_100K], ids=["ml-1m", "ml-100k"])
@given(data=st.data(), junk=ALMOST | st.binary(max_size=60))
@SEARCH
def test_any_bytes_are_read_as_they_stand_or_refused(tmp_path: Path, files, data, junk) -> None:
    check(tmp_path, files, data.draw(st.sampled_from(sorted(files))), junk)


@given(edited(CSV) | ALMOST.map(CSV.__add__) | st.binary(max_size=60), st.booleans())
@SEARCH
def test_a_changed_csv_is_read_or_refused(tmp_path: Path, content: bytes, skip_bad: bool) -> None:
    path = tmp_path / "shop.csv"
    path.write_bytes(content)
    try:
        ratings = read_interactions(path, skip_bad=skip_bad)
    except DataError as error:
        message = str(error).removeprefix(str(path))
        assert message != str(error) and "\n" not in message and len(message) < 2_000
    else:
        low, high = ratings.scale
        assert ((ratings.values >= low) & (ratings.values <= high)).all()
        assert ratings.n_ratings >= 2 and 0 <= ratings.items.min() <= ratings.items.max()
