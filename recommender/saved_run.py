"""A run's folder, read and written: config.json, catalogue.json and four weight files.

Only arrays and their names are read of a weights file: nothing in it is ever executed.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

import config as settings
from config import Config, ConfigError, DRRError, read_json
from data.errors import quote
from data.files import WEIGHTS_SUFFIX, replacing, write_text
from data.ratings import Catalogue
from embedding.hdf5 import HDF5Error, StoredTree, hdf5_size, read_hdf5
from embedding.table import EmbeddingTable
from recommender.legacy_weights import (
    Pair,
    WeightsError,
    advice,
    legacy_pairs,
    shape_text,
)

FINISHED = "give the folder of a finished run, or finish this one with train.py --resume"
MOST_DEMOGRAPHICS = 65_536  # more would be a damaged file, and fill the memory

Model = TypeVar("Model", bound=keras.Model)
Models = Mapping[str, list[keras.Model]]  # "actor", "critic", "state" -> the models of that file


class RunError(DRRError):
    """A run folder that cannot be used as asked; the message says why and what to do."""


class SavedCatalogue:
    """What catalogue.json says of a run's data set and files; RunError names a bad field.

    demographic_columns: (name, value) of each demographic feature; () in earlier runs.
    digests: {file: SHA-256} of the run's weights; {} in runs of the first version.
    """

    def __init__(self, source: Path) -> None:
        try:
            values = read_json(source)
        except ConfigError as error:
            raise RunError(f"{error}; {FINISHED}") from error
        if not isinstance(values, dict):
            raise RunError(f"{source}: is {quote(values)}, expected {', '.join(FIELDS)}")
        values = {"sha256": {}, "demographics": [], **values}
        for name, (fits, wanted) in FIELDS.items():
            if not fits(values.get(name)):
                found = quote(values[name]) if name in values else "missing"
                raise RunError(
                    f"{source}: field {name!r} is {found}, expected {wanted}; "
                    "restore the file, or train again"
                )
        low, high = values["scale"]
        self.item_ids: NDArray[np.int64] | NDArray[np.str_] = np.array(values["item_ids"])
        self.scale = (float(low), float(high))
        self.titles: tuple[str, ...] = ()
        self.demographics = np.zeros((0, values["n_demographics"]), np.float32)
        self.demographic_columns = tuple((name, value) for name, value in values["demographics"])
        self.digests: dict[str, str] = values["sha256"]


class SavedRun:
    """The folder of a finished run: its settings, catalogue and embedding, and then its networks.

    Raises:
        RunError, ConfigError, EmbeddingError: ValueErrors all, which say what does not fit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = load_config(folder)
        self.catalogue = SavedCatalogue(folder / "catalogue.json")
        self._check_files()
        self.table = EmbeddingTable.load(folder / "embedding.weights.h5")
        if self.table.n_items != len(self.catalogue.item_ids):
            raise RunError(
                f"{folder}: embedding.weights.h5 holds {self.table.n_items} items, catalogue.json "
                f"{len(self.catalogue.item_ids)}: the files are of different runs; restore them"
            )

    def _check_files(self) -> None:
        """RunError unless the weights are those that were saved, byte by byte."""
        for name in ("embedding.weights.h5", *self.catalogue.digests):
            path = self.folder / Path(name).name
            if not path.is_file():
                raise RunError(f"{path}: no such file; {FINISHED}")
            if self.catalogue.digests.get(name, _digest(path)) != _digest(path):
                raise RunError(
                    f"{path}: damaged, or not the file that was saved (SHA-256 in catalogue.json); "
                    "restore it, or train again"
                )

    def check(self, catalogue: Catalogue) -> None:
        """RunError unless the data set is the one that the run was trained on."""
        mine = self.catalogue
        features = [each.demographics.shape[1] for each in (mine, catalogue)]
        different = ""
        if not np.array_equal(mine.item_ids, catalogue.item_ids):
            counts = [len(each.item_ids) for each in (mine, catalogue)]
            different = f"on {counts[0]} items, the data set has {counts[1]} or other ids"
        elif features[0] != features[1]:
            different = f"with {features[0]} demographic features, the data set has {features[1]}"
        elif mine.scale != tuple(catalogue.scale):
            different = f"on ratings {mine.scale}, the data set has {catalogue.scale}"
        if different:
            advice = "pass the run's own data set with --dataset"
            raise RunError(f"{self.folder}: trained {different}; {advice}")

    def load_into(self, models: Models) -> None:
        """The run's weights, into models built from its settings; WeightsError if they differ."""
        for name, each in models.items():
            load_weights(_one_model(each), self.folder / f"{name}{WEIGHTS_SUFFIX}")


def save_run(folder: Path, models: Models, table: EmbeddingTable, catalogue: Catalogue) -> None:
    """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json, each atomically."""
    for name, each in models.items():
        save_weights(_one_model(each), folder / f"{name}{WEIGHTS_SUFFIX}")
    table.save(folder / "embedding.weights.h5")
    columns = getattr(catalogue, "demographic_columns", ())
    weights = sorted(folder.glob(f"*{WEIGHTS_SUFFIX}"))
    saved = {
        "item_ids": catalogue.item_ids.tolist(),
        "scale": list(catalogue.scale),
        "n_demographics": catalogue.demographics.shape[1],
        "demographics": [list(map(str, pair)) for pair in columns],
        "sha256": {path.name: _digest(path) for path in weights},
    }
    write_text(folder / "catalogue.json", json.dumps(saved) + "\n")


def load_config(run_dir: Path) -> Config:
    """The resolved settings of a run."""
    source = run_dir / "config.json"
    if not source.is_file():
        raise RunError(f"{run_dir}: no config.json; give the folder that train.py wrote")
    return settings.load(source)


def load_weights(model: Model, path: str | Path) -> Model:
    """Assign a file's weights to a built model: all of them, or none. Optimizer slots are ignored.

    Reads our own files and those of earlier DRR repositories. Returns the model.

    Raises:
        WeightsError: the file is missing or damaged, holds other layers, shapes or values that
            are not finite numbers, or lists an earlier repository's layers out of order.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; pass the {WEIGHTS_SUFFIX} or .h5 file of a run")
    try:
        tree = read_hdf5(path)
        arrays = {name: each for name, each in tree.arrays.items() if "optimizer" not in name}
        tree = StoredTree(arrays, tree.attributes)
        pairs = legacy_pairs(model, tree) or _own_pairs(model, tree)
        checked = [_checked_values(model, tree, pair) for pair in pairs]
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except HDF5Error as error:
        hint = "expected an HDF5 file of weights, found something else or a damaged file"
        raise WeightsError(f"{path}: {hint} ({error}); copy or save it again") from error
    for variable, values in checked:
        variable.assign(values)
    return model


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Write `<name>.weights.h5` atomically: readers see the old file or the new one, never half.

    Raises:
        WeightsError: another file ending, or a weight that is not finite.
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    path = Path(path)
    if not path.name.endswith(WEIGHTS_SUFFIX):
        raise WeightsError(f"{path}: weights are saved as <name>{WEIGHTS_SUFFIX}; rename the file")
    for variable in model.weights:
        if not np.isfinite(variable.numpy()).all():
            raise WeightsError(f"{path}: not saved, {variable.path} holds NaN or infinity")
    with replacing(path, hdf5_size(model.get_weights())) as temporary:
        model.save_weights(temporary)


class Bundle(keras.Model):
    """Several models in one weights file, each under its own name."""

    def __init__(self, models: list[keras.Model]) -> None:
        super().__init__()
        for model in models:
            setattr(self, model.name, model)
        self.built = True


def _one_model(models: list[keras.Model]) -> keras.Model:
    return models[0] if len(models) == 1 else Bundle(models)


def _own_pairs(model: keras.Model, tree: StoredTree) -> list[Pair]:
    """Every variable and every array `<layer>/vars/<index>`, in pairs as far as they go."""
    stored = {}
    for path, array in tree.arrays.items():
        group, _, index = path.rpartition("/vars/")
        layer = _stored_layer(model, tree, group), index
        stored[(path, "") if layer in stored else layer] = array
    pairs = []
    for name, layer in _named_layers(model):
        variables: dict[str, keras.Variable] = {}
        layer.save_own_variables(variables)
        pairs += [Pair(each, stored.pop((name, i), None)) for i, each in variables.items()]
    return pairs + [Pair(None, array) for array in stored.values()]


def _named_layers(model: keras.Model, path: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """A model and the layers inside it, by the path of their names."""
    yield path, model
    for layer in getattr(model, "layers", ()):
        yield from _named_layers(layer, f"{path}/{layer.name}".lstrip("/"))


def _stored_layer(model: keras.Model, tree: StoredTree, group: str) -> str:
    """The path of names of the layer that Keras stored in a group.

    Keras stores layers by attribute, which is their name; but an attribute that sorts after
    `layers` as `layers/dense_3`: by class and position, with the layer's name beside it.
    """
    parent, _, last = group.rpartition("/")
    name = next(iter(tree.texts(f"{group}/vars", "name")), last)
    if f"/{parent}".endswith("/layers"):
        return f"{parent.removesuffix('layers')}{name}"
    if name != last:
        raise WeightsError(
            f"layer {model.name}/{group}: expected that name, found {name} at /{group}: "
            f"the layers are shuffled, or another model's. {advice(model, tree)}"
        )
    return group


def _checked_values(
    model: keras.Model, tree: StoredTree, pair: Pair
) -> tuple[keras.Variable, NDArray[np.floating]]:
    """The variable and its values, if the pair is whole and its numbers are finite."""
    variable, array = pair
    if variable is None or array is None or tuple(variable.shape) != array.shape:
        layer = variable.path if variable is not None else getattr(array, "path", None)
        at = "" if array is None else f" at {array.path}"
        raise WeightsError(
            f"layer {layer}: expected {shape_text(variable)}, found {shape_text(array)}{at}. "
            f"{advice(model, tree)}"
        )
    where = f"layer {variable.path} at {array.path}"
    if array.values is None:
        raise WeightsError(f"{where}: expected floating point, found {array.kind}; save it again")
    with np.errstate(over="ignore"):
        values = array.values.astype(variable.dtype)
    if not np.isfinite(values).all():
        raise WeightsError(f"{where}: expected finite, found NaN or infinity; use an earlier file")
    return variable, values


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _are_ids(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    kind = type(value[0])
    if kind not in (int, str) or any(type(each) is not kind for each in value):
        return False
    ascending = all(a < b for a, b in pairwise(value))
    return ascending and (kind is str or -(2**63) <= value[0] <= value[-1] < 2**63)


def _is_scale(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    numbers = numbers and all(type(each) in (int, float) and abs(each) < 1e300 for each in value)
    return numbers and all(map(isfinite, value)) and value[0] < value[1]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_DEMOGRAPHICS


def _are_columns(value: Any) -> bool:
    pairs = isinstance(value, list) and all(isinstance(each, list) for each in value)
    return pairs and all([type(part) for part in each] == [str, str] for each in value)


def _are_digests(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


# field of catalogue.json -> what it must be, for the reader and in words
FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "item_ids": (_are_ids, "ascending whole numbers, or ascending texts"),
    "scale": (_is_scale, "two numbers, the lower first"),
    "n_demographics": (_is_count, f"0 to {MOST_DEMOGRAPHICS}"),
    "demographics": (_are_columns, "pairs of texts, a name and a value"),
    "sha256": (_are_digests, "names of files and their SHA-256"),
}
