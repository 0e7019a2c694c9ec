"""Train DRR: data -> embedding -> environments -> agent -> loop -> weights, metrics, plots.

    python train.py                      the documented main experiment
    python train.py --help               every knob, explained
    python train.py --preset paper       the plain Algorithm 1 of the paper
    TF_CONFIG=... python train.py        one of several workers, see docs/performance.md

Exit status: 0 finished, 1 failed while running, 2 unusable arguments, data or workers, 130 or 143
stopped by Ctrl-C or SIGTERM; what is printed then goes on with the run.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import tyro

import config as settings
from config import Config, ConfigError, CsvConfig, Dataset
from config.command_line import until_nobody_reads
from training.process import Interrupted, stop_at_once

if TYPE_CHECKING:
    from data.ratings import Ratings
    from training.run_folder import RunFolder
    from training.workers import Workers


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        with stop_at_once():
            return prepare_and_run(argv)
    except Interrupted as stop:
        print(f"stopped by {stop} before the run began", file=sys.stderr)
        return 128 + stop.signal


def prepare_and_run(argv: Sequence[str]) -> int:
    """Settings, data and folder, then the run; unusable ones end here."""
    try:
        asked = with_saved_data(parse(argv))
        from data import DataError, load_dataset
        from training.run_folder import RunFolderError
        from training.workers import from_environment

        workers = from_environment()
    except ConfigError as error:
        return fail(error, 2)
    try:
        ratings = load_dataset(asked.dataset, asked.data_root, csv=asdict(asked.csv))
        config, folder = open_folder(asked, argv, ratings, workers)
    except (ConfigError, DataError, RunFolderError) as error:
        return fail(error, 2)
    try:
        return run(config, ratings, folder, workers, argv)
    except Interrupted as stop:
        state = "everything is saved" if stop.saved else "the last checkpoint stays"
        print(f"stopped by {stop}; {state}. Go on with:", file=sys.stderr)
        print(f"  {resume_command(argv)}", file=sys.stderr)
        return 128 + stop.signal


def parse(argv: Sequence[str], default: Config | None = None) -> Config:
    """The settings: a preset, then the flags. tyro exits with 2 and a suggestion on a bad flag."""
    if default is None:
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        finder.add_argument("--preset", default="best")
        finder.add_argument("--protocol", nargs="+", default=settings.NEW_USERS)
        try:
            found = finder.parse_known_args(list(argv))[0]
            name, protocol = found.preset, found.protocol
        except argparse.ArgumentError:
            name, protocol = "best", settings.NEW_USERS  # tyro says what is wrong with it
        default = settings.preset("paper" if name == "paper" else "best", protocol)
    return tyro.cli(Config, args=argv, default=default, prog="train.py")


def with_saved_data(asked: Config) -> Config:
    """When a named run is resumed, its data stand in for what is not given."""
    saved_file = Path(asked.output_root) / (asked.run_name or "") / "config.json"
    if not (asked.resume and asked.run_name and saved_file.is_file()):
        return asked
    saved = settings.load(saved_file)
    dataset = saved.dataset if asked.dataset == "auto" else asked.dataset
    csv = saved.csv if asked.csv == CsvConfig() else asked.csv
    return replace(asked, dataset=dataset, csv=csv, data_root=asked.data_root or saved.data_root)


def open_folder(
    asked: Config, argv: Sequence[str], ratings: "Ratings", workers: "Workers"
) -> tuple[Config, "RunFolder"]:
    """The run's folder, locked, and its resolved settings: new ones, or the resumed run's."""
    from training.run_folder import JoinedFolder, RunFolder, RunFolderError, contradictions

    kind = "" if asked.new_users else f"-{asked.protocol[0]}"
    name = asked.run_name or f"{ratings.name}{kind}-{asked.preset}-seed{asked.seed}"
    path = Path(asked.output_root) / name
    folder = RunFolder(path) if workers.chief else JoinedFolder(path, workers.index)
    dataset = ratings.name if asked.dataset == "auto" else asked.dataset
    config = replace(asked, run_name=name, dataset=cast(Dataset, dataset))
    if not asked.resume:
        workers.share(config)  # or an error, before anything is written
        folder.create(config)
        return config, folder
    saved = folder.resume()
    again = replace(parse(argv, default=saved), dataset=saved.dataset)
    changed = contradictions(again, saved)
    if changed:
        raise RunFolderError(
            f"{folder.path}: cannot resume with other settings: {', '.join(changed)}"
        )
    if dataset != saved.dataset:
        raise RunFolderError(f"{folder.path}: trained on {saved.dataset}, not on {dataset}")
    return replace(saved, device=again.device, data_root=asked.data_root), folder


def resume_command(argv: Sequence[str]) -> str:
    """What goes on with the run that `argv` began."""
    kept = [word for word in argv if word != "--resume"]
    return shlex.join(["python", "train.py", *kept, "--resume"])


def run(
    config: Config,
    ratings: "Ratings",
    folder: "RunFolder",
    workers: "Workers",
    argv: Sequence[str],
) -> int:
    """Train, save, report. TensorFlow is imported here, when the folder and config.json exist."""
    began = time.perf_counter()
    from training.cluster import ClusterError
    from training.process import DeviceError, one_memory_error, select_device
    from training.run_folder import RunFolderError

    try:
        device = select_device(config.device)
        workers.connect()
        folder.join(config)
    except (DeviceError, ClusterError, RunFolderError) as error:
        folder.discard()
        return fail(error, 2)
    from data import DataError
    from embedding.table import EmbeddingError
    from training.checkpoint import CheckpointError
    from training.monitor import Diverged
    from training.loop import Training
    from training.conclusion import announce, conclude
    from training.tasks import check_test_part

    advice = f"Start all workers again, to go on, with:\n  {resume_command(argv)}"
    try:
        with one_memory_error(), workers.losses_reported(advice):
            compare_with_origin(folder, ratings, workers, device)
            check_test_part(config, ratings)
            training = Training(config, ratings, folder, workers)
            if training.restore():
                print(f"resumed at step {training.iteration * training.per_iteration:,}")
            announce(training, device)
            training.run()
            if workers.chief:
                training.agent.save(folder.path)
                conclude(training, device, argv, time.perf_counter() - began)
            workers.meet()
    except (DataError, ConfigError, MemoryError) as error:
        folder.discard()
        return fail(error, 1 if isinstance(error, MemoryError) else 2)
    except RunFolderError as error:
        return fail(error, 2)
    except (Diverged, ClusterError, CheckpointError, EmbeddingError) as error:
        return fail(error, 1)
    except BrokenPipeError:  # nobody reads on: the command ends, see config.command_line
        raise
    except OSError as error:
        hint = "free space or check permissions, then go on with --resume: checkpoints are intact"
        return fail(OSError(f"{error}; {hint}"), 1)
    return 0


def compare_with_origin(
    folder: "RunFolder", ratings: "Ratings", workers: "Workers", device: str
) -> None:
    """Say where this process is not what the run began with; refuse other data, and other workers'."""
    from training import origin

    facts = origin.facts(folder, ratings)
    workers.require_equal("the data set", str(facts["data"]).encode())
    for change in origin.pin(folder, facts | {"device": device}):
        print(f"train: {change}: not bit-identical to an uninterrupted run", file=sys.stderr)


def fail(error: Exception, status: int) -> int:
    """One message on stderr; returns the exit status."""
    print(f"train: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    with until_nobody_reads():
        sys.exit(main())
