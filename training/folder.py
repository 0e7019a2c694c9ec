"""The run's folder: made once, never overwritten, used by one process at a time."""

import dataclasses
import fcntl
import os
import shutil
from pathlib import Path
from typing import IO, Any

import config as settings
from config import Config
from data.files import leftovers, write_text

# may differ when a run is resumed: where things are, and what computes them
FREE = ("resume", "run_name", "output_root", "data_root", "path", "device")


class RunFolderError(ValueError):
    """The run folder cannot be used as asked; the message says why and what to do."""


class RunFolder:
    """OUTPUT_ROOT/RUN_NAME, locked by this process until it ends.

    The lock is the operating system's: a process that dies, however it dies, lets go of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def finished(self) -> bool:
        """Whether the run ended by itself: metrics.json is written last."""
        return (self.path / "metrics.json").exists()

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def part(self) -> Path:
        """Where only this process writes: all of the folder, or a worker's part of it."""
        return self.path

    @property
    def checkpoints(self) -> Path:
        return self.part / "checkpoints"

    def create(self, config: Config) -> None:
        """Make the folder, lock it and write config.json; an existing run is an error."""
        if self.config_file.exists():
            state = "a finished" if self.finished else "an unfinished"
            advice = "choose another --run-name"
            raise RunFolderError(
                f"{self.path}: holds {state} run; nothing is overwritten: {advice}"
                + ("" if self.finished else ", or go on with --resume")
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ours = {self.path / "run.lock", *leftovers(self.path)}
            found = sorted(path.name for path in self.path.iterdir() if path not in ours)
            if found:
                raise RunFolderError(
                    f"{self.path}: is not empty ({found[0]}); choose another --run-name"
                )
            self.lock()
            write_text(self.config_file, settings.to_json(config))
        except OSError as error:
            raise self._not_writable(error) from error

    def resume(self) -> Config:
        """Lock an existing run and return its settings; a finished or missing run is an error."""
        if not self.config_file.exists():
            raise RunFolderError(
                f"{self.path}: no run to resume; start it without --resume, or check --run-name"
            )
        if self.finished:
            raise RunFolderError(f"{self.path}: this run is finished; choose another --run-name")
        self.lock()
        return settings.load(self.config_file)

    def join(self, config: Config) -> None:
        """Called when all workers are up; the chief has the folder already."""

    def discard(self) -> None:
        """Take back a folder in which nothing was trained yet; one with checkpoints stays."""
        if not self.checkpoints.exists():
            shutil.rmtree(self.path)

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
        for temporary in [*leftovers(self.path), *leftovers(self.checkpoints)]:
            temporary.unlink(missing_ok=True)

    def _not_writable(self, error: OSError) -> RunFolderError:
        return RunFolderError(
            f"{self.path}: cannot be written ({error.strerror}); choose another --output-root"
        )


class JoinedFolder(RunFolder):
    """A run's folder for a worker beside the chief: it reads the settings, and has a part of its own.

    The part is PATH/workers/INDEX, with a lock and checkpoints; nothing else is written.
    """

    def __init__(self, path: Path, index: int) -> None:
        super().__init__(path)
        self._own = RunFolder(path / "workers" / str(index))

    @property
    def part(self) -> Path:
        return self._own.path

    def create(self, config: Config) -> None:
        """Nothing: the chief does."""

    def join(self, config: Config) -> None:
        """Take this worker's part, if the chief's run is the one that was asked for."""
        if not self.config_file.exists():
            raise RunFolderError(
                f"{self.path}: the chief's run is not there; give all workers the same "
                "--output-root, in a file system that they share"
            )
        chief = settings.load(self.config_file)
        changed = contradictions(config, chief)
        if changed:
            raise RunFolderError(
                f"{self.path}: the chief has other settings: {', '.join(changed)}; start all "
                "workers with the same command"
            )
        try:
            self.part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error
        self._own.lock()

    def lock(self) -> None:
        """Nothing: the chief does, and `join` takes the part."""

    def discard(self) -> None:
        """Nothing: the chief does."""


def contradictions(asked: Any, saved: Any, prefix: str = "") -> list[str]:
    """Settings that differ from the saved run's, as `--flag asked (the run has saved)`."""
    found = []
    for item in dataclasses.fields(saved):
        new, old = getattr(asked, item.name), getattr(saved, item.name)
        name = f"{prefix}{item.name}".replace("_", "-")
        if dataclasses.is_dataclass(old):
            found += contradictions(new, old, f"{name}.")
        elif new != old and item.name not in FREE:
            found.append(f"--{name} {new} (the run has {old})")
    return found
