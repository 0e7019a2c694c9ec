"""What a run was begun with, kept beside it: data, settings, versions, code, device.

Equal ones give bit-identical runs. A resumed run is compared with them: other data or settings are
refused, another version, commit or device is said and recorded, for metrics.json to tell.
"""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from data.files import write_text
from data.ratings import Ratings
from training.folder import RunFolder, RunFolderError

PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scipy", "gymnasium")
CODE = (":/*.py", ":/requirements.txt")
REFUSED = {
    "data": "the data set is not the one that the run began with; restore it, or start a new run",
    "settings": "config.json was edited since the run began; restore it, or start a new run",
}

Facts = dict[str, str | None]


def facts(folder: RunFolder, ratings: Ratings) -> Facts:
    """Everything that decides the numbers of a run, the device aside; no TensorFlow needed."""
    return {
        "data": ratings.fingerprint(),
        "settings": hashlib.sha256(folder.config_file.read_bytes()).hexdigest(),
        "git_commit": git_commit(),
        **versions(),
    }


def versions() -> Facts:
    """Python's and the libraries' versions."""
    found: Facts = {"python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """The checkout's commit, None outside one; with -dirty where Python files differ from it."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        commit, changed = git("rev-parse", "HEAD"), git("status", "--porcelain", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit


def pin(folder: RunFolder, found: Facts) -> list[str]:
    """Record facts that are new, compare the others; returns those that changed, in words.

    Raises:
        RunFolderError: other data or settings than the run began with.
    """
    path = folder.part / "origin.json"
    saved = read(folder)
    known: Facts = saved["facts"]
    for name, reason in REFUSED.items():
        if name in found and name in known and found[name] != known[name]:
            raise RunFolderError(f"{folder.path}: cannot resume: {reason}")
    changed = [
        f"{name} is {value}, was {known[name]}"
        for name, value in found.items()
        if name in known and known[name] != value
    ]
    saved = {
        "facts": found | known,
        "changed": list(dict.fromkeys([*saved["changed"], *changed])),
    }
    write_text(path, json.dumps(saved, indent=1) + "\n")
    return changed


def read(folder: RunFolder) -> dict[str, Any]:
    """The run's first facts, and what was different in later resumptions."""
    path = folder.part / "origin.json"
    if not path.exists():  # the run was killed before, or begun by an earlier version
        return {"facts": {}, "changed": []}
    try:
        saved: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return {"facts": dict(saved["facts"]), "changed": list(saved["changed"])}
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{path}: damaged ({error}); restore it, or start a new run"
        ) from error
