"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import os
import re
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.weights\.h5)?")


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write the parts to a temporary file beside `path`, flush it to the disk, then rename it.

    Raises:
        OSError: with the reason and the path; an earlier file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that processes left behind when they were killed."""
    return [path for path in folder.glob(".*.tmp*") if _TEMPORARY.fullmatch(path.name)]


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode())
