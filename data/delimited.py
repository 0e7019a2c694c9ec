"""Tables of any layout, read in blocks: delimited text with or without a header, and Parquet.

The C parser of pandas forgives short lines, long lines and stray quotes, so every line of a text
file is checked first; after that, row r of the data is line r + 1, or r + 2 below a header.
"""

import csv
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TextIO

import pandas as pd

from data.errors import DataError, quote

ROWS_PER_BLOCK = 1 << 18  # bounds the memory taken by text
DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "space": " "}
_SNIFFED = ("tab", "comma", "semicolon", "bar")
_PARQUET = b"PAR1"


class Table(Protocol):
    """Columns by name, read a block of rows at a time."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def where(self, row: int) -> str:
        """File and place of a row, counted from 0, as messages quote it."""
        ...

    def blocks(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """The rows in order, with these columns only; every value is text, "" where there is none."""
        ...


@dataclass(frozen=True)
class DelimitedFile:
    """Delimited text whose every line is known to have one field per column.

    Fields may be quoted with `"`, except between tabs. Without a header the columns are called
    "1", "2", ... Text is UTF-8 if it can be, else Latin-1.
    """

    path: Path
    encoding: str
    delimiter: str
    header: bool
    columns: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, *, header: bool = True, delimiter: str | None = None) -> Self:
        """Check the file; without a delimiter, the first line's first tab, comma, ; or | is it."""
        try:
            return cls._checked(path, "utf-8-sig", header, delimiter)
        except UnicodeDecodeError:
            return cls._checked(path, "latin-1", header, delimiter)

    @classmethod
    def _checked(cls, path: Path, encoding: str, header: bool, delimiter: str | None) -> Self:
        if delimiter not in (None, *DELIMITERS):
            choices = ", ".join(DELIMITERS)
            raise DataError(f"{path}: delimiter {quote(delimiter)}: unknown; choose from {choices}")
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline()
            if not first.strip("\r\n\t \0"):
                raise DataError(f"{path}: empty, or its first line is; give a file with ratings")
            separator = DELIMITERS[delimiter] if delimiter else _sniff(path, first)
            file.seek(0)
            names = _check_lines(path, file, separator)
        columns = [name.strip() for name in names] if header else range(1, len(names) + 1)
        return cls(path, encoding, separator, header, tuple(map(str, columns)))

    def where(self, row: int) -> str:
        """See Table.where."""
        return f"{self.path}:{row + 1 + self.header}"

    def blocks(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """See Table.blocks."""
        places = [self.columns.index(name) for name in columns]
        with pd.read_csv(
            self.path,
            sep=self.delimiter,
            header=None,
            skiprows=int(self.header),
            names=list(range(len(self.columns))),
            usecols=places,
            dtype=object,
            na_filter=False,
            quoting=_quoting(self.delimiter),
            encoding=self.encoding,
            compression=None,  # whatever the file is called: its lines were checked as they are
            chunksize=ROWS_PER_BLOCK,
        ) as reader:
            for block in reader:
                yield block[places].set_axis(list(columns), axis=1)


class ParquetFile:
    """A Parquet file, read as a whole; needs pyarrow."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._frame = pd.read_parquet(path)
        except ImportError:
            raise DataError(
                f"{path}: reading Parquet needs pyarrow; pip install pyarrow, or convert it to CSV"
            ) from None
        except (ValueError, OSError) as error:  # pyarrow's own errors are among them
            raise DataError(f"{path}: not a readable Parquet file ({error})") from None

    @property
    def columns(self) -> tuple[str, ...]:
        """See Table.columns."""
        return tuple(map(str, self._frame.columns))

    def where(self, row: int) -> str:
        """See Table.where."""
        return f"{self.path}, row {row + 1}"

    def blocks(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """See Table.blocks."""
        places = [self.columns.index(name) for name in columns]
        chosen = self._frame.iloc[:, places].set_axis(list(columns), axis=1)
        for begin in range(0, len(chosen), ROWS_PER_BLOCK):
            yield chosen.iloc[begin : begin + ROWS_PER_BLOCK].apply(_as_text)


def open_table(path: Path, *, header: bool = True, delimiter: str | None = None) -> Table:
    """The file as a table; DataError if it cannot be read or a line does not fit the others."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise DataError(f"{path}: is a pipe or device; give a file")
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET)) == _PARQUET
        if is_parquet:
            return ParquetFile(path)
        return DelimitedFile.open(path, header=header, delimiter=delimiter)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check --csv.path and --csv.titles") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def check_column(path: Path, columns: Sequence[str], name: str, flag: str) -> None:
    """DataError naming the columns there are, unless exactly one is called `name`."""
    if columns.count(name) == 1:
        return
    known = ", ".join(map(quote, dict.fromkeys(columns)))
    if name in columns:
        raise DataError(f"{path}: {flag} {quote(name)}: two columns of that name among {known}")
    lowered = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    advice = (
        f"did you mean {quote(lowered[close[0]])}?"
        if close
        else "if the first line is data, add --csv.no-header and give columns by number:"
    )
    raise DataError(f"{path}: {flag} {quote(name)}: no such column; {advice} there are {known}")


def _as_text(column: "pd.Series[Any]") -> "pd.Series[str]":
    texts = [
        str(value) if there else "" for value, there in zip(column, column.notna(), strict=True)
    ]
    return pd.Series(texts, index=column.index, dtype=object)


def _quoting(separator: str) -> Literal[0, 3]:
    """Between tabs a quotation mark is text like any other."""
    return csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL


def _sniff(path: Path, line: str) -> str:
    found = [DELIMITERS[name] for name in _SNIFFED if DELIMITERS[name] in line]
    if not found:
        raise DataError(
            f"{path}:1: no {', '.join(_SNIFFED)} in the first line, value "
            f"{quote(line.rstrip())}; say what separates the columns with --csv.delimiter"
        )
    return min(found, key=line.index)


def _check_lines(path: Path, file: TextIO, separator: str) -> list[str]:
    """The first line's fields; DataError for the first line that has more or fewer."""
    lines = _without_nul(path, file)
    reader = csv.reader(lines, delimiter=separator, quoting=_quoting(separator), strict=True)
    number, blank = 0, 0
    first: list[str] = []
    try:
        for number, row in enumerate(reader, start=1):
            first = first or row
            if len(row) == len(first) and not blank and reader.line_num == number:
                continue
            if not row:  # fine at the end of the file
                blank = blank or number
            else:
                raise _misfit(path, blank or number, [] if blank else row, first, reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path}:{number + 1}: {error}; correct the quotation marks, or say what separates "
            "the columns with --csv.delimiter"
        ) from None
    return first


def _misfit(path: Path, number: int, row: list[str], first: list[str], end: int) -> DataError:
    if row and end > number:
        return DataError(
            f"{path}:{number}: a quoted field runs on to line {end}, value {quote(row)}; "
            "close the quotation marks, or take the line breaks out of the field"
        )
    return DataError(
        f"{path}:{number}: {len(row)} field(s), value {quote(row)}; expected {len(first)} as in the "
        "first line: correct or remove the line, or say what separates the columns with "
        "--csv.delimiter"
    )


def _without_nul(path: Path, file: TextIO) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise DataError(
                f"{path}:{number}: NUL byte, value '\\x00'; not plain text: unpack or convert it"
            )
        yield line
