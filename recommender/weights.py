"""Read and write network weights as HDF5: our own files and those of earlier DRR repositories.

Only arrays and their names are read (`weight_layouts`): nothing in a file is ever executed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np

from recommender.weight_layouts import Pair, WeightsError, WeightsFile, advice, match, shape_of

SUFFIX = ".weights.h5"

__all__ = ["WeightsError", "load_weights", "save_weights"]


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Assign a file's weights to a built model: all of them, or none. Optimizer slots are ignored.

    Raises:
        WeightsError: the file is missing or damaged, holds other layers, shapes or values that
            are not finite numbers, or lists an earlier repository's layers out of order.
    """
    with _open(Path(path)) as file:
        pairs = [_check(model, file, pair) for pair in match(model, file)]
        values = [_read(file, variable, dataset) for variable, dataset in pairs]
    for (variable, _), value in zip(pairs, values, strict=True):
        variable.assign(value)


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Write `<name>.weights.h5` atomically: readers see the old file or the new one, never half.

    Raises:
        WeightsError: another file ending, or a weight that is not finite.
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise WeightsError(f"{path}: weights are saved as <name>{SUFFIX}; rename the file")
    for variable in model.weights:
        if not np.isfinite(variable.numpy()).all():
            raise WeightsError(f"{path}: not saved, {variable.path} holds NaN or infinity")
    temporary = path.with_name(f".{path.name.removesuffix(SUFFIX)}.{os.getpid()}.tmp{SUFFIX}")
    try:
        model.save_weights(temporary)
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        hint = "check folder, permissions and free space; an earlier file is intact"
        raise OSError(f"{path}: cannot be written ({error}); {hint}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Force a file's contents, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _open(path: Path) -> Iterator[WeightsFile]:
    """A file's arrays; whatever h5py finds wrong, then or later, becomes a WeightsError."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; pass the {SUFFIX} or .h5 file of a run")
    try:
        with h5py.File(path, "r") as file:
            yield WeightsFile(file)
    except WeightsError:
        raise
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        hint = "expected an HDF5 file of weights, found something else or a truncated file"
        raise WeightsError(f"{path}: {hint} ({error}); copy or save it again") from error


def _check(
    model: keras.Model, file: WeightsFile, pair: Pair
) -> tuple[keras.Variable, h5py.Dataset]:
    """The pair, if it is whole: a variable needs an array of its shape, an array a variable."""
    variable, dataset = pair
    if variable is not None and dataset is not None and tuple(variable.shape) == dataset.shape:
        return variable, dataset
    layer = getattr(dataset, "name", None) if variable is None else variable.path
    at = "" if dataset is None else f" at {dataset.name}"
    raise WeightsError(
        f"{file.path}: layer {layer}: expected {shape_of(variable)}, "
        f"found {shape_of(dataset)}{at}. {advice(model, file)}"
    )


def _read(file: WeightsFile, variable: keras.Variable, dataset: h5py.Dataset) -> np.ndarray:
    """The array in the variable's type; its shape has been checked."""
    where = f"{file.path}: layer {variable.path} at {dataset.name}"
    if dataset.dtype.kind != "f":
        raise WeightsError(
            f"{where}: expected floating point, found {dataset.dtype}; save it again"
        )
    with np.errstate(over="ignore"):
        value = np.asarray(dataset[()], dtype=variable.dtype)
    if not np.isfinite(value).all():
        raise WeightsError(f"{where}: expected finite, found NaN or infinity; use an earlier file")
    return value
