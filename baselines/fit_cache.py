"""Fitted baselines on disk, so that the second evaluation need not fit them again."""

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Self

import numpy as np

from data.ratings import Ratings

CACHE_FORMAT = "3"  # raise it when what a baseline fits changes, so that old files are not read


class Keepable:
    """A baseline whose fit is the arrays and numbers in the attributes named by `fitted`."""

    fitted: tuple[str, ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything fitted, for the cache."""
        return {name: np.asarray(getattr(self, name)) for name in self.fitted}

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """What `arrays` gave after fitting the same ratings."""
        for name in self.fitted:
            value = arrays[name]
            setattr(self, name, value if value.ndim else value.item())
        return self


def fit(policy: Any, visible: Ratings, folder: Path | None) -> Any:
    """The policy, fitted; one with `arrays` and `restore` is read from the folder or written to it.

    One file for each split and set of parameters, defaults and seed included; an ensemble's members
    are fitted one by one, so that rows with equal members share the work.
    """
    if folder is None:
        return policy.fit(visible)
    if hasattr(policy, "members"):
        for member in policy.members:
            fit(member, visible, folder)
        return policy
    if not hasattr(policy, "arrays"):
        return policy.fit(visible)
    return _fit_kept(policy, visible, _file(folder, policy, visible))


def settings_of(unfitted: Any) -> str:
    """The class and what its constructor set, its defaults and seed too, apart from its name."""
    parameters = {name: value for name, value in vars(unfitted).items() if name != "name"}
    if not getattr(unfitted, "fits_history", True):
        parameters.pop("history")
    chosen = ", ".join(f"{name}={value!r}" for name, value in sorted(parameters.items()))
    return f"{type(unfitted).__name__}({chosen})"


def _file(folder: Path, unfitted: Any, visible: Ratings) -> Path:
    key = "\n".join([CACHE_FORMAT, settings_of(unfitted), visible.fingerprint()])
    return folder / f"{unfitted.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _fit_kept(policy: Any, visible: Ratings, path: Path) -> Any:
    """Read the fitted arrays; if there are none, or they are damaged, fit and write them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return policy.restore(dict(file), visible)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        policy.fit(visible)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **policy.arrays())
        os.replace(temporary, path)  # a crash leaves no half-written file behind
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return policy
