"""Readers of MovieLens-1M and MovieLens-100K folders."""

import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError, quote
from data.ratings import Ratings, check_usable
from data.tables import fields, integer, read_integers

AGES = (1, 18, 25, 35, 45, 50, 56)  # lower ends; 1 is "under 18"
GENDERS = ("F", "M")
OCCUPATIONS_1M = tuple(str(code) for code in range(21))
GENRES_100K = (  # the columns of u.item, in its order
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
RATING_FIELDS = ("user", "movie", "rating", "timestamp")
STARS = (1, 5)
FIX = "correct the line, or restore the file"
FILES = {
    "ml-1m": ("ratings.dat", "movies.dat", "users.dat"),
    "ml-100k": ("u.data", "u.item", "u.user"),
}
PUBLISHED = {"ml-1m": (6_040, 3_883, 1_000_209), "ml-100k": (943, 1_682, 100_000)}


@dataclass(frozen=True)
class Movies:
    ids: NDArray[np.int64]  # [I] ascending
    titles: tuple[str, ...]
    genres: NDArray[np.bool_]  # [I, G]
    genre_names: tuple[str, ...]


@dataclass(frozen=True)
class Users:
    ids: NDArray[np.int64]  # [U] ascending
    demographics: NDArray[np.float32]  # [U, D] one-hot gender, age bucket, occupation
    demographic_names: tuple[str, ...]


def read_ml_1m(folder: Path) -> Ratings:
    """MovieLens-1M: `ratings.dat`, `movies.dat`, `users.dat`, fields separated by `::`."""
    ratings, movies, users = (folder / name for name in FILES["ml-1m"])
    return _read("ml-1m", ratings, b"::", _movies_1m(movies), _users_1m(users))


def read_ml_100k(folder: Path) -> Ratings:
    """MovieLens-100K: `u.data` (tabs), `u.item` and `u.user` (vertical bars)."""
    ratings, movies, users = (folder / name for name in FILES["ml-100k"])
    return _read("ml-100k", ratings, b"\t", _movies_100k(movies), _users_100k(users))


def _read(name: str, path: Path, separator: bytes, movies: Movies, users: Users) -> Ratings:
    table = read_integers(path, separator, len(RATING_FIELDS))
    if table is None:
        raise _first_fault(path, separator, movies, users)
    try:
        ratings = Ratings.from_events(
            name,
            *table.T,
            user_ids=users.ids,
            item_ids=movies.ids,
            titles=movies.titles,
            genres=movies.genres,
            genre_names=movies.genre_names,
            demographics=users.demographics,
            demographic_names=users.demographic_names,
            scale=(float(STARS[0]), float(STARS[1])),
        )
    except DataError as error:
        raise _first_fault(path, separator, movies, users) from error
    check_usable(path, ratings)
    _note_missing_ratings(path, ratings)
    return ratings


def _note_missing_ratings(path: Path, ratings: Ratings) -> None:
    """A file cut between two lines is a valid file: only its published size gives it away."""
    found = (ratings.n_users, ratings.n_items, ratings.n_ratings)
    published = PUBLISHED[ratings.name]
    if found[:2] == published[:2] and found != published:
        print(
            f"WARNING: {path}: {found[2]} ratings, {published[2]} were published. Is it complete?",
            file=sys.stderr,
        )


def _first_fault(path: Path, separator: bytes, movies: Movies, users: Users) -> DataError:
    """Exact second pass over a file known to be bad: what is wrong with its first bad line."""
    known_users, known_movies = set(users.ids.tolist()), set(movies.ids.tolist())
    seen: dict[tuple[int, int], int] = {}
    try:
        for number, parts in fields(path, separator, RATING_FIELDS):
            where = f"{path}:{number}"
            user, movie, rating, _ = (
                integer(path, number, *pair) for pair in zip(RATING_FIELDS, parts, strict=True)
            )
            if user not in known_users:
                return DataError(
                    f"{where}: unknown user, value {user}; it is not in the users file: {FIX}"
                )
            if movie not in known_movies:
                return DataError(
                    f"{where}: unknown movie, value {movie}; it is not in the movies file: {FIX}"
                )
            if not STARS[0] <= rating <= STARS[1]:
                return DataError(
                    f"{where}: rating out of range, value {rating}; expected 1 to 5: {FIX}"
                )
            first = seen.setdefault((user, movie), number)
            if first != number:
                return DataError(
                    f"{where}: user {user} rated movie {movie} already in line {first}, "
                    f"value {quote(separator.decode().join(parts))}; remove one of the two lines"
                )
    except DataError as fault:
        return fault
    return DataError(f"{path}: cannot be parsed")


def _movies_1m(path: Path) -> Movies:
    names: dict[int, str] = {}
    genres: dict[int, list[str]] = {}
    for number, (movie, title, kinds) in fields(path, b"::", ("movie", "title", "genres")):
        key = _new_id(path, number, "movie", movie, names)
        names[key], genres[key] = title, [kind for kind in kinds.split("|") if kind]
    genre_names = tuple(sorted({kind for kinds in genres.values() for kind in kinds}))
    ids = sorted(names)
    flags = np.array([[kind in genres[key] for kind in genre_names] for key in ids], dtype=bool)
    return Movies(np.array(ids, np.int64), tuple(names[key] for key in ids), flags, genre_names)


def _movies_100k(path: Path) -> Movies:
    columns = ("movie", "title", "released", "video", "url", *GENRES_100K)
    rows: dict[int, tuple[str, list[bool]]] = {}
    for number, (movie, title, _, _, _, *flags) in fields(path, b"|", columns):
        key = _new_id(path, number, "movie", movie, rows)
        if bad := [flag for flag in flags if flag not in ("0", "1")]:
            raise DataError(
                f"{path}:{number}: genre flag must be 0 or 1, value {quote(bad[0])}; {FIX}"
            )
        rows[key] = title, [flag == "1" for flag in flags]
    ids = sorted(rows)
    genres = np.array([rows[key][1] for key in ids], dtype=bool)
    titles = tuple(rows[key][0] for key in ids)
    return Movies(np.array(ids, np.int64), titles, genres, GENRES_100K)


def _users_1m(path: Path) -> Users:
    people: dict[int, tuple[str, int, str]] = {}
    columns = ("user", "gender", "age", "occupation", "zip")
    for number, (user, gender, age, job, _) in fields(path, b"::", columns):
        key = _new_id(path, number, "user", user, people)
        _check_choice(path, number, "gender", gender, GENDERS)
        _check_choice(path, number, "age", age, tuple(map(str, AGES)))
        _check_choice(path, number, "occupation", job, OCCUPATIONS_1M)
        people[key] = gender, int(age), job
    return one_hot_demographics(people, OCCUPATIONS_1M)


def _users_100k(path: Path) -> Users:
    people: dict[int, tuple[str, int, str]] = {}
    columns = ("user", "age", "gender", "occupation", "zip")
    for number, (user, age, gender, job, _) in fields(path, b"|", columns):
        key = _new_id(path, number, "user", user, people)
        _check_choice(path, number, "gender", gender, GENDERS)
        years = integer(path, number, "age", age)
        people[key] = gender, max(start for start in AGES if start <= max(years, 1)), job
    return one_hot_demographics(people, tuple(sorted({job for _, _, job in people.values()})))


def one_hot_demographics(
    people: dict[int, tuple[str, int, str]], occupations: tuple[str, ...]
) -> Users:
    names = (
        *(f"gender={gender}" for gender in GENDERS),
        *(f"age={age}" for age in AGES),
        *(f"occupation={job}" for job in occupations),
    )
    column = {name: place for place, name in enumerate(names)}
    ids = sorted(people)
    one_hot = np.zeros((len(ids), len(names)), dtype=np.float32)
    for row, key in enumerate(ids):
        gender, age, job = people[key]
        for name in (f"gender={gender}", f"age={age}", f"occupation={job}"):
            one_hot[row, column[name]] = 1.0
    return Users(np.array(ids, np.int64), one_hot, names)


def _new_id(path: Path, number: int, name: str, text: str, known: Container[int]) -> int:
    key = integer(path, number, f"{name} id", text)
    if key in known:
        raise DataError(f"{path}:{number}: {name} listed twice, value {key}; remove one line")
    return key


def _check_choice(path: Path, number: int, name: str, text: str, choices: tuple[str, ...]) -> None:
    if text not in choices:
        raise DataError(
            f"{path}:{number}: unknown {name}, value {quote(text)}; expected "
            f"{', '.join(choices)}: {FIX}"
        )
