"""What is wrong with a file, where, and the value: one message, never a traceback or nonsense."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from data import DataError, load_dataset
from data.movielens import PUBLISHED, read_ml_1m, read_ml_100k

WriteFolder = Callable[..., Path]
GOOD = ("1::3::5::100", "1::1::3::100", "2::7::1::50")
HUGE = "9" * 400

# line 2 of ratings.dat -> what the message says
BAD_RATING_LINES = {
    "rating-0": ("2::3::0::1", "rating out of range, value 0"),
    "rating-6": ("2::3::6::1", "rating out of range, value 6"),
    "rating-negative": ("2::3::-1::1", "rating must be .* value '-1'"),
    "rating-nan": ("2::3::nan::1", "rating must be .* value 'nan'"),
    "rating-inf": ("2::3::inf::1", "rating must be .* value 'inf'"),
    "rating-half": ("2::3::3.5::1", "rating must be .* value '3.5'"),
    "rating-float": ("2::3::3.0::1", "rating must be .* value '3.0'"),
    "rating-exponent": ("2::3::1e0::1", "rating must be .* value '1e0'"),
    "rating-hex": ("2::3::0x3::1", "rating must be .* value '0x3'"),
    "rating-empty": ("2::3::::1", "rating must be .* value ''"),
    "rating-text": ("2::3::good::1", "rating must be .* value 'good'"),
    "rating-quoted": ('2::3::"3"::1', "rating must be .* value '\"3\"'"),
    "rating-blank": ("2::3:: 3::1", "rating must be .* value ' 3'"),
    "rating-plus": ("2::3::+3::1", r"rating must be .* value '\+3'"),
    "rating-superscript": ("2::3::\u00b3::1", r"rating must be .* value '\\xb3'"),
    "rating-underscore": ("2::3::1_0::1", "rating must be .* value '1_0'"),
    "user-unknown": ("99::3::3::1", "unknown user, value 99"),
    "user-zero": ("0::3::3::1", "unknown user, value 0"),
    "user-negative": ("-2::3::3::1", "user must be .* value '-2'"),
    "user-huge": (f"{2**63}::3::3::1", "user must be .* value '9223372036854775808'"),
    "user-empty": ("::3::3::1", "user must be .* value ''"),
    "movie-unknown": ("2::2::3::1", "unknown movie, value 2;"),
    "movie-negative": ("2::-3::3::1", "movie must be .* value '-3'"),
    "movie-huge": (f"2::{HUGE}::3::1", "movie must be .* value '9999"),
    "movie-largest": (f"2::{2**63 - 1}::3::1", "unknown movie, value 9223372036854775807"),
    "time-negative": ("2::3::3::-1", "timestamp must be .* value '-1'"),
    "time-float": ("2::3::3::1.5", "timestamp must be .* value '1.5'"),
    "time-huge": (f"2::3::3::{HUGE}", "timestamp must be .* value '999"),
    "time-missing": ("2::3::3", "3 field.* value '2::3::3'"),
    "time-empty": ("2::3::3::", "timestamp must be .* value ''"),
    "duplicate": ("1::3::4::200", "user 1 rated movie 3 already in line 1, value '1::3::4::200'"),
    "same-line-twice": ("1::3::5::100", "user 1 rated movie 3 already in line 1"),
    "extra-field": ("2::3::3::1::8", "5 field.* value '2::3::3::1::8'"),
    "commas": ("2,3,3,1", "1 field.* value '2,3,3,1'"),
    "tabs": ("2\t3\t3\t1", r"1 field.* value '2\\t3\\t3\\t1'"),
    "single-colons": ("2:3:3:1", "1 field.* value '2:3:3:1'"),
    "triple-colon": ("2:::3::3::1", "movie must be .* value ':3'"),
    "blank-line": ("", "1 field.* value ''"),
    "lone-cr": ("2::3::3::1\r5::3::3::1", "7 field"),
    "header": ("user::movie::rating::timestamp", "user must be .* value 'user'"),
    "nul": ("2::3::3\0::1", r"NUL byte, value '\\x00'"),
}
BAD_MOVIE_LINES = {
    "id-text": ("x::T::Drama", "movie id must be .* value 'x'"),
    "id-negative": ("-3::T::Drama", "movie id must be .* value '-3'"),
    "listed-twice": ("1::T::Drama", "movie listed twice, value 1"),
    "no-genres": ("3::T", "2 field.* value '3::T'"),
    "extra-field": ("3::T::a::b", "4 field"),
    "wrong-separator": ("3|T|Drama", "1 field"),
    "nul": ("3::T\0::Drama", "NUL byte"),
}
BAD_USER_LINES = {
    "id": ("two::F::1::10::0", "user id must be .* value 'two'"),
    "listed-twice": ("1::F::1::10::0", "user listed twice, value 1"),
    "gender": ("2::X::1::10::0", "unknown gender, value 'X'; expected F, M"),
    "age": ("2::F::2::10::0", "unknown age, value '2'"),
    "occupation": ("2::F::1::21::0", "unknown occupation, value '21'"),
    "short": ("2::F::1", "3 field.* value '2::F::1'"),
}
UNUSABLE = {
    "empty": (b"", "empty"),
    "only-newlines": (b"\n\r\n\n", "empty"),
    "only-nul": (b"\0" * 100, "empty"),
    "only-bom": (b"\xef\xbb\xbf", "empty"),
    "utf-16": ("1::3::5::100\n".encode("utf-16"), ":1: NUL byte"),
    "cut-in-a-field": (b"1::3::5::100\n2::3::4::1", ":2: looks cut off, value "),
    "cut-in-a-line": (b"1::3::5::100\n2::3::", ":2: 3 field"),
    "zip": (b"PK\x03\x04\x14\x01\xff", ":1: 1 field"),
    "html": (b"<html>\n<body>Not found</body>", ":1: 1 field.* value '<html>'"),
    "one-user": (b"1::3::5::100\n1::1::5::100\n", "1 user only"),
    "one-rating-each": (b"1::3::5::100\n2::3::5::100\n", "no user has two ratings"),
    "old-mac": (b"1::3::5::100\r2::1::5::100\r", ":1: 7 field"),
}


def message_of(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_ml_1m(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < len(str(folder)) + 400  # a huge value is not repeated in full
    return message


@pytest.mark.parametrize("case", BAD_RATING_LINES)
@pytest.mark.parametrize("line", [2, 3])
def test_bad_rating_line(write_ml_1m: WriteFolder, case: str, line: int) -> None:
    bad, expected = BAD_RATING_LINES[case]
    folder = write_ml_1m(ratings=(*GOOD[: line - 1], bad, *GOOD[line - 1 :]))
    message = message_of(folder)
    assert message.startswith(f"{folder / 'ratings.dat'}:{line}: ")
    check_says(message, expected)


@pytest.mark.parametrize("case", BAD_MOVIE_LINES)
def test_bad_movie_line(write_ml_1m: WriteFolder, case: str) -> None:
    bad, expected = BAD_MOVIE_LINES[case]
    folder = write_ml_1m(movies=("1::Toys (1995)::Comedy", bad, "7::Heat::Drama"))
    message = message_of(folder)
    assert message.startswith(f"{folder / 'movies.dat'}:2: ")
    check_says(message, expected)


@pytest.mark.parametrize("case", BAD_USER_LINES)
def test_bad_user_line(write_ml_1m: WriteFolder, case: str) -> None:
    bad, expected = BAD_USER_LINES[case]
    folder = write_ml_1m(users=("1::F::1::10::48067", bad))
    message = message_of(folder)
    assert message.startswith(f"{folder / 'users.dat'}:2: ")
    check_says(message, expected)


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_ratings_file(write_ml_1m: WriteFolder, case: str) -> None:
    content, expected = UNUSABLE[case]
    folder = write_ml_1m(ratings=content)
    message = message_of(folder)
    assert message.startswith(str(folder / "ratings.dat"))
    check_says(message, expected)


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
def test_missing_file(write_ml_1m: WriteFolder, name: str) -> None:
    folder = write_ml_1m(**{name: None})
    check_says(message_of(folder), rf"{name}\.dat: missing; restore the file")


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
def test_folder_instead_of_file(write_ml_1m: WriteFolder, name: str) -> None:
    folder = write_ml_1m(**{name: None})
    (folder / f"{name}.dat").mkdir()
    check_says(message_of(folder), rf"{name}\.dat: cannot be read \(Is a directory\)")


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
def test_a_pipe_instead_of_a_file_does_not_block(write_ml_1m: WriteFolder, name: str) -> None:
    folder = write_ml_1m(**{name: None})
    os.mkfifo(folder / f"{name}.dat")
    check_says(message_of(folder), rf"{name}\.dat: is a pipe or device; restore the file")


@pytest.mark.parametrize("name", ["ratings", "movies", "users"])
def test_a_file_that_may_not_be_read(
    write_ml_1m: WriteFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder, read = write_ml_1m(), Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == f"{name}.dat":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    check_says(message_of(folder), rf"{name}\.dat: cannot be read \(Permission denied\); restore")


def test_the_first_bad_line_is_named(write_ml_1m: WriteFolder) -> None:
    folder = write_ml_1m(ratings=(*GOOD, "1::7::9::1", "1::3::5::1", "x"))
    assert ":4: rating out of range, value 9" in message_of(folder)


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("u.data", "1\t1\t7\t3", "rating out of range, value 7"),
        ("u.data", "1 1 3 3", "1 field"),
        ("u.data", "1\t\t1\t3", "movie must be .* value ''"),
        ("u.item", "1|short|a", "3 field.* expected 24 fields"),
        ("u.item", "2|T|||u|" + "|".join("2" * 19), "genre flag must be 0 or 1, value '2'"),
        ("u.user", "2|old|M|writer|0", "age must be .* value 'old'"),
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
        (tmp_path / name).write_text(
            f"{first}\n{line if name == file else ''}\n".rstrip("\n") + "\n"
        )
    with pytest.raises(DataError, match=expected) as caught:
        read_ml_100k(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file}:2: ")


def test_a_file_cut_between_lines_is_noticed(
    write_ml_1m: WriteFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PUBLISHED, "ml-1m", (3, 4, 7))
    read_ml_1m(write_ml_1m())
    assert "6 ratings, 7 were published" in capsys.readouterr().err


@pytest.mark.realdata
def test_one_bad_line_in_a_million_is_found(real_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    for name in ("movies.dat", "users.dat"):
        (folder / name).symlink_to((real_root / "ml-1m" / name).resolve())
    lines = (real_root / "ml-1m" / "ratings.dat").read_bytes().split(b"\n")
    lines[765_432] = lines[765_432].replace(b"::", b"::1e", 1)
    (folder / "ratings.dat").write_bytes(b"\n".join(lines))
    assert "ratings.dat:765433: movie must be a non-negative integer, value '1e" in message_of(
        folder
    )


def test_unknown_dataset() -> None:
    with pytest.raises(DataError, match="'ml-1b': unknown; choose one of auto, ml-1m"):
        load_dataset("ml-1b")


def check_says(message: str, pattern: str) -> None:
    assert re.search(pattern, message), message
