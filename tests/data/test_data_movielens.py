"""Readers: exact on good files whatever their dress; the real files are counted."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data import DataError, Ratings, load_dataset
from data.movielens import ML_1M, ML_100K, read_movielens

WriteFolder = Callable[..., Path]
BOM = b"\xef\xbb\xbf"


def read_ml_1m(folder: Path) -> Ratings:
    return read_movielens("ml-1m", folder, ML_1M)


def read_ml_100k(folder: Path) -> Ratings:
    return read_movielens("ml-100k", folder, ML_100K)


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
    meant = [
        ratings.demographic_columns[place] for place in np.flatnonzero(ratings.demographics[1])
    ]
    assert meant == [("gender", "M"), ("age", 56), ("occupation", 16)]


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
    assert ratings.demographic_columns[-1] == ("occupation", "writer")


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
        lambda lines: as_bytes(lines, "\r"),
        lambda lines: gzip.compress(as_bytes(lines)),
    ],
    ids=["crlf", "bom", "bom-crlf", "blank-end", "no-final-newline", "utf-8", "cr", "gzip"],
)
def test_dress_changes_nothing(write_ml_1m: WriteFolder, name: str, dress) -> None:
    plain = read_ml_1m(write_ml_1m()).fingerprint()
    lines = write_ml_1m.files[name]
    assert read_ml_1m(write_ml_1m(**{name: dress(lines)})).fingerprint() == plain


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("u.data", "1\t1\t7\t3", "rating is not one of"),
        ("u.data", "1 1 3 3", "not 4 fields"),
        ("u.data", "1\t\t1\t3", "movie id is missing, .* value ''"),
        ("u.item", "1|short|a", "not 24 fields"),
        ("u.item", "2|T|||u|" + "|".join("2" * 19), "genre flag must be 0 or 1, value '2'"),
        ("u.user", "2|old|M|writer|0", "unknown age, value 'old'"),
        ("u.user", "2|20|?|writer|0", r"unknown gender, value '\?'"),
    ],
)
def test_bad_ml_100k_line(tmp_path: Path, file: str, line: str, expected: str) -> None:
    good = {
        "u.data": "1\t1\t5\t2",
        "u.item": "1|T|||u|" + "|".join("0" * 19),
        "u.user": "1|20|M|writer|0",
    }
    for name, first in good.items():
        (tmp_path / name).write_text(f"{first}\n{f'{line}{chr(10)}' if name == file else ''}")
    with pytest.raises(DataError, match=expected) as caught:
        read_ml_100k(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file}:2: ")


def write_csv_layout(folder: Path) -> Path:
    folder.mkdir()
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n7,"Heat, The (1995)",Action|IMAX\n5,"Say ""A"" (1999)",'
        "(no genres listed)\n"
    )
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,7,4.5,20\n1,5,0.5,10\n2,7,3.0,5\n"
    )
    return folder


@pytest.mark.parametrize("name", ["ml-latest-small", "ml-20m", "ml-25m", "ml-32m"])
def test_the_layout_with_headers(tmp_path: Path, name: str) -> None:
    folder = write_csv_layout(tmp_path / name)
    ratings = load_dataset(name, tmp_path)
    assert (ratings.name, ratings.scale) == (name, (0.5, 5.0))
    assert ratings.titles == ('Say "A" (1999)', "Heat, The (1995)")
    assert ratings.genre_names == ("Action", "IMAX")
    assert ratings.genres.tolist() == [[False, False], [True, True]]
    assert ratings.values.tolist() == [0.5, 4.5, 3.0]
    assert ratings.demographics.shape == (2, 0) and ratings.demographic_columns == ()
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,7,4.2,20\nx,5,1,1\n")
    with pytest.raises(DataError, match=r":2: rating is not one of 0.5, 1, .*:3: unknown user"):
        load_dataset(name, tmp_path)
    (folder / "ratings.csv").write_text("user,movie,rating,time\n1,7,4.2,20\n")
    with pytest.raises(DataError, match=r":1: columns .*expected userId, movieId, rating"):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize("folder", ["ml-10m", "ml-10M100K"])
def test_ml_10m_in_a_folder_of_either_name(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "ratings.dat").write_text(
        "1::122::5::838985046\n1::185::0.5::8\n2::122::4.5::9\n"
    )
    (tmp_path / folder / "movies.dat").write_text(
        "122::Boomerang (1992)::Comedy|Romance\n185::Net::\n"
    )
    ratings = load_dataset("ml-10m", tmp_path)
    assert ratings.titles == ("Boomerang (1992)", "Net")
    assert ratings.values.tolist() == [0.5, 5.0, 4.5]
    assert ratings.genres.tolist() == [[True, True], [False, False]]


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
def test_ml_latest_small_counts(real_root: Path) -> None:
    ratings = load_dataset("ml-latest-small", real_root)
    assert (ratings.n_users, ratings.n_items, ratings.n_ratings) == (610, 9742, 100_836)
    assert ratings.genres.shape == (9742, 19)


@pytest.mark.realdata
def test_one_bad_line_in_a_million_is_found(real_root: Path, tmp_path: Path) -> None:
    for name in ("movies.dat", "users.dat"):
        (tmp_path / name).symlink_to((real_root / "ml-1m" / name).resolve())
    lines = (real_root / "ml-1m" / "ratings.dat").read_bytes().split(b"\n")
    lines[765_432] = lines[765_432].replace(b"::", b"::1e", 1)
    (tmp_path / "ratings.dat").write_bytes(b"\n".join(lines))
    with pytest.raises(DataError, match=r"ratings\.dat:765433: unknown movie, value '1e"):
        read_ml_1m(tmp_path)
