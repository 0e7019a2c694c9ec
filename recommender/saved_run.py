"""A run's folder, read and written: config.json, catalogue.json and four weight files."""

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from config import ConfigError, DRRError, load, read_json
from data.errors import quote
from data.files import WEIGHTS_SUFFIX, write_text
from data.ratings import Catalogue
from embedding.table import EmbeddingTable
from recommender.weights import load_weights, save_weights

FINISHED = "give the folder of a finished run, or finish this one with train.py --resume"
MOST_DEMOGRAPHICS = 65_536  # more would be a damaged file, and fill the memory

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
        for name, wanted in FIELDS.items():
            if not _fits(name, values.get(name)):
                found = quote(values[name]) if name in values else "missing"
                raise RunError(
                    f"{source}: field {name!r} is {found}, expected {wanted}; "
                    "restore the file, or train again"
                )
        columns, count = values["demographics"], values["n_demographics"]
        if len(columns) not in (0, count):
            raise RunError(
                f"{source}: field 'demographics' names {len(columns)} features, n_demographics is "
                f"{count}; restore the file"
            )
        low, high = values["scale"]
        self.item_ids: NDArray[np.int64] | NDArray[np.str_] = np.array(values["item_ids"])
        self.scale = (float(low), float(high))
        self.titles: tuple[str, ...] = ()
        self.demographics = np.zeros((0, count), np.float32)
        self.demographic_columns = tuple((name, value) for name, value in columns)
        self.digests: dict[str, str] = values["sha256"]


class SavedRun:
    """The folder of a finished run: its settings, catalogue and embedding, and then its networks.

    Raises:
        RunError, ConfigError, EmbeddingError: ValueErrors all, which say what does not fit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "config.json").is_file():
            raise RunError(f"{folder}: no config.json; give the folder that train.py wrote")
        self.config = load(folder / "config.json")
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
            if self.catalogue.digests.get(name) not in (None, _digest(path)):
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
            raise RunError(
                f"{self.folder}: trained {different}; use the data set that it was trained on"
            )

    def load_into(self, models: Models) -> None:
        """The run's weights, into models built from its settings; WeightsError if they differ."""
        for name, each in models.items():
            load_weights(_one_model(each), self.folder / f"{name}{WEIGHTS_SUFFIX}")


def save_run(folder: Path, models: Models, table: EmbeddingTable, catalogue: Catalogue) -> None:
    """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json, each atomically."""
    for name, each in models.items():
        save_weights(_one_model(each), folder / f"{name}{WEIGHTS_SUFFIX}")
    table.save(folder / "embedding.weights.h5")
    saved = {
        "item_ids": catalogue.item_ids.tolist(),
        "scale": list(catalogue.scale),
        "n_demographics": catalogue.demographics.shape[1],
        "demographics": [list(map(str, pair)) for pair in catalogue.demographic_columns],
        "sha256": {path.name: _digest(path) for path in sorted(folder.glob(f"*{WEIGHTS_SUFFIX}"))},
    }
    write_text(folder / "catalogue.json", json.dumps(saved, allow_nan=False) + "\n")


class Bundle(keras.Model):
    """Several models in one weights file, each under its own name."""

    def __init__(self, models: list[keras.Model]) -> None:
        super().__init__()
        for model in models:
            setattr(self, model.name, model)
        self.built = True


def _one_model(models: list[keras.Model]) -> keras.Model:
    return models[0] if len(models) == 1 else Bundle(models)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# field of catalogue.json -> what it must be
FIELDS = {
    "item_ids": "ascending whole numbers, or ascending texts",
    "scale": "two numbers, the lower first",
    "n_demographics": f"0 to {MOST_DEMOGRAPHICS}",
    "demographics": "pairs of texts, a name and a value",
    "sha256": "names of files and their SHA-256",
}


def _fits(field: str, value: Any) -> bool:
    match field, value:
        case "item_ids", [first, *_]:
            kinds = {type(each) for each in value}
            alike = kinds in ({int}, {str}) and all(a < b for a, b in pairwise(value))
            return alike and (kinds == {str} or -(2**63) <= first <= value[-1] < 2**63)
        case "scale", [int() | float() as low, int() | float() as high]:
            return -1e300 < low < high < 1e300
        case "n_demographics", int():
            return type(value) is int and 0 <= value <= MOST_DEMOGRAPHICS
        case "demographics", list():
            kinds_of = [[type(part) for part in pair] for pair in value if isinstance(pair, list)]
            return kinds_of == [[str, str]] * len(value)
        case "sha256", dict():
            return all(isinstance(digest, str) for digest in value.values())
    return False
