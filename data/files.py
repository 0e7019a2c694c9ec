"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WEIGHTS_SUFFIX = ".weights.h5"  # Keras writes no file without it
CHUNK = bytes(1 << 20)
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp(\.weights\.h5)?")


class WriteError(OSError):
    """A file that cannot be written; an earlier one stays as it was."""

    def __str__(self) -> str:
        hint = "check folder, permissions and free space; an earlier file is intact"
        return f"{self.filename}: cannot be written ({self.strerror}); {hint}"


@contextmanager
def replacing(path: Path, room: int = 0) -> Iterator[Path]:
    """A file beside `path`, for the block to write; in the end it is flushed and becomes `path`.

    room: bytes that are filled beforehand, for a library that does not survive a full disk.

    Raises:
        WriteError: with the reason; an earlier file stays as it was.
    """
    suffix = WEIGHTS_SUFFIX if path.name.endswith(WEIGHTS_SUFFIX) else ""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{suffix}")
    try:
        with temporary.open("wb") as file:
            for start in range(0, room, len(CHUNK)):
                file.write(CHUNK[: room - start])
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Replace a file by the parts, joined; WriteError as `replacing`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode())


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that processes left behind when they were killed."""
    return [path for path in folder.glob(".*.tmp*") if _TEMPORARY.fullmatch(path.name)]


def _flush(path: Path) -> None:
    """Force a file's contents, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
