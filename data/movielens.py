"""Readers of the MovieLens folders: four layouts, one way through them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import Faults
from data.interactions import read_events
from data.ratings import Ids, Ratings, check_usable
from data.tables import Table, as_id, open_table

AGES = (1, 18, 25, 35, 45, 50, 56)  # lower ends; 1 is "under 18"
GENDERS = ("F", "M")
OCCUPATIONS_1M = tuple(str(code) for code in range(21))
GENRES_100K = (  # the columns of u.item, in its order
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
NO_GENRES = "(no genres listed)"
FIX = "correct the line, or restore the file"


@dataclass(frozen=True)
class Source:
    """One file of a data set: its name, its columns, and how they are written."""

    file: str
    columns: tuple[str, ...]
    delimiter: str
    header: bool = False
    quoted: bool = False

    def open(self, folder: Path) -> Table:
        """The file of this folder. DataError if it is missing or no such table."""
        how = {"header": self.header, "quoted": self.quoted, "names": self.columns}
        return open_table(folder / self.file, delimiter=self.delimiter, **how)


@dataclass(frozen=True)
class Layout:
    """The files of a MovieLens data set, and what is in them."""

    ratings: Source
    movies: Source
    users: Source | None
    step: float  # between ratings, and the lowest of them; the highest is 5

    @property
    def files(self) -> tuple[str, ...]:
        """What the folder must hold."""
        return tuple(each.file for each in (self.ratings, self.movies, self.users) if each)


_EVENT = ("user", "movie", "rating", "timestamp")
_RATINGS_DAT = Source("ratings.dat", _EVENT, "colons")
_MOVIES_DAT = Source("movies.dat", ("movie", "title", "genres"), "colons")
ML_1M = Layout(
    _RATINGS_DAT,
    _MOVIES_DAT,
    Source("users.dat", ("user", "gender", "age", "occupation", "zip"), "colons"),
    step=1.0,
)
ML_10M = Layout(_RATINGS_DAT, _MOVIES_DAT, None, step=0.5)
ML_100K = Layout(
    Source("u.data", _EVENT, "tab"),
    Source("u.item", ("movie", "title", "released", "video", "url", *GENRES_100K), "bar"),
    Source("u.user", ("user", "age", "gender", "occupation", "zip"), "bar"),
    step=1.0,
)
ML_CSV = Layout(  # latest-small, 20M, 25M, 32M
    Source("ratings.csv", ("userId", "movieId", "rating", "timestamp"), "comma", True, True),
    Source("movies.csv", ("movieId", "title", "genres"), "comma", True, True),
    None,
    step=0.5,
)


def read_movielens(name: str, folder: Path, layout: Layout) -> Ratings:
    """The ratings in a folder of this layout. DataError counts every kind of fault in a file."""
    movie_ids, titles, genres = _read_movies(folder, layout.movies)
    user_ids, demographics = _read_users(folder, layout.users) if layout.users else (None, None)
    table = layout.ratings.open(folder)
    faults = Faults(table.where)
    events = read_events(table, faults, *layout.ratings.columns)
    user = _ids(events.rows["user"], events.user_ids, user_ids, "user", faults)
    movie = _ids(events.rows["item"], events.item_ids, movie_ids, "movie", faults)
    values, times = events.rows["value"], events.rows["time"]
    off = ~values.between(layout.step, 5.0) | (values % layout.step != 0)
    what = f"rating is not one of {layout.step:g}, {2 * layout.step:g}, ... 5"
    faults.add(what, values[off].map("{:g}".format))
    faults.add("timestamp is negative or no whole number", times[(times < 0) | (times % 1 != 0)])
    digits = [len(f"{time:.0f}") for time in times.tail(2)]
    if table.ends_in_line and digits != sorted(digits):
        faults.add("looks cut off within this number (if not, end the line)", times.tail(1))
    again = events.rows.duplicated(["user", "item"])
    faults.add("movie that the user rated before", movie[again])
    faults.refuse(FIX)
    of_users: dict[str, Any] = {}
    if demographics is not None:
        of_users = {"demographics": demographics.to_numpy(np.float32)}
        of_users["demographic_names"] = tuple(demographics.columns)
    ratings = Ratings.from_events(
        name,
        *(column.to_numpy() for column in (user, movie, values, times)),
        user_ids=user_ids,
        item_ids=movie_ids,
        titles=titles,
        genres=genres.to_numpy(bool),
        genre_names=tuple(genres.columns),
        scale=(layout.step, 5.0),
        **of_users,
    )
    check_usable(table.path, ratings)
    return ratings


def _ids(
    codes: "pd.Series[int]",
    found: Ids,
    known: NDArray[np.int64] | None,
    what: str,
    faults: Faults,
) -> "pd.Series[Any]":
    """The id of every row [N]; to the faults, those that are not known, or no whole numbers."""
    texts = pd.Series(found).astype(str)
    good = texts.str.fullmatch("[0-9]+") if known is None else texts.isin(known.astype(str))
    ids = pd.Series(found[codes], codes.index)
    faults.add(f"unknown {what}", ids[~good.to_numpy()[codes]])
    return ids


def one_hot_demographics(people: pd.DataFrame, occupations: tuple[str, ...]) -> pd.DataFrame:
    """[U, D]: one column of 0 and 1 for each gender, age group and occupation, as "age=25"."""
    starts = np.array(AGES)
    groups = starts[np.searchsorted(starts, people["age"].clip(lower=1), side="right") - 1]
    found = people.assign(age=groups)
    known = {"gender": GENDERS, "age": AGES, "occupation": occupations}
    columns = {name: pd.Categorical(found[name], values) for name, values in known.items()}
    return pd.get_dummies(pd.DataFrame(columns, people.index), prefix_sep="=", dtype=np.float32)


def _read_frame(folder: Path, source: Source) -> tuple[pd.DataFrame, Faults]:
    """All rows as text, by id, which is the index; to the faults, what is no id or one of before."""
    table = source.open(folder)
    faults = Faults(table.where)
    frame = pd.concat(list(table.blocks(source.columns, faults)))
    ids = frame[source.columns[0]].map(as_id)
    whole = ids.str.fullmatch("[0-9]{1,18}")
    faults.add(f"{source.columns[0]} id must be a whole number", frame[source.columns[0]][~whole])
    faults.add(f"{source.columns[0]} listed twice", ids[ids.duplicated() & whole])
    return frame.assign(id=ids.where(whole, "0").astype(np.int64)), faults


def _read_movies(
    folder: Path, source: Source
) -> tuple[NDArray[np.int64], tuple[str, ...], pd.DataFrame]:
    """Ids, ascending, their titles, and genres [I, G]."""
    frame, faults = _read_frame(folder, source)
    if "genres" in source.columns:
        genres = frame["genres"].str.get_dummies("|").drop(columns=NO_GENRES, errors="ignore")
    else:
        flags = frame[list(GENRES_100K)]
        for name in GENRES_100K:
            bad = ~flags[name].isin(("0", "1"))
            faults.add("genre flag must be 0 or 1", flags[name][bad])
        genres = flags == "1"
    faults.refuse(FIX)
    order = np.argsort(frame["id"])
    return frame["id"].to_numpy()[order], tuple(frame["title"].iloc[order]), genres.iloc[order]


def _read_users(folder: Path, source: Source) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Ids, ascending, and demographics [U, D]."""
    frame, faults = _read_frame(folder, source)
    coded = source.file == "users.dat"  # ages as the starts of groups, occupations as numbers
    occupations = OCCUPATIONS_1M if coded else tuple(sorted(set(frame["occupation"])))
    ages = AGES if coded else range(150)
    for name, known in (("gender", GENDERS), ("age", ages), ("occupation", occupations)):
        bad = ~frame[name].isin([str(value) for value in known])
        faults.add(f"unknown {name}", frame[name][bad])
    faults.refuse(FIX)
    people = frame.assign(age=frame["age"].astype(np.int64)).sort_values("id")
    return people["id"].to_numpy(), one_hot_demographics(people, occupations)
