"""Disks that are full, checkpoints that are damaged: said in one message, and nothing is lost."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import keras
import pytest

from config import in_flags
from data.files import leftovers
from recommender.weights import save_weights
from training.checkpoint import CheckpointError
from training.monitor import Progress


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_a_checkpoint_is_written(begun):
    folder = begun.folder.checkpoints
    (before,) = folder.iterdir()
    content = before.read_bytes()
    begun.history.append(begun._iterate())
    with largest_file(len(content)), pytest.raises(CheckpointError) as error:  # it has more to say
        begun.save()
    assert str(error.value).startswith(
        f"{folder}/checkpoint-00000003.drr: cannot be written (File "
    )
    assert "go on with --resume: earlier checkpoints are intact" in in_flags(error.value)
    assert [path.read_bytes() for path in folder.iterdir()] == [content]
    assert begun.restore() and begun.iteration == 2


def save_network(path: Path) -> None:
    model = keras.Sequential([keras.layers.Input([300]), keras.layers.Dense(300)])
    save_weights(model, path)


def test_a_disk_that_fills_up_while_weights_are_written(tmp_path):
    """The HDF5 library would bring down the process."""
    path, save = tmp_path / "x.weights.h5", save_network
    save(path)
    content = path.read_bytes()
    with largest_file(200_000), pytest.raises(OSError, match=r"x\.weights\.h5: cannot be written"):
        save(path)
    assert path.read_bytes() == content and leftovers(tmp_path) == []


def test_scalars_that_cannot_be_written_are_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/tensorboard: scalars cannot be written"):
        Progress(tmp_path / "file" / "tensorboard", total=1, protocol="catalog")
