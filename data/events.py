"""Rows of (user, item, value, time) from a table: ids numbered, values and times as numbers."""

import re
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.delimited import Table
from data.errors import DataError, quote
from data.ratings import Ids

Numbers = NDArray[np.float64] | NDArray[np.int64]
LONGEST_ID = 256  # characters: NumPy gives every id the room of the longest
LARGEST = 1e15  # of values
_EPOCH = pd.Timestamp(0, tz="UTC")
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # so that "007" stays what it is


@dataclass(frozen=True, eq=False)
class Events:
    """N rows; users and items [N] are positions in user_ids [U] and item_ids [I], ascending."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float64]
    times: Numbers
    user_ids: Ids
    item_ids: Ids

    def take(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> "Events":
        """The rows at these places; users and items keep their numbers."""
        columns = ("users", "items", "values", "times")
        return replace(self, **{name: getattr(self, name)[places] for name in columns})

    def merged(self, *, add: bool) -> "Events":
        """In order of time, each (user, item) pair once: its last row, or with the sum of all."""
        events = self.take(np.argsort(self.times, kind="stable"))
        pairs = events.users * len(self.item_ids) + events.items
        different, from_end = np.unique(pairs[::-1], return_index=True)
        last = np.sort(len(pairs) - 1 - from_end)
        if len(last) == len(pairs):
            return events
        if add:
            places = np.searchsorted(different, pairs)
            sums = np.bincount(places, weights=events.values).astype(np.float64)
            events = replace(events, values=sums[places])
        return events.take(last)


def read_events(table: Table, user: str, item: str, value: str | None, time: str | None) -> Events:
    """All rows. Without a column of values every row counts 1, without one of times all are 0.

    Raises DataError for the first row with a missing id, or something that is no number or time.
    """
    users, items = _Numbering(), _Numbering()
    wanted = [name for name in (user, item, value, time) if name is not None]
    blocks, begin = [], 0
    for block in table.blocks(wanted):
        codes = users.codes(table, block[user], begin), items.codes(table, block[item], begin)
        values = np.ones(len(block)) if value is None else _values(table, block[value], begin)
        times = (
            np.zeros(len(block), np.int64) if time is None else _times(table, block[time], begin)
        )
        blocks.append((*codes, values, times))
        begin += len(block)
    if not begin:
        raise DataError(f"{table.where(0)}: no rows; at least two users with ratings are needed")
    columns = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    (user_ids, user_rank), (item_ids, item_rank) = users.sorted(), items.sorted()
    return Events(
        user_rank[columns[0]], item_rank[columns[1]], columns[2], columns[3], user_ids, item_ids
    )


class _Numbering:
    """Distinct ids in order of appearance, as text."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def codes(self, table: Table, column: "pd.Series[str]", begin: int) -> NDArray[np.int32]:
        """The number of each id of a block that starts at row `begin`."""
        local, different = pd.factorize(column)  # -1: nothing there
        ids = [str(value).strip() for value in different]
        bad = np.array([not 0 < len(text) <= LONGEST_ID for text in (*ids, "")])
        if (faults := np.flatnonzero(bad[local])).size:
            what = f"id is missing, or longer than {LONGEST_ID} characters"
            _refuse(table, column, begin, int(faults[0]), what)
        numbers = [self._numbers.setdefault(text, len(self._numbers)) for text in ids]
        return np.array(numbers, np.int32)[local]

    def sorted(self) -> tuple[Ids, NDArray[np.int64]]:
        """The ids, ascending: as integers if all are written as such; and the place of each."""
        texts = np.array(list(self._numbers))
        ids = texts.astype(np.int64) if all(map(_PLAIN_INTEGER.fullmatch, self._numbers)) else texts
        order = np.argsort(ids, kind="stable")
        places = np.empty(len(ids), np.int64)
        places[order] = np.arange(len(ids))
        return ids[order], places


def _values(table: Table, column: "pd.Series[str]", begin: int) -> NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    if (faults := np.flatnonzero(~(np.abs(numbers) <= LARGEST))).size:
        _refuse(table, column, begin, int(faults[0]), "must be a number")
    return numbers


def _times(table: Table, column: "pd.Series[str]", begin: int) -> Numbers:
    """Numbers as they are, integers exactly; dates in seconds since 1970."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.dtype == np.int64:
        return numbers.to_numpy()
    seconds = np.array(numbers, np.float64)
    text = np.isnan(seconds)
    moments = pd.to_datetime(column[text], format="ISO8601", utc=True, errors="coerce")
    seconds[text] = (moments - _EPOCH) / pd.Timedelta(seconds=1)
    if (faults := np.flatnonzero(~(np.abs(seconds) < 2.0**63))).size:
        what = "must be a number or a date such as 2024-05-31 or 2024-05-31T12:30:00"
        _refuse(table, column, begin, int(faults[0]), what)
    return seconds


def _refuse(table: Table, column: "pd.Series[str]", begin: int, place: int, what: str) -> NoReturn:
    value = column.iloc[place]
    raise DataError(
        f"{table.where(begin + place)}: {column.name} {what}, value {quote(value)}; "
        "correct or remove the row"
    )
