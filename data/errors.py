"""Errors of the data package: one message that says where, what, and what to do."""

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from config import DRRError

_LONGEST_QUOTE = 80
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class DataError(DRRError):
    """A data file, archive or table that cannot be used."""


class DownloadError(DataError):
    """A data set that could not be fetched, verified or unpacked."""


def quote(value: object) -> str:
    """Printable, bounded form of a value found in a file."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = ascii(value)
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."


def printable(text: str) -> str:
    """The same without control characters other than line feeds: a terminal would obey them."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


class Faults:
    """Rows that are not as they should be: of each kind, how many, and the first of them."""

    def __init__(self, where: Callable[[int], str]) -> None:
        self._where = where
        self._kinds: dict[str, tuple[int, int, object]] = {}
        self._lines: list[NDArray[np.int64]] = []

    def add(self, what: str, values: "pd.Series[Any]") -> None:
        """Values of one kind of fault, in the order of their lines, which are the index."""
        if values.empty:
            return
        new = (len(values), int(values.index[0]), values.tolist()[0])
        old = self._kinds.get(what, (0, *new[1:]))
        _, line, value = min(old, new, key=lambda kind: kind[1])
        self._kinds[what] = (old[0] + new[0], line, value)
        self._lines.append(values.index.to_numpy(np.int64))

    @property
    def n_rows(self) -> int:
        """Rows with at least one fault."""
        return len(np.unique(np.concatenate(self._lines))) if self._lines else 0

    def __str__(self) -> str:
        """All kinds in one line, the first to occur first."""
        in_order = sorted(self._kinds.items(), key=lambda kind: kind[1][1])
        return "; ".join(
            f"{self._where(line)}: {what}, value "
            + (f"{value:.15g}" if isinstance(value, float) else quote(value))
            + (f" ({count:,} rows)" if count > 1 else "")
            for what, (count, line, value) in in_order
        )

    def refuse(self, advice: str) -> None:
        """DataError, unless there is no fault."""
        if self._kinds:
            raise DataError(f"{self}; {advice}")


def check_column(path: Path, columns: Sequence[str], name: str, flag: str) -> None:
    """DataError naming the columns there are, unless exactly one is called `name`."""
    if columns.count(name) == 1:
        return
    known = ", ".join(map(quote, dict.fromkeys(columns)))
    if name in columns:
        raise DataError(f"{path}: {flag} {quote(name)}: two columns of that name among {known}")
    lowered = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    advice = "if the first line is data, add --csv.no-header and give columns by number:"
    if close:
        advice = f"did you mean {quote(lowered[close[0]])}?"
    elif flag == "--csv.rating":
        advice = "if each row is one purchase, click or play, add --csv.feedback events;"
    raise DataError(f"{path}: {flag} {quote(name)}: no such column; {advice} there are {known}")
