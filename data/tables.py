"""Strict, fast reading of delimited text files.

A file is either exactly what its format says or an error naming file, line and value. Accepted
variations, none of which changes the result: a byte order mark, CRLF, empty lines at the end.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import DataError, quote

_MARK = b"\xef\xbb\xbf"
_DIGITS = b"0123456789"
_RESTORE = "restore the file, or remove its folder to download it again"


def read_text(path: Path) -> bytes:
    """Contents without byte order mark, CR and empty lines at the end."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise DataError(f"{path}: is a pipe or device; {_RESTORE}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: missing; {_RESTORE}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {_RESTORE}") from None
    content = content.removeprefix(_MARK).replace(b"\r\n", b"\n")
    if not content.strip(b"\r\n\t \0"):
        raise DataError(f"{path}: empty; {_RESTORE}")
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise DataError(f"{path}:{line}: NUL byte, value '\\x00'; not a text file: {_RESTORE}")
    return content.rstrip(b"\n") + (b"\n" if content.endswith(b"\n") else b"")


def fields(path: Path, separator: bytes, names: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, fields) of each line; text is UTF-8 if it can be, else Latin-1."""
    content = read_text(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        parts = line.split(separator.decode())
        if len(parts) != len(names):
            raise wrong_field_count(path, number, line, separator, names)
        yield number, parts


def wrong_field_count(
    path: Path, number: int, line: str, separator: bytes, names: tuple[str, ...]
) -> DataError:
    found = line.count(separator.decode()) + 1
    expected = separator.decode().join(names) if len(names) < 9 else f"{len(names)} fields"
    return DataError(
        f"{path}:{number}: {found} field(s) separated by {quote(separator)}, value {quote(line)}; "
        f"expected {expected}; correct the line, or {_RESTORE}"
    )


def integer(path: Path, number: int, name: str, text: str) -> int:
    """A non-negative 64-bit integer in plain digits, or DataError."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and (value := int(text)) < 2**63:
        return value
    raise DataError(
        f"{path}:{number}: {name} must be a non-negative integer, value {quote(text)}; "
        f"correct the line, or {_RESTORE}"
    )


def read_integers(path: Path, separator: bytes, columns: int) -> NDArray[np.int64] | None:
    """All fields of a file of non-negative integers, [lines, columns]; None if it is not one.

    A file without an end of line whose very last number is shorter than the one above it was cut
    off in the middle of that number, and is an error.

    The C parser of pandas forgives much (quotes, blanks, short lines), so the bytes are checked
    first and the counts afterwards; finding the fault is left to a slow exact pass.
    """
    content = read_text(path)
    if content.translate(None, _DIGITS + separator + b"\n"):
        return None
    body = content.rstrip(b"\n")
    n_lines = body.count(b"\n") + 1
    body = body.replace(separator, b"\t")
    if body.count(b"\t") != (columns - 1) * n_lines or separator[:1] in body.replace(b"\t", b""):
        return None
    try:
        frame = pd.read_csv(
            io.BytesIO(body), sep="\t", header=None, dtype=np.int64, na_filter=False
        )
    except (ValueError, OverflowError, pd.errors.ParserError):
        return None
    table: NDArray[np.int64] = frame.to_numpy()
    if table.shape != (n_lines, columns):
        return None
    if not content.endswith(b"\n"):
        _check_last_number(path, body)
    return table


def _check_last_number(path: Path, body: bytes) -> None:
    above, last = ([b""] + body.rsplit(b"\n", 2))[-2:]
    if len(last.rsplit(b"\t", 1)[-1]) < len(above.rsplit(b"\t", 1)[-1]):
        number = body.count(b"\n") + 1
        raise DataError(
            f"{path}:{number}: looks cut off, value {quote(last)}; {_RESTORE}, "
            "or end the line if it is complete"
        )
