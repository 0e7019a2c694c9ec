"""Ratings, counts or events of any domain, from one CSV or Parquet file (docs/own-data.md)."""

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import DataError, Faults, check_column, quote
from data.ratings import Ids, Ratings, check_usable
from data.tables import LONGEST_ID, MISSING, WHOLE, Table, as_id, open_table

Feedback = Literal["ratings", "counts", "events"]
Scale = tuple[float, float]
Parsed = tuple[NDArray[Any], NDArray[np.bool_]]  # of a column: values [N], which of them are valid
IMPLICIT: Scale = (-1.0, 1.0)  # the scale on which a value is its own reward (equation 10)
POSITIVE_FROM = 0.75  # of the way up the scale: 4 on a scale of 1 to 5
LARGEST = 1e15  # of values
EXTREME, FEW = 0.005, 20  # share of ratings at either end that may be outliers; none of so few
BAD_ID = f"id is missing, or longer than {LONGEST_ID} characters"
BAD_TIME = "must be a number or a date such as 2024-05-31 or 2024-05-31T12:30:00"
_EPOCH = pd.Timestamp(0, tz="UTC")
_CUT = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+")  # what a spreadsheet makes of a long number
MOST_GENRES = 1_000  # more are no categories, and would fill the memory
# A comma before three digits may as well separate thousands: that is refused.
_COMMA = r"\s*[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})\s*"


class Events(NamedTuple):
    """Rows of a file: columns user, item (places in the ascending ids), value and time."""

    rows: pd.DataFrame  # the index is the line of the file
    user_ids: Ids
    item_ids: Ids


def read_interactions(
    path: str | Path,
    *,
    user: str = "user",
    item: str = "item",
    rating: str = "rating",
    timestamp: str | None = None,
    feedback: Feedback = "ratings",
    scale: Scale | None = None,
    positive: float | None = None,
    titles: str | Path | None = None,
    title_column: str | None = None,
    header: bool = True,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_bad: bool = False,
) -> Ratings:
    """Ratings named after the file, one row of which is a rating, a count or an event.

    Ids may be numbers or text; users and items are numbered in ascending order of their ids. Rows
    without times are in order of time. A (user, item) pair that comes again counts once, at the
    time of its last row: with its last rating, or the sum of its counts.

    A rating is positive from `positive`, by default three quarters up the `scale`. A count c, or
    the number c of events, becomes log(1 + c) / log(1 + the largest), in (0, 1], and that is the
    reward; all are positive, or counts from `positive`. Equal ratings without `scale` are events.

    The arguments are explained in `config.CsvConfig`. Raises DataError that counts the faults of
    each kind and names the first line of each; with `skip_bad`, those rows are left out.
    """
    path = Path(path)
    table = open_table(path, header=header, delimiter=delimiter, encoding=encoding)
    value = None if feedback == "events" else rating
    time = _check_columns(path, table, user, item, value, timestamp)
    faults, doubts = Faults(table.where), Faults(table.where)
    rows, user_ids, item_ids = read_events(table, faults, user, item, value, time)
    _doubt_cut_numbers(rows["user"], user_ids, user, doubts)
    _doubt_cut_numbers(rows["item"], item_ids, item, doubts)
    if feedback == "ratings" and scale is None and rows["value"].nunique() == 1:
        every = rows["value"].iloc[0]
        print(f"{path}: every rating is {every:g}: read as events", file=sys.stderr)
        feedback, rows["value"] = "events", 1.0
    values = rows["value"]
    low, high = _scale(path, values, feedback, scale, doubts)
    bad = ~values.between(low, high)
    explicit = f"rating is outside the scale of {low:g} to {high:g} (--csv.scale)"
    faults.add(explicit if feedback == "ratings" else "count is negative", values[bad])
    if not skip_bad:
        faults.refuse("correct or remove the rows, or leave them out with --csv.skip-bad")
    if faults.n_rows:
        print(f"left out {faults.n_rows:,} row(s): {faults}", file=sys.stderr)
    rows = rows[~bad]
    if rows.empty:
        raise DataError(f"{path}: no rows; at least two users with ratings are needed")
    ratings = _as_ratings(path, Events(rows, user_ids, item_ids), feedback, (low, high), positive)
    if titles is not None:
        names = open_table(Path(titles), header=header, delimiter=delimiter, encoding=encoding)
        ratings = _with_titles(ratings, names, item if header else "1", title_column)
    check_usable(path, ratings)
    for note in filter(None, (table.note, str(doubts))):
        print(f"WARNING: {note}", file=sys.stderr)
    _announce(path, ratings, len(rows), feedback, time)
    return ratings


def read_events(
    table: Table, faults: Faults, user: str, item: str, value: str | None, time: str | None
) -> Events:
    """All rows that can be read; the others go to `faults`.

    Without a column of values every row counts 1, without one of times all are 0.
    """
    users, items = _Numbering(), _Numbering()
    readers = [
        ("user", user, users.codes, BAD_ID),
        ("item", item, items.codes, BAD_ID),
        ("value", value, _numbers, "must be a number"),
        ("time", time, _times, BAD_TIME),
    ]
    columns = [name for _, name, *_ in readers if name is not None]
    parts = [pd.DataFrame({name: np.zeros(0, np.int64) for name, *_ in readers})]
    for block in table.blocks(columns, faults):
        part = pd.DataFrame({"value": 1, "time": 0}, index=block.index)
        valid = np.ones(len(block), bool)
        for name, column, parse, what in readers:
            if column is not None:
                part[name], good = parse(block[column])
                faults.add(f"{column} {what}", block[column][~good])
                valid &= good
        parts.append(part.loc[valid])
    rows = pd.concat(parts if len(parts) == 1 else parts[1:])
    (user_ids, user_rank), (item_ids, item_rank) = users.sorted(), items.sorted()
    rows["user"], rows["item"] = user_rank[rows["user"]], item_rank[rows["item"]]
    missing = np.zeros(len(rows), bool)
    for name, column, ids in (("user", user, user_ids), ("item", item, item_ids)):
        if len(ids) > 2 and ids[0] == -1 and ids[1] >= 0:  # -1 stands for nobody, or nothing
            absent = (rows[name] == 0).to_numpy()
            faults.add(f"{column} {BAD_ID}", rows[name][absent] - 1)
            missing |= absent
    rows = rows[~missing] if missing.any() else rows
    return Events(rows.astype({"value": np.float64}), user_ids, item_ids)


def _doubt_cut_numbers(codes: "pd.Series[int]", ids: Ids, name: str, doubts: Faults) -> None:
    """To `doubts`, the rows whose id is a number that a spreadsheet cut short."""
    if ids.dtype.kind == "i":
        return
    cut = np.array([bool(_CUT.fullmatch(text)) for text in ids.tolist()])
    rows, what = codes[cut[codes]], f"{name} is a number that a spreadsheet cut short"
    loss = f"{cut.sum():,} different ids are left of perhaps many more; export the column as text"
    doubts.add(f"{what}: {loss}", pd.Series(ids[rows], index=rows.index))


class _Numbering:
    """Distinct ids in order of appearance, as text."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, column: "pd.Series[str]") -> Parsed:
        """The number of each id; 1 and 1.0 are the same id."""
        local, different = pd.factorize(column)
        ids = [as_id(value) for value in different]
        good = np.array([text.lower() not in MISSING and len(text) <= LONGEST_ID for text in ids])
        numbers = [
            self._numbers.setdefault(text, len(self._numbers)) if fine else -1
            for text, fine in zip(ids, good, strict=True)
        ]
        return np.array(numbers, np.int64)[local], good.astype(bool)[local]

    def sorted(self) -> tuple[Ids, NDArray[np.int64]]:
        """The ids, ascending: as integers if all are written as such; and the place of each."""
        texts = np.array(list(self._numbers), np.str_)
        ids = texts.astype(np.int64) if all(map(WHOLE.fullmatch, self._numbers)) else texts
        order = np.argsort(ids, kind="stable")
        places = np.empty(len(ids), np.int64)
        places[order] = np.arange(len(ids))
        return ids[order], places


def _numbers(column: "pd.Series[str]") -> Parsed:
    """Numbers with a decimal point or, as spreadsheets in many countries write, a comma."""
    codes, different = pd.factorize(column)
    texts = pd.Series(different.astype(str), dtype=object)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64, copy=True)
    comma = np.isnan(numbers) & texts.str.fullmatch(_COMMA).to_numpy(bool)
    numbers[comma] = texts[comma].str.replace(",", ".").astype(np.float64)
    return numbers[codes], np.abs(numbers[codes]) <= LARGEST


def _times(column: "pd.Series[str]") -> Parsed:
    """Numbers as they are, integers exactly; dates in seconds since 1970."""
    numbers = pd.to_numeric(column, errors="coerce")  # int64 if all of them are integers
    if numbers.dtype == np.int64:
        return numbers.to_numpy(), np.ones(len(column), bool)
    seconds = np.array(numbers, np.float64)
    text = np.isnan(seconds)
    moments = pd.to_datetime(column[text], format="ISO8601", utc=True, errors="coerce")
    seconds[text] = (moments - _EPOCH) / pd.Timedelta(seconds=1)
    return seconds, np.abs(seconds) < 2.0**63


def _check_columns(
    path: Path, table: Table, user: str, item: str, rating: str | None, timestamp: str | None
) -> str | None:
    """DataError unless the columns are there, and different; the column of times, if any."""
    if timestamp is None and "timestamp" in table.columns:
        timestamp = "timestamp"
    flags = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    given = {flag: name for flag, name in flags.items() if name is not None}
    for flag, name in given.items():
        check_column(path, table.columns, name, f"--csv.{flag}")
    if len(set(given.values())) < len(given):
        raise DataError(f"{path}: columns {', '.join(given.values())}: must be different ones")
    return timestamp


def _scale(
    path: Path, values: "pd.Series[float]", feedback: Feedback, given: Scale | None, doubts: Faults
) -> Scale:
    """The lowest and the highest value that may occur; ratings far from all others are doubts."""
    if feedback != "ratings":
        if given is not None:
            raise DataError(f"{path}: --csv.scale {given}: is for ratings; not for {feedback}")
        return 0.0, LARGEST
    if given is not None:
        low, high = given
        if not low < high:
            raise DataError(f"{path}: --csv.scale {low:g} {high:g}: give the lowest rating first")
        return given
    if len(values) >= FEW:
        few = max(1, int(EXTREME * len(values)))
        inner = np.sort(values)[few:-few]
        low, high = float(inner[0]), float(inner[-1])
        far = (values < low - (high - low)) | (values > high + (high - low))
        if high > low:
            what = f"rating is far from nearly all others ({low:g} to {high:g}); see --csv.scale"
            doubts.add(what, values[far])
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def _as_ratings(
    path: Path, events: Events, feedback: Feedback, scale: Scale, positive: float | None
) -> Ratings:
    """Ratings as they are, counts and events as rewards; and from where they are positive."""
    (low, high), pair = scale, ["user", "item"]
    rows = events.rows.sort_values("time", kind="stable")
    users, items = np.unique(rows["user"]), np.unique(rows["item"])  # bad rows may have had more
    if feedback != "ratings":
        rows["value"] = rows.groupby(pair, sort=False)["value"].transform("sum")
    rows = rows.drop_duplicates(pair, keep="last")
    if feedback != "ratings":
        rows = rows[rows["value"] > 0]  # a count of 0 is no interaction
        if rows.empty:
            raise DataError(f"{path}: every count is 0; nothing can be learned from it")
        low, high = 0.0, float(rows["value"].max())
    if positive is not None and not low < positive <= high:
        raise DataError(
            f"{path}: --csv.positive {positive:g}: must be above {low:g}, up to {high:g}"
        )
    values = rows["value"].to_numpy()
    if feedback == "ratings":
        threshold = low + POSITIVE_FROM * (high - low) if positive is None else positive
    else:
        scale, values = IMPLICIT, np.log1p(values) / np.log1p(high)
        threshold = float(np.log1p(positive or 0.0) / np.log1p(high))
    ratings = Ratings.from_events(
        path.stem,
        rows["user"].to_numpy(),
        rows["item"].to_numpy(),
        values,
        np.floor(rows["time"].to_numpy()),
        user_ids=users,
        item_ids=items,
        scale=scale,
        positive_threshold=threshold,
    )
    return replace(ratings, user_ids=events.user_ids[users], item_ids=events.item_ids[items])


def _announce(path: Path, ratings: Ratings, n_rows: int, feedback: str, time: str | None) -> None:
    scale = " {:g} to {:g}".format(*ratings.scale) if feedback == "ratings" else ", as rewards"
    order = f"by {quote(time)}" if time else "in the order of the file"
    print(
        f"{path}: {n_rows:,} rows, {ratings.n_ratings:,} different (user, item) pairs; {feedback}"
        f"{scale}, positive from {ratings.positive_threshold:.3g}; {order}",
        file=sys.stderr,
    )


def _with_titles(ratings: Ratings, table: Table, item: str, column: str | None) -> Ratings:
    """The ratings with a title for each item, its id where the file has none, and its genres.

    Ids are in the column `item`, else the first; genres, separated by |, in `genres` if there is
    such a column. Of repeated ids the first counts; words for "missing" are no titles.
    """
    known = _titles_by_id(table, item, column)
    ids = [str(item) for item in ratings.item_ids.tolist()]
    titles = [known.get(item, ("", ""))[0] for item in ids]
    n_missing, n = titles.count(""), len(ids)
    if n_missing == n:
        what = f"has a title for none of the {n} items, such as {quote(ids[0])}"
        advice = "give the ids in the first column, or one of their name"
        raise DataError(f"{table.path}: {what}; {advice}")
    if n_missing:
        print(f"{table.path}: no title for {n_missing:,} of {n:,} items", file=sys.stderr)
    flags = _genre_flags(table.path, [known.get(item, ("", ""))[1] for item in ids])
    return replace(
        ratings,
        titles=tuple(title or item for title, item in zip(titles, ids, strict=True)),
        genres=flags.to_numpy(bool),
        genre_names=tuple(flags.columns),
    )


def _titles_by_id(table: Table, item: str, column: str | None) -> dict[str, tuple[str, str]]:
    """{id: (title, genres)}, "" where there is none."""
    names, faults = table.columns, Faults(table.where)
    if len(names) < 2:
        raise DataError(f"{table.path}: one column; --csv.titles needs ids and titles")
    key = item if item in names else names[0]
    called = {name.lower(): name for name in names}
    second = next(name for name in names if name != key)
    column = column or called.get("title") or called.get("name") or second
    check_column(table.path, names, column, "--csv.title-column")
    genres = called.get("genres", column)
    known: dict[str, tuple[str, str]] = {}
    for block in table.blocks(list(dict.fromkeys([key, column, genres])), faults):
        for row in zip(block[key], block[column], block[genres], strict=True):
            title = "" if row[1].strip().lower() in MISSING else row[1].strip()
            known.setdefault(as_id(row[0]), (title, row[2] if genres != column else ""))
    faults.refuse("correct or remove the rows")
    if table.note:
        print(f"WARNING: {table.note}", file=sys.stderr)
    return known


def _genre_flags(path: Path, texts: list[str]) -> pd.DataFrame:
    """ "Drama|Comedy", ... -> one column per genre, of 0 and 1: [I, G]."""
    texts = ["|".join(part.strip() for part in text.split("|")) for text in texts]
    names = {name for text in texts for name in text.split("|")}
    if len(names) > MOST_GENRES:
        raise DataError(
            f"{path}: {len(names):,} different genres, {MOST_GENRES:,} at most; separate those of an "
            "item by |, or rename the column `genres`"
        )
    none = [name for name in names if name.lower() in MISSING or name == "(no genres listed)"]
    return pd.Series(texts).str.get_dummies("|").drop(columns=none, errors="ignore")
