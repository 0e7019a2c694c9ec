"""Checkpoints: all arrays of a run in one file, written atomically, verified when read.

A file is one line `DRR-CHECKPOINT 1 <SHA-256 of the rest>`, then a NumPy .npz archive without pickles.
"""

import hashlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import DRRError
from data.files import write_bytes

Arrays = dict[str, NDArray[Any]]
LAST = 99_999_999  # the largest step that a name can hold
MAGIC = b"DRR-CHECKPOINT 1 "
_NAME = re.compile(r"checkpoint-(\d{8})\.drr")


class CheckpointError(DRRError):
    """A checkpoint that cannot be written, or none that can be read."""

    status = 1


def save(folder: Path, step: int, arrays: Arrays, keep: int = 2) -> Path:
    """Write the checkpoint of `step`, then delete all but the `keep` newest up to there.

    Those of later steps are damaged ones that the run fell back from: they go, too.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    payload = buffer.getbuffer()
    digest = hashlib.sha256(payload).hexdigest().encode()
    path = folder / f"checkpoint-{step:08d}.drr"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, MAGIC + digest + b"\n", payload)
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error.strerror}); free space or check permissions, then "
            "go on with --resume: earlier checkpoints are intact"
        ) from error
    found = _list(folder)
    kept = [path for number, path in found if number <= step][-keep:]
    for _, old in found:
        if old not in kept:
            old.unlink(missing_ok=True)
    return path


def load_newest(folder: Path, up_to: int = LAST) -> tuple[int, Arrays] | None:
    """Step and arrays of the newest undamaged checkpoint, no newer than step `up_to`; None where
    none was written.

    Raises:
        CheckpointError: when there are checkpoints and all of them are damaged.
    """
    found = [(step, path) for step, path in _list(folder) if step <= up_to]
    for step, path in reversed(found):
        try:
            return step, _read(path)
        except CheckpointError as error:
            print(f"{error}; trying the one before", file=sys.stderr)
    if found:
        raise CheckpointError(f"{folder}: every checkpoint is damaged; start again with a new run")
    return None


def _list(folder: Path) -> list[tuple[int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*.drr"))
    return sorted((int(match[1]), path) for match, path in matches if match)


def _read(path: Path) -> Arrays:
    try:
        head, _, payload = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if head != MAGIC + hashlib.sha256(payload).hexdigest().encode():
        raise CheckpointError(f"{path}: damaged, its checksum does not match")
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
