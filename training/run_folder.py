"""A run's folder: made once, never overwritten, used by one process at a time; and its origin.

The origin is what a run was begun with: data, settings, versions, code, device. Equal ones give
bit-identical runs.
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import config as settings
from config import Config, DRRError
from data.files import leftovers, write_text
from data.ratings import Ratings
from training.process import Interrupted, OutOfMemoryError

# may differ when a run is resumed: where things are, what computes them, what is kept
FREE = (
    *("resume", "run_name", "output_root", "data_root", "path", "device", "track"),
    "keep_checkpoints",
)
PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scipy", "gymnasium")
CODE = (":/*.py", ":/requirements.txt")
REFUSED = {
    "data": "the data set is not the one that the run began with; restore it, or start a new run",
    "settings": "config.json was edited since the run began; restore it, or start a new run",
}


class RunFolderError(DRRError):
    """The run folder cannot be used as asked; the message says why and what to do."""


class RunFolder:
    """OUTPUT_ROOT/RUN_NAME, locked by this process until it ends.

    The lock is the operating system's: a process that dies, however it dies, lets go of it. Of
    several workers the first one has the folder, the others only checkpoints of their own.
    """

    def __init__(self, path: Path, worker: int = 0) -> None:
        self.path = path
        self.worker = worker
        self._lock: IO[str] | None = None
        self._new = False

    @property
    def finished(self) -> bool:
        """Whether the run ended by itself: metrics.json is written last."""
        return (self.path / "metrics.json").exists()

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def checkpoints(self) -> Path:
        folder = self.path / "checkpoints"
        return folder / f"worker-{self.worker}" if self.worker else folder

    def create(self, config: Config) -> None:
        """Make the folder, lock it and write config.json; an existing run is an error."""
        if self.config_file.exists():
            state = "a finished" if self.finished else "an unfinished"
            raise RunFolderError(
                f"{self.path}: holds {state} run; nothing is overwritten: choose another --run-name"
                + ("" if self.finished else ", or go on with --resume")
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ours = {self.path / "run.lock", *leftovers(self.path)}
            if found := sorted(path.name for path in self.path.iterdir() if path not in ours):
                raise RunFolderError(
                    f"{self.path}: is not empty ({found[0]}); choose another --run-name"
                )
            self.lock()
            write_text(self.config_file, settings.to_json(config))
        except OSError as error:
            raise self._not_writable(error) from error
        self._new = True

    def resume(self) -> Config:
        """Lock an existing run and return its settings; a finished or missing run is an error.

        A further worker leaves the lock to the first, whose folder it is.
        """
        if not self.config_file.exists():
            raise RunFolderError(
                f"{self.path}: no run to resume; start it without --resume, or check --run-name"
                + (" (all workers need one --output-root that they share)" if self.worker else "")
            )
        if self.finished:
            raise RunFolderError(f"{self.path}: this run is finished; choose another --run-name")
        if not self.worker:
            self.lock()
        return settings.load(self.config_file)

    def lock(self) -> None:
        """Take the folder for this process, and clear away what a killed one left half-written."""
        try:
            lock = (self.path / "run.lock").open("a+")
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise RunFolderError(
                f"{self.path}: in use by process {owner}; wait for it, or choose another --run-name"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        for folder in (self.path, self.checkpoints, *self.checkpoints.glob("worker-*")):
            for temporary in leftovers(folder):
                temporary.unlink(missing_ok=True)

    @contextmanager
    def removed_if_unused(self) -> Iterator[None]:
        """A new run that is refused or stopped before its first checkpoint leaves nothing behind.

        One that failed otherwise stays, to be looked at or gone on with.
        """
        try:
            yield
        except (DRRError, Interrupted) as error:
            failed = isinstance(error, DRRError) and error.status == 1
            kept = failed and not isinstance(error, OutOfMemoryError)
            if self._new and not kept and not self.checkpoints.exists():
                shutil.rmtree(self.path)
            raise

    def _not_writable(self, error: OSError) -> RunFolderError:
        return RunFolderError(
            f"{self.path}: cannot be written ({error.strerror}); choose another --output-root"
        )


def contradictions(asked: Any, saved: Any, prefix: str = "") -> list[str]:
    """Settings that differ from the saved run's, as `--flag asked (the run has saved)`."""
    found = []
    for item in dataclasses.fields(saved):
        new, old = getattr(asked, item.name), getattr(saved, item.name)
        name = f"{prefix}{item.name}".replace("_", "-")
        if dataclasses.is_dataclass(old):
            found += contradictions(new, old, f"{name}.")
        elif new not in (old, "auto") and item.name not in FREE:
            found.append(f"--{name} {new} (the run has {old})")
    return found


def compare_with_origin(folder: RunFolder, ratings: Ratings, device: str) -> None:
    """Keep what a new run begins with; print where a resumed one differs from that.

    Raises:
        RunFolderError: other data or settings than the run began with.
    """
    found = {
        "data": ratings.fingerprint(),
        "settings": hashlib.sha256(folder.config_file.read_bytes()).hexdigest(),
        "git_commit": git_commit(),
        **versions(),
        "device": device,
    }
    path = folder.path / "origin.json"
    if not path.exists():  # new, or killed before, or begun by an earlier version
        write_text(path, json.dumps({"facts": found}, indent=1) + "\n")
    known = json.loads(path.read_text("utf-8"))["facts"]
    for name, value in found.items():
        was = known.get(name, value)
        if value != was and name in REFUSED:
            raise RunFolderError(f"{folder.path}: cannot resume: {REFUSED[name]}")
        if value != was:
            change = f"{name} is {value}, was {was}"
            print(f"train: {change}: not bit-identical to an uninterrupted run", file=sys.stderr)


def versions() -> dict[str, str]:
    """Python's and the libraries' versions."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def git_commit() -> str | None:
    """The checkout's commit, None outside one; with -dirty where Python files differ from it."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        commit, changed = (
            subprocess.check_output([*git, *asked], stderr=subprocess.DEVNULL, text=True).strip()
            for asked in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", *CODE])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changed else commit
