"""catalogue.json: what a run remembers of its data set and of its other files, checked when read."""

import hashlib
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import ConfigError, DRRError, read_json
from recommender.history import Catalogue

FINISHED = "give the folder of a finished run, or finish this one with train.py --resume"
MOST_DEMOGRAPHICS = 65_536  # more would be a damaged file, and fill the memory


class RunError(DRRError):
    """A run folder that cannot be used as asked; the message says why and what to do."""


def facts(catalogue: Catalogue, run_dir: Path) -> dict[str, Any]:
    """What `SavedCatalogue` reads; the weights must be there already."""
    return {
        "item_ids": catalogue.item_ids.tolist(),
        "scale": list(catalogue.scale),
        "n_demographics": catalogue.demographics.shape[1],
        "sha256": {path.name: _digest(path) for path in sorted(run_dir.glob("*.weights.h5"))},
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class SavedCatalogue:
    """Item ids, rating range and number of demographic features; RunError names a bad field.

    digests: {file: SHA-256} of the run's weights; {} in runs of the first version.
    """

    def __init__(self, source: Path) -> None:
        try:
            values = read_json(source)
        except ConfigError as error:
            raise RunError(f"{error}; {FINISHED}") from error
        expected = {
            "item_ids": (_are_ids, "ascending whole numbers, or ascending texts"),
            "scale": (_is_scale, "two numbers, the lower first"),
            "n_demographics": (_is_count, f"0 to {MOST_DEMOGRAPHICS}"),
            "sha256": (_are_digests, "names of files and their SHA-256"),
        }
        if not isinstance(values, dict):
            raise RunError(f"{source}: is {_short(values)}, expected {', '.join(expected)}")
        values = {"sha256": {}, **values}
        for name, (fits, wanted) in expected.items():
            value = values.get(name)
            if not fits(value):
                found = "missing" if value is None else _short(value)
                raise RunError(
                    f"{source}: field {name!r} is {found}, expected {wanted}; "
                    "restore the file, or train again"
                )
        self.item_ids: NDArray[np.int64] | NDArray[np.str_] = np.array(values["item_ids"])
        self.scale: tuple[float, float] = (float(values["scale"][0]), float(values["scale"][1]))
        self.n_demographics: int = values["n_demographics"]
        self.digests: dict[str, str] = values["sha256"]
        self.titles: tuple[str, ...] = ()
        self.demographics = np.zeros((0, self.n_demographics), np.float32)

    def check(self, run_dir: Path, catalogue: Catalogue) -> None:
        """RunError unless the data set is the one that the run was trained on."""
        advice = "pass the run's own data set with --dataset"
        if not np.array_equal(self.item_ids, catalogue.item_ids):
            raise RunError(
                f"{run_dir}: trained on {len(self.item_ids)} items, the data set has "
                f"{len(catalogue.item_ids)} or other ids; {advice}"
            )
        if self.n_demographics != catalogue.demographics.shape[1]:
            raise RunError(
                f"{run_dir}: trained with {self.n_demographics} demographic features, the data set "
                f"has {catalogue.demographics.shape[1]}; {advice}"
            )
        if self.scale != tuple(catalogue.scale):
            raise RunError(
                f"{run_dir}: trained on ratings {self.scale}, the data set has {catalogue.scale}; "
                f"{advice}"
            )

    def check_files(self, run_dir: Path) -> None:
        """RunError unless the weights are those that were saved, byte by byte."""
        for name, expected in self.digests.items():
            path = run_dir / Path(name).name
            if not path.is_file() or _digest(path) != expected:
                raise RunError(
                    f"{path}: damaged, or not the file that was saved (SHA-256 in catalogue.json); "
                    "restore it, or train again"
                )


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


def _are_digests(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
