"""HDF5 files, written whole or not at all, also where the disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = bytes(1 << 20)
OVERHEAD = 1 << 16  # of the HDF5 format, for some dozens of arrays
SUFFIX = ".weights.h5"  # Keras writes no file without it


@contextmanager
def replacing(path: Path, size: int) -> Iterator[Path]:
    """A file beside `path`, for the block to write; in the end it becomes `path`.

    The room for `size` bytes of arrays is filled beforehand: where a disk fills up while the HDF5
    library writes, it brings down the whole process.

    Raises:
        OSError: the file cannot be written; one that was there before stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{SUFFIX}")
    try:
        with temporary.open("wb") as file:
            for start in range(0, size + OVERHEAD, len(CHUNK)):
                file.write(CHUNK[: size + OVERHEAD - start])
        yield temporary
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "check folder, permissions and free space; an earlier file is intact"
        raise OSError(f"{path}: cannot be written ({reason}); {hint}") from error
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Force a file's contents, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
