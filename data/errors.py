"""Errors of the data package: one message that says where, what, and what to do."""

import re

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
