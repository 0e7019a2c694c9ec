"""Files of rows as blocks of text: delimited text in its many dialects, and Parquet; and ids.

pandas reads what is regular: blocks without quotation marks whose lines all have the same number of
fields. It would forgive short lines and stray quotation marks, so from the first block that is not
regular on, the csv module splits the lines. The index of a block says where each row begins.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import DataError, Faults, quote

ROWS_PER_BLOCK = 1 << 15
_SNIFFED = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "colons": "::"}
DELIMITERS = {**_SNIFFED, "space": " "}
_COLONS = "\x1f"  # stands for `::`, since the readers split at single characters
_CONTROL = re.compile(f"[\0{_COLONS}]")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, as "surrogateescape" has them
_LATIN_1 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
CHARACTERS_PER_BLOCK = 1 << 22  # bounds the memory taken by text
_LONGEST_LINE = 1 << 26  # characters; a damaged or hostile gzip file can hold one without end
_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_QUOTED_FIELD = re.compile(r'(^|\t)"[^"\t]*"(\t|$)', re.MULTILINE)
LONGEST_ID = 256  # characters: NumPy gives every id the room of the longest
# Words for "nothing there", as programs write them, in lower case.
MISSING = frozenset(
    ("", "nan", "-nan", "null", "(null)", "none", "nil", "na", "n/a", "#n/a", "<na>", "nat")
    + ("undefined", "\\n", "-")
)
WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")  # so that "007" stays what it is


def as_id(value: object) -> str:
    """An id as text without surrounding blanks; a whole number without its fraction of zeros."""
    text = str(value).strip()
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


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
        """A file, and its dialect.

        header: whether the first line names the columns.
        delimiter: a name of DELIMITERS; by default the first of them in the first line.
        encoding: by default UTF-8, and Latin-1 for bytes that are not.
        names: what the columns must be called, or are called where there is no header.
        quoted: whether fields may be in quotation marks; by default they may, but not between
            tabs if the first two lines have none.
        """
        if delimiter not in (None, *DELIMITERS):
            what, choices = f"delimiter {quote(delimiter)}", ", ".join(DELIMITERS)
            raise DataError(f"{path}: {what}: unknown; choose from {choices}")
        self.path, self._encoding, self._character = path, encoding, "\n"
        head = list(islice(io.StringIO(next(self._texts(), "")), 3))
        if not head or not head[0].strip():
            raise DataError(f"{path}: empty, or its first line is; give a file with ratings")
        told = re.fullmatch(r'"?sep=([\t -!#-/:-@|])"?\n?', head[0])  # as spreadsheets write it
        del head[: told is not None]
        self.delimiter = told[1] if told else DELIMITERS.get(delimiter or "") or _sniff(path, head)
        if quoted is None:
            quoted = self.delimiter != "\t" or bool(_QUOTED_FIELD.search("".join(head[:2])))
        self._quoted = quoted
        self._character = _COLONS if self.delimiter == "::" else self.delimiter
        self._n_above = int(told is not None)  # rows above the data
        _, row = next(self._rows(self._texts(), 0, self._n_above), (0, []))
        first = [name.strip() for name in row]
        if not first:
            raise DataError(f"{path}: no rows; give a file with ratings")
        if header and names and first != list(names):
            wanted = ", ".join(names)
            raise DataError(f"{path}:1: columns {quote(first)}; expected {wanted}: restore it")
        self.columns = tuple(names or (first if header else map(str, range(1, len(first) + 1))))
        self._n_above += header

    def where(self, line: int) -> str:
        """File and place of a row, given by its index in a block, as messages quote it."""
        return f"{self.path}:{line}"

    @property
    def note(self) -> str:
        """What to tell the user once the file has been read; mostly nothing."""
        if self._first_escaped is None:
            return ""
        line, text = self._first_escaped
        return (
            f"{self.path}:{line}: not UTF-8, value {quote(text.strip())}; read as Latin-1, "
            f"{self._n_escaped:,} such line(s) in all: check them, or give --csv.encoding, such as "
            "cp1252 or gbk"
        )

    def blocks(self, columns: Sequence[str], faults: Faults) -> Iterator[pd.DataFrame]:
        """The rows in order, with these columns only, as text, "" where there is none.

        Rows that have more or fewer fields than columns are left out, and added to `faults`.
        """
        places = [self.columns.index(name) for name in columns]
        line, n_above, texts = 0, self._n_above, self._texts()
        for text in texts:
            if not self._is_regular(text):
                yield from self._checked(chain([text], texts), line, n_above, places, faults)
                return
            frame = pd.read_csv(
                io.StringIO(text),
                sep=self._character,
                header=None,
                usecols=places,
                dtype=object,
                na_filter=False,
                quoting=csv.QUOTE_NONE,
                skip_blank_lines=False,
            )
            frame = frame[places].set_axis(list(columns), axis=1)
            frame.index += line + 1
            yield frame.iloc[n_above:]
            line, n_above = line + len(frame), 0

    def _texts(self) -> Iterator[str]:
        """The file, unpacked and decoded, many whole lines at a time."""
        above = 0
        self._first_escaped: tuple[int, str] | None = None  # line that is not UTF-8
        self._n_escaped = 0
        how = ("utf-8", "surrogateescape") if self._encoding is None else (self._encoding, "strict")
        try:
            with self.path.open("rb") as plain:
                packed = plain.read(2) == _GZIP
                plain.seek(0)
                file = io.TextIOWrapper(gzip.GzipFile(fileobj=plain) if packed else plain, *how)
                while text := file.read(CHARACTERS_PER_BLOCK) + file.readline(_LONGEST_LINE):
                    if len(text) > _LONGEST_LINE:
                        raise DataError(f"{self.path}: a line longer than {_LONGEST_LINE} bytes")
                    self.ends_in_line = not text.endswith("\n")
                    text = text if above else text.removeprefix("\ufeff")
                    yield self._as_text(text, above)
                    above += text.count("\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}: not {self._encoding} ({error.reason}, value "
                f"{quote(error.object[error.start : error.end])}); give another --csv.encoding"
            ) from None
        except LookupError:
            name = quote(self._encoding)
            raise DataError(f"{self.path}: encoding {name}: unknown; give cp1252 or gbk") from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self.path}: damaged gzip file ({error}); restore it") from None

    def _as_text(self, text: str, above: int) -> str:
        """A part of the file without escaped bytes and pairs of colons; DataError if it is no text."""
        if control := _CONTROL.search(text):
            line = above + text.count("\n", 0, control.start()) + 1
            raise DataError(
                f"{self.path}:{line}: control character, value {quote(control[0])}; not plain text: "
                "unpack or convert it, or give its encoding with --csv.encoding, such as utf-16"
            )
        if _ESCAPED.search(text):
            lines = enumerate(text.translate(_LATIN_1).split("\n"), start=above + 1)
            escaped = [_ESCAPED.search(line) is not None for line in text.split("\n")]
            self._first_escaped = self._first_escaped or next(compress(lines, escaped))
            self._n_escaped += sum(escaped)
            text = text.translate(_LATIN_1)
        return text.replace("::", _COLONS) if self._character == _COLONS else text

    def _is_regular(self, text: str) -> bool:
        """Whether every line has one field for each column, and none is quoted."""
        if self._quoted and '"' in text:
            return False
        text = text if text.endswith("\n") else f"{text}\n"
        codes = np.frombuffer(text.encode(), np.uint8)
        ends = codes[(codes == ord("\n")) | (codes == ord(self._character))]
        row = [*(ord(self._character) for _ in self.columns[1:]), ord("\n")]
        return not len(ends) % len(row) and bool(np.all(ends.reshape(-1, len(row)) == row))

    def _checked(
        self, texts: Iterator[str], line: int, n_above: int, places: list[int], faults: Faults
    ) -> Iterator[pd.DataFrame]:
        """The same from texts after this line, those that are not regular among them."""
        rows, n_fields = self._rows(texts, line, n_above), len(self.columns)
        names, separator = ", ".join(self.columns[:6]), quote(self.delimiter)
        what = f"not {n_fields} fields ({names}) separated by {separator}"
        while block := list(islice(rows, ROWS_PER_BLOCK)):
            wrong = {
                begin: self.delimiter.join(row)
                for begin, row in block
                if row and len(row) != n_fields  # an empty line is no row
            }
            faults.add(what, pd.Series(wrong, dtype=object))
            whole = {begin: row for begin, row in block if len(row) == n_fields}
            yield pd.DataFrame(
                [[row[place] for place in places] for row in whole.values()],
                index=pd.Index(list(whole), dtype=np.int64),
                columns=[self.columns[place] for place in places],
                dtype=object,
            )

    def _rows(
        self, texts: Iterator[str], line: int, n_above: int
    ) -> Iterator[tuple[int, list[str]]]:
        """Rows below the first `n_above`, and the line in which each begins."""
        reader = csv.reader(
            chain.from_iterable(map(io.StringIO, texts)),
            delimiter=self._character,
            quoting=csv.QUOTE_MINIMAL if self._quoted else csv.QUOTE_NONE,
            strict=True,
        )
        begin = line + 1
        try:
            for number, row in enumerate(reader):
                if number >= n_above:
                    yield begin, row
                begin = line + 1 + reader.line_num
        except csv.Error as fault:
            raise DataError(
                f"{self.path}:{begin}: {fault}; correct the quotation marks (one inside a quoted "
                'field is written twice, "", not \\"), or give another --csv.delimiter'
            ) from None


class ParquetTable:
    """A Parquet file, read as a whole; needs pyarrow."""

    note, ends_in_line = "", False

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
        self.columns = tuple(map(str, self._frame.columns))

    def where(self, line: int) -> str:
        """See TextTable.where."""
        return f"{self.path}, row {line}"

    def blocks(self, columns: Sequence[str], faults: Faults) -> Iterator[pd.DataFrame]:
        """See TextTable.blocks; every row of Parquet has all fields."""
        places = [self.columns.index(name) for name in columns]
        chosen = self._frame.iloc[:, places].set_axis(list(columns), axis=1)
        for begin in range(0, len(chosen), ROWS_PER_BLOCK):
            block = chosen.iloc[begin : begin + ROWS_PER_BLOCK].astype(object)
            yield block.map(str).where(block.notna(), "")


Table = TextTable | ParquetTable


def open_table(path: Path, **dialect: Any) -> Table:
    """The file as a table: delimited text, also packed with gzip, or Parquet; or DataError.

    What a file is shows in its content, not in its name; `dialect` is that of TextTable.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise DataError(f"{path}: is a pipe or device; give a file")
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET)) == _PARQUET
        return ParquetTable(path) if is_parquet else TextTable(path, **dialect)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; restore it, or give another path") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); restore it") from None


def _sniff(path: Path, head: list[str]) -> str:
    """The first separator in the first line, quoted fields aside."""
    line = head[0] if head else ""
    if re.match(r"\s*(\{|\[\s*(\{|$))", line):
        raise DataError(
            f"{path}: is JSON, not a table; convert it to CSV, as with pandas.read_json"
        )
    bare = re.sub('"[^"]*"', "", line)
    found = [separator for separator in _SNIFFED.values() if separator in bare]
    if not found:
        raise DataError(
            f"{path}:1: no {', '.join(_SNIFFED)} in the first line, value "
            f"{quote(line.rstrip())}; say what separates the columns with --csv.delimiter"
        )
    return min(found, key=bare.index)
