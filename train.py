"""Train DRR: data -> embedding -> environments -> agent -> loop -> weights, metrics, plots.

    python train.py                      the documented main experiment
    python train.py --help               every knob, explained
    python train.py --preset paper       the plain Algorithm 1 of the paper
    TF_CONFIG=... python train.py        one of several workers, see training/workers.py

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

import config as settings
from config import Config, CsvConfig, Dataset, DRRError, in_flags
from config.command_line import OF_TRAINING, read_arguments
from training.process import (
    SIGNALLED,
    Interrupted,
    check_tracking,
    leave,
    machine_faults,
    select_device,
    signals_handled_by,
    stop_at_once,
    stop_later,
)

if TYPE_CHECKING:
    from data.ratings import Ratings
    from training.run_folder import RunFolder
    from training.workers import Workers

LOADED = "stopping when the libraries are loaded"  # their C++ may abort where Python raises in it
ELSEWHERE = {flag: f"it is {name}" for flag, name in OF_TRAINING.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. An error is one message on stderr."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        with signals_handled_by(stop_at_once):
            return prepare_and_run(argv)
    except DRRError as error:
        print(f"train: {in_flags(error)}", file=sys.stderr)
        return error.status
    except Interrupted as stop:
        print(f"stopped by {stop} before the first checkpoint; nothing is left", file=sys.stderr)
        return SIGNALLED + stop.signal


def prepare_and_run(argv: Sequence[str]) -> int:
    """Settings, workers, data and folder, then the run."""
    asked = with_saved_data(parse(argv))
    check_tracking(asked)
    with stop_later(LOADED):
        from data import load_dataset
        from training.workers import workers_from_environment

    workers = workers_from_environment()
    workers.share(asked)  # or an error, before they wait for each other
    advice = f"Start all workers again, to go on, with:\n  {resume_command(argv)}"
    workers.connect(asked.device)
    with workers.losses_reported(advice):
        print(f"reading the data, {asked.csv.path or asked.dataset} ...", flush=True)
        ratings = load_dataset(asked.dataset, asked.data_root, csv=asdict(asked.csv))
        with workers.chief_first():
            config, folder = open_folder(asked, argv, ratings, workers)
        try:
            with folder.removed_if_unused():
                run(config, ratings, folder, workers, argv)
        except Interrupted as stop:
            if not folder.path.exists():
                raise
            state = "everything is saved" if stop.saved else "the last checkpoint stays"
            print(f"stopped by {stop}; {state}. Go on with:", file=sys.stderr)
            print(f"  {resume_command(argv)}", file=sys.stderr)
            return SIGNALLED + stop.signal
    return 0


def parse(argv: Sequence[str], default: Config | None = None) -> Config:
    """The settings: a preset, then the flags."""
    if default is None:
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        finder.add_argument("--preset", default="best")
        finder.add_argument("--protocol", nargs="+", default=settings.NEW_USERS)
        try:
            found = finder.parse_known_args(list(argv))[0]
        except argparse.ArgumentError:
            found = finder.parse_args([])  # tyro says what is wrong with it
        default = settings.preset("paper" if found.preset == "paper" else "best", found.protocol)
    return read_arguments(Config, argv, default=default, prog="train.py", elsewhere=ELSEWHERE)


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
    """The run's folder, locked, and its resolved settings: new ones, or the run's that is there.

    A worker beside the chief finds the chief's.
    """
    from training.run_folder import RunFolder, RunFolderError, contradictions

    first = asked.protocol[0]
    kind = "" if first in settings.NEW_USERS else f"-{first}"
    name = asked.run_name or f"{ratings.name}{kind}-{asked.preset}-seed{asked.seed}"
    folder = RunFolder(Path(asked.output_root) / name, workers.index)
    dataset = ratings.name if asked.dataset == "auto" else asked.dataset
    if workers.chief and not asked.resume:
        config = replace(asked, run_name=name, dataset=cast(Dataset, dataset))
        folder.create(config)
        return config, folder
    saved = folder.resume()
    again = replace(parse(argv, default=saved), dataset=saved.dataset)
    if changed := contradictions(again, saved):
        raise RunFolderError(
            f"{folder.path}: cannot resume with other settings: {', '.join(changed)}"
        )
    if dataset != saved.dataset:
        raise RunFolderError(f"{folder.path}: trained on {saved.dataset}, not on {dataset}")
    kept = replace(saved.loop, keep_checkpoints=again.loop.keep_checkpoints)
    free = replace(saved, device=again.device, track=again.track, data_root=asked.data_root)
    return replace(free, loop=kept), folder


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
) -> None:
    """Train, save, report. TensorFlow is imported here, when the folder and config.json exist."""
    began = time.perf_counter()
    with stop_later(LOADED):
        device = select_device(config.device)
        from training.auto import settle
        from training.conclusion import announce, conclude
        from training.loop import Training
        from training.run_folder import compare_with_origin
        from training.tasks import check_test_part

    with machine_faults():
        check_test_part(config, ratings)
        with workers.chief_first():
            config = settle(config, ratings, folder)
        workers.require_equal("the data set", ratings.fingerprint().encode())
        if workers.chief:
            compare_with_origin(folder, ratings, device)
        training = Training(config, ratings, folder, workers)
        if training.restore():
            print(f"resumed at step {training.iteration * training.per_iteration:,}")
        announce(training, device)
        training.run()
        if workers.chief:
            conclude(training, device, argv, time.perf_counter() - began)
        workers.gather([0])  # all end together


if __name__ == "__main__":
    leave(main())
