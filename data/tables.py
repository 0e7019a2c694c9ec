"""Files of rows as blocks of text: delimited text in its many dialects, and Parquet.

The csv module splits the lines, since the parsers of pandas forgive short lines and stray quotation
marks; pandas does the rest. The index of a block says in which line of the file each row begins.
"""

import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import DataError, Faults, quote

ROWS_PER_BLOCK = 1 << 18  # bounds the memory taken by text
_SNIFFED = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "colons": "::"}
DELIMITERS = {**_SNIFFED, "space": " "}
_COLONS = "\uffff"  # stands for `::`, since the csv module splits at single characters
_BYTES_PER_BLOCK = 1 << 22
_LONGEST_LINE = 1 << 26  # bytes; a damaged or hostile gzip file can hold one without end
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_QUOTED_FIELD = re.compile(r'(^|\t)"[^"\t]*"(\t|$)', re.MULTILINE)


@dataclass
class _Lines:
    """The lines of a file, unpacked and decoded, each with one `\n` at its end."""

    path: Path
    encoding: str | None = None  # None: UTF-8, and Latin-1 in those lines that are not
    colons: bool = False
    changed: list[tuple[int, str]] = field(default_factory=list)  # lines read as Latin-1

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(io.StringIO, self._blocks()))

    def _blocks(self) -> Iterator[str]:
        """Whole lines at a time. Raises DataError for what is no text."""
        self.changed, above = [], 0
        for block in self._decoded():
            text = block if above else block.removeprefix("\ufeff")
            text = re.sub("\r*\n|\r", "\n", text) if "\r" in text else text
            if (at := text.find("\0")) >= 0:
                line = above + text.count("\n", 0, at) + 1
                raise DataError(
                    f"{self.path}:{line}: NUL byte, value '\\x00'; not plain text: unpack or "
                    "convert it, or give its encoding with --csv.encoding, such as utf-16"
                )
            yield text.replace("::", _COLONS) if self.colons else text
            above += text.count("\n")

    def _decoded(self) -> Iterator[str]:
        above = 0
        try:
            with self.path.open("rb") as plain:
                packed = plain.read(2) == _GZIP
                plain.seek(0)
                file = gzip.GzipFile(fileobj=plain) if packed else plain
                if self.encoding is not None:
                    text = io.TextIOWrapper(io.BufferedReader(file), self.encoding, newline="\n")
                    while part := text.read(_BYTES_PER_BLOCK) + text.readline(_LONGEST_LINE):
                        yield part
                    return
                while block := file.read(_BYTES_PER_BLOCK) + file.readline(_LONGEST_LINE):
                    if len(block) > _LONGEST_LINE:
                        raise DataError(f"{self.path}: a line longer than {_LONGEST_LINE} bytes")
                    yield self._as_utf_8(block, above)
                    above += block.count(b"\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}: not {self.encoding} ({error.reason}, value "
                f"{quote(error.object[error.start : error.end])}); give another --csv.encoding"
            ) from None
        except LookupError:
            raise DataError(
                f"{self.path}: encoding {quote(self.encoding)}: unknown; give one that Python "
                "knows, such as utf-8, cp1252 or gbk"
            ) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self.path}: damaged gzip file ({error}); restore it") from None

    def _as_utf_8(self, block: bytes, above: int) -> str:
        try:
            return block.decode()
        except UnicodeDecodeError:
            lines = block.split(b"\n")
        texts = []
        for number, line in enumerate(lines, start=above + 1):
            try:
                texts.append(line.decode())
            except UnicodeDecodeError:
                texts.append(line.decode("latin-1"))
                self.changed.append((number, texts[-1]))
        return "\n".join(texts)


class TextTable:
    """Delimited text. Without a header or names for them, the columns are called "1", "2", ..."""

    def __init__(
        self,
        path: Path,
        *,
        header: bool = True,
        delimiter: str | None = None,
        encoding: str | None = None,
        names: Sequence[str] = (),
        quoted: bool | None = None,
    ) -> None:
        """See `open_table`."""
        if delimiter not in (None, *DELIMITERS):
            choices = ", ".join(DELIMITERS)
            raise DataError(f"{path}: delimiter {quote(delimiter)}: unknown; choose from {choices}")
        head = list(islice(_Lines(path, encoding), 3))
        if not head or not head[0].strip():
            raise DataError(f"{path}: empty, or its first line is; give a file with ratings")
        told = re.fullmatch(r'"?sep=(.)"?\n?', head[0])  # as spreadsheets write it
        if told:
            del head[0]
        self.delimiter = told[1] if told else DELIMITERS.get(delimiter or "") or _sniff(path, head)
        if quoted is None:
            quoted = self.delimiter != "\t" or bool(_QUOTED_FIELD.search("".join(head[:2])))
        self.path, self._quoted = path, quoted
        self._lines = _Lines(path, encoding, colons=self.delimiter == "::")
        self._n_above = int(told is not None)  # rows above the data
        rows, _ = next(self._rows(1), ([[]], None))
        first = [name.strip() for name in rows[0]]
        if not first:
            raise DataError(f"{path}: no rows; give a file with ratings")
        if header and names and first != list(names):
            raise DataError(
                f"{path}:1: columns {quote(first)}; expected {', '.join(names)}: restore the file"
            )
        self.columns = tuple(names or (first if header else map(str, range(1, len(first) + 1))))
        self._n_above += header

    def where(self, line: int) -> str:
        """File and place of a row, given by its index in a block, as messages quote it."""
        return f"{self.path}:{line}"

    @property
    def note(self) -> str:
        """What to tell the user once the file has been read; mostly nothing."""
        if not (changed := self._lines.changed):
            return ""
        line, text = changed[0]
        return (
            f"{self.path}:{line}: not UTF-8, value {quote(text.strip())}; read as Latin-1, "
            f"{len(changed):,} such line(s) in all: check them, or give the file's encoding with "
            "--csv.encoding, such as cp1252 or gbk"
        )

    def blocks(self, columns: Sequence[str], faults: Faults) -> Iterator[pd.DataFrame]:
        """The rows in order, with these columns only, as text, "" where there is none.

        Rows that have more or fewer fields than columns are left out, and added to `faults`.
        """
        places = [self.columns.index(name) for name in columns]
        for rows, begins in self._rows(ROWS_PER_BLOCK):
            fits = np.array([len(row) == len(self.columns) for row in rows])
            if not fits.all():
                self._add_misfits(rows, begins, fits, faults)
            content = {
                name: [row[place] for row, fit in zip(rows, fits, strict=True) if fit]
                for name, place in zip(columns, places, strict=True)
            }
            yield pd.DataFrame(content, index=begins[fits], dtype=object)

    def _add_misfits(
        self,
        rows: list[list[str]],
        begins: NDArray[np.int64],
        fits: NDArray[np.bool_],
        faults: Faults,
    ) -> None:
        wrong = {
            int(begins[place]): self.delimiter.join(rows[place])
            for place in np.flatnonzero(~fits)
            if rows[place]  # an empty line is no row
        }
        names = ", ".join(self.columns[:6])
        what = f"not {len(self.columns)} fields ({names}) separated by {quote(self.delimiter)}"
        faults.add(what, pd.Series(wrong, dtype=object))

    def _rows(self, size: int) -> Iterator[tuple[list[list[str]], NDArray[np.int64]]]:
        """Rows in blocks, and the line in which each begins. DataError for broken quotation."""
        reader = csv.reader(
            self._lines,
            delimiter=_COLONS if self._lines.colons else self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self._quoted else csv.QUOTE_NONE,
            strict=True,
        )
        n_above, line, fault = self._n_above, 0, None
        while not fault:
            rows: list[list[str]] = []
            try:
                for row in islice(reader, size):
                    rows.append(row)
            except csv.Error as error:
                fault = error
            spans = np.ones(len(rows), np.int64)
            if fault or reader.line_num - line != len(rows):
                breaks = [sum(text.count("\n") for text in row) for row in rows]
                spans += np.array(breaks, np.int64)
            ends = line + np.cumsum(spans)
            line = int(ends[-1]) if len(ends) else line
            if not rows and not fault:
                return
            if len(rows) > n_above:
                yield rows[n_above:], (ends - spans + 1)[n_above:]
            n_above = max(n_above - len(rows), 0)
        raise DataError(
            f"{self.path}:{line + 1}: {fault}; correct the quotation marks (one inside a quoted "
            'field is written twice, "", not \\"), or give another --csv.delimiter'
        )


class ParquetTable:
    """A Parquet file, read as a whole; needs pyarrow."""

    note = ""

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
        self._frame.index = pd.RangeIndex(1, len(self._frame) + 1)

    @property
    def columns(self) -> tuple[str, ...]:
        """See TextTable.columns."""
        return tuple(map(str, self._frame.columns))

    def where(self, line: int) -> str:
        """See TextTable.where."""
        return f"{self.path}, row {line}"

    def blocks(self, columns: Sequence[str], faults: Faults) -> Iterator[pd.DataFrame]:
        """See TextTable.blocks; every row of Parquet has all fields."""
        places = [self.columns.index(name) for name in columns]
        chosen = self._frame.iloc[:, places].set_axis(list(columns), axis=1)
        for begin in range(0, len(chosen), ROWS_PER_BLOCK):
            yield chosen.iloc[begin : begin + ROWS_PER_BLOCK].apply(_as_text)


Table = TextTable | ParquetTable


def open_table(
    path: Path,
    *,
    header: bool = True,
    delimiter: str | None = None,
    encoding: str | None = None,
    names: Sequence[str] = (),
    quoted: bool | None = None,
) -> Table:
    """The file as a table: delimited text, also packed with gzip, or Parquet.

    Args:
        path: the file; what it is shows in its content, not in its name.
        header: whether the first line names the columns.
        delimiter: a name of DELIMITERS; by default the first of them in the first line.
        encoding: of text; by default UTF-8, or Latin-1 for the lines that are not.
        names: what the columns must be called, or are called where there is no header.
        quoted: whether fields may be in quotation marks; by default they may, but not between
            tabs if the first two lines have none.

    Raises:
        DataError: if the file cannot be read or is no table.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise DataError(f"{path}: is a pipe or device; give a file")
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET)) == _PARQUET
        if is_parquet:
            return ParquetTable(path)
        return TextTable(
            path,
            header=header,
            delimiter=delimiter,
            encoding=encoding,
            names=names,
            quoted=quoted,
        )
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check --csv.path and --csv.titles") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore it") from None


def check_column(path: Path, columns: Sequence[str], name: str, flag: str) -> None:
    """DataError naming the columns there are, unless exactly one is called `name`."""
    if columns.count(name) == 1:
        return
    known = ", ".join(map(quote, dict.fromkeys(columns)))
    if name in columns:
        raise DataError(f"{path}: {flag} {quote(name)}: two columns of that name among {known}")
    lowered = {column.lower(): column for column in columns}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    advice = "if the first line is data, add --csv.no-header and give columns by number:"
    if close:
        advice = f"did you mean {quote(lowered[close[0]])}?"
    elif flag == "--csv.rating":
        advice = "if each row is one purchase, click or play, add --csv.feedback events;"
    raise DataError(f"{path}: {flag} {quote(name)}: no such column; {advice} there are {known}")


def _as_text(column: "pd.Series[Any]") -> "pd.Series[str]":
    texts = [
        str(value) if there else "" for value, there in zip(column, column.notna(), strict=True)
    ]
    return pd.Series(texts, index=column.index, dtype=object)


def _sniff(path: Path, head: list[str]) -> str:
    """The first separator in the first line, quoted fields aside."""
    line = head[0] if head else ""
    if re.match(r"\s*(\{|\[\s*(\{|$))", line):
        by_line = ", lines=True" if line.lstrip().startswith("{") else ""
        raise DataError(
            f'{path}: is JSON, not a table; convert it: python -c "import pandas; pandas.read_json('
            f"'{path.as_posix()}'{by_line}, dtype=False, convert_dates=False)"
            f".to_csv('{path.as_posix()}.csv', index=False)\""
        )
    bare = re.sub('"[^"]*"', "", line)
    found = [separator for separator in _SNIFFED.values() if separator in bare]
    if not found:
        raise DataError(
            f"{path}:1: no {', '.join(_SNIFFED)} in the first line, value "
            f"{quote(line.rstrip())}; say what separates the columns with --csv.delimiter"
        )
    return min(found, key=bare.index)
