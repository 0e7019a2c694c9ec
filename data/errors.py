"""Errors of the data package: one message that says where, what, and what to do."""

_LONGEST_QUOTE = 80


class DataError(ValueError):
    """A data file, archive or table that cannot be used."""


class DownloadError(DataError):
    """A data set that could not be fetched, verified or unpacked."""


def quote(value: object) -> str:
    """Printable, bounded form of a value found in a file."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = ascii(value)
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
