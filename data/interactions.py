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
from data.item_titles import with_titles
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
# A comma before three digits may as well separate thousands: that is refused.
_COMMA = r"\s*[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})\s*"


class Events(NamedTuple):
    """Rows of a file: columns user, item (places in the ascending ids), value and time."""

    rows: pd.DataFrame  # the index is the line of the file
    user_ids: Ids
    item_ids: Ids

    def without(self, bad: NDArray[np.bool_]) -> "Events":
        """The rows that are not bad, and the users and items that they have, numbered anew."""
        if not bad.any():
            return self
        rows = self.rows[~bad].copy()
        rows["user"], users = pd.factorize(rows["user"], sort=True)
        rows["item"], items = pd.factorize(rows["item"], sort=True)
        return Events(rows, self.user_ids[users], self.item_ids[items])

    def merged(self, *, add: bool) -> pd.DataFrame:
        """In order of time, each (user, item) pair once: its last row, or with the sum of all."""
        rows, pair = self.rows.sort_values("time", kind="stable"), ["user", "item"]
        if add:
            rows["value"] = rows.groupby(pair, sort=False)["value"].transform("sum")
        return rows.drop_duplicates(pair, keep="last")


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
    events = read_events(table, faults, doubts, user, item, value, time)
    values = events.rows["value"]
    if feedback == "ratings" and scale is None and values.nunique() == 1:
        print(f"{path}: every rating is {values.iloc[0]:g}: read as events", file=sys.stderr)
        feedback, values = "events", values * 0.0 + 1.0
        events = events._replace(rows=events.rows.assign(value=values))
    low, high = _scale(path, values, feedback, scale, doubts)
    bad = ~values.between(low, high).to_numpy()
    explicit = f"rating is outside the scale of {low:g} to {high:g} (--csv.scale)"
    faults.add(explicit if feedback == "ratings" else "count is negative", values[bad])
    if not skip_bad:
        faults.refuse("correct or remove the rows, or leave them out with --csv.skip-bad")
    if faults.n_rows:
        print(f"left out {faults.n_rows:,} rows: {faults}", file=sys.stderr)
    events = events.without(bad)
    if events.rows.empty:
        raise DataError(f"{path}: no rows; at least two users with ratings are needed")
    ratings = _as_ratings(path, events, feedback, (low, high), positive)
    if titles is not None:
        names = open_table(Path(titles), header=header, delimiter=delimiter, encoding=encoding)
        ratings = with_titles(ratings, names, item if header else "1", title_column)
    check_usable(path, ratings)
    for note in filter(None, (table.note, str(doubts))):
        print(f"WARNING: {note}", file=sys.stderr)
    _announce(path, ratings, len(events.rows), feedback, time)
    return ratings


def read_events(
    table: Table,
    faults: Faults,
    doubts: Faults,
    user: str,
    item: str,
    value: str | None,
    time: str | None,
) -> Events:
    """All rows that can be read; the others go to `faults`, with what is odd to `doubts`.

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
    bad = _doubtful(rows["user"], user_ids, user, faults, doubts)
    bad = bad | _doubtful(rows["item"], item_ids, item, faults, doubts)
    return Events(rows.astype({"value": np.float64}), user_ids, item_ids).without(bad)


def _doubtful(
    codes: "pd.Series[int]", ids: Ids, name: str, faults: Faults, doubts: Faults
) -> NDArray[np.bool_]:
    """Rows [N] whose id is -1 among positive numbers; to `doubts`, ids that were cut short."""
    if ids.dtype.kind == "i":
        missing = (codes == 0) & (len(ids) > 2 and ids[0] == -1 and ids[1] >= 0)
        faults.add(f"{name} {BAD_ID}", codes[missing] - 1)
        return missing.to_numpy()
    cut = np.array([bool(_CUT.fullmatch(text)) for text in ids.tolist()])
    rows, what = codes[cut[codes]], f"{name} is a number that a spreadsheet cut short"
    loss = f"{cut.sum():,} different ids are left of perhaps many more; export the column as text"
    doubts.add(f"{what}: {loss}", pd.Series(ids[rows], index=rows.index))
    return np.zeros(len(codes), bool)


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
    (low, high), rows = scale, events.merged(add=feedback != "ratings")
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
        user_ids=np.arange(len(events.user_ids)),
        item_ids=np.arange(len(events.item_ids)),
        scale=scale,
        positive_threshold=threshold,
    )
    return replace(ratings, user_ids=events.user_ids, item_ids=events.item_ids)


def _announce(path: Path, ratings: Ratings, n_rows: int, feedback: str, time: str | None) -> None:
    scale = " {:g} to {:g}".format(*ratings.scale) if feedback == "ratings" else ", as rewards"
    order = f"by {quote(time)}" if time else "in the order of the file"
    print(
        f"{path}: {n_rows:,} rows, {ratings.n_ratings:,} different (user, item) pairs; {feedback}"
        f"{scale}, positive from {ratings.positive_threshold:.3g}; {order}",
        file=sys.stderr,
    )
