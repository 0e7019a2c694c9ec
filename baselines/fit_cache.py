"""Fitted baselines on disk, so that the second evaluation need not fit them again."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from data.files import replacing
from data.ratings import Ratings

CACHE_FORMAT = "5"  # raise it when what a baseline fits changes, so that old files are not read


class Keepable:
    """A baseline whose fit is the arrays and numbers in the attributes named by `fitted`."""

    fitted: ClassVar[tuple[str, ...]]

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
    if hasattr(policy, "members"):
        for member in policy.members:
            fit(member, visible, folder)
        return policy
    if folder is None or not hasattr(policy, "arrays"):
        return policy.fit(visible)
    settings = {name: value for name, value in vars(policy).items() if name != "name"}
    if not getattr(policy, "fits_history", True):
        settings.pop("history")
    chosen = ", ".join(f"{name}={value!r}" for name, value in sorted(settings.items()))
    unfitted = f"{type(policy).__name__}({chosen})"
    key = "\n".join([CACHE_FORMAT, unfitted, visible.fingerprint()])
    kind = type(policy).__name__.lower()  # not its name: rows with equal members share the file
    path = folder / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return policy.restore(dict(file), visible)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):  # none, or damaged
        policy.fit(visible)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as written:
        np.savez(written, **policy.arrays())
    return policy
