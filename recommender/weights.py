"""Read and write network weights as HDF5: our own files and those of earlier DRR repositories.

Only arrays and their names are read (`weight_layouts`): nothing in a file is ever executed.
"""

from pathlib import Path

import keras
import numpy as np

from embedding.hdf5 import Array, HDF5Error
from embedding.writing import SUFFIX, replacing
from recommender.weight_layouts import Pair, WeightsError, WeightsFile, advice, match, shape_of

__all__ = ["WeightsError", "load_weights", "save_weights"]


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Assign a file's weights to a built model: all of them, or none. Optimizer slots are ignored.

    Raises:
        WeightsError: the file is missing or damaged, holds other layers, shapes or values that
            are not finite numbers, or lists an earlier repository's layers out of order.
    """
    file = _open(Path(path))
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
    size = sum(variable.numpy().nbytes for variable in model.weights)
    with replacing(path, size) as temporary:
        model.save_weights(temporary)


def _open(path: Path) -> WeightsFile:
    """A file's arrays, not read yet."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; pass the {SUFFIX} or .h5 file of a run")
    try:
        return WeightsFile(path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); check it") from error
    except HDF5Error as error:
        hint = "expected an HDF5 file of weights, found something else or a damaged file"
        raise WeightsError(f"{path}: {hint} ({error}); copy or save it again") from error


def _check(model: keras.Model, file: WeightsFile, pair: Pair) -> tuple[keras.Variable, Array]:
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


def _read(file: WeightsFile, variable: keras.Variable, dataset: Array) -> np.ndarray:
    """The array in the variable's type; its shape has been checked."""
    where = f"{file.path}: layer {variable.path} at {dataset.name}"
    if dataset.dtype is None or dataset.dtype.kind != "f":
        raise WeightsError(f"{where}: expected floating point, found {dataset.kind}; save it again")
    try:
        with np.errstate(over="ignore"):
            value = dataset.read().astype(variable.dtype)
    except HDF5Error as error:
        raise WeightsError(f"{file.path}: damaged ({error}); copy or save it again") from error
    if not np.isfinite(value).all():
        raise WeightsError(f"{where}: expected finite, found NaN or infinity; use an earlier file")
    return value
