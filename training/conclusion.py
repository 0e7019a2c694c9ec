"""What a run says at its start and end, and metrics.json."""

import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from baselines import registry
from config import NEW_USERS
from data.files import write_text
from data.ratings import Ratings
from evaluation.report import Report, make_console, summarise
from recommender.drr_policy import DRRPolicy
from training import run_folder
from training.loop import Training
from training.quick_baselines import verdict
from training.run_folder import RunFolder
from training.workers import Workers

COMPARED = ("popularity", "random")


def compare_with_origin(folder: RunFolder, ratings: Ratings, workers: Workers, device: str) -> None:
    """Say where this process is not what the run began with.

    Raises:
        RunFolderError: where it has other data or settings.
        ClusterError: where another worker has other data.
    """
    found = run_folder.origin_of(folder, ratings)
    workers.require_equal("the data set", str(found["data"]).encode())
    if workers.chief:
        for change in run_folder.record_origin(folder, found | {"device": device}):
            print(f"train: {change}: not bit-identical to an uninterrupted run", file=sys.stderr)


def announce(training: Training, device: str) -> None:
    """What is about to be trained, on what."""
    ratings, task = training.ratings, training.task
    print(
        f"{ratings.name}: {ratings.n_users:,} users, {ratings.n_items:,} items, {ratings.n_ratings:,} "
        f"ratings; {task.summary}\n"
        f"{training.config.preset} preset, {training.config.agent.state}, "
        f"{training.table.kind} embedding, {device}; run folder {training.folder.path}"
    )


def conclude(training: Training, device: str, argv: Sequence[str], seconds: float) -> None:
    """Evaluate on the test users, print the tables, write what a finished run keeps.

    Its checkpoints go, since nothing goes on from them, unless `--loop.keep-checkpoints`.
    """
    folder, console = training.folder.path, make_console()
    training.agent.save(folder)
    print("evaluating DRR and quick baselines, some seconds each ...", flush=True)
    rivals = training.find_rivals()
    reports = [evaluate(training, name, rivals) for name in training.config.protocol]
    for report in reports:
        console.print(report.as_table())
        for line in report.difference_lines():
            console.print(line)
        console.print(verdict(report))
    training.plot()
    curve = [{k: round(float(v), 6) for k, v in row.items()} for row in training.history]
    metrics = {
        "results": {report.protocol: report.as_json() for report in reports},
        "weights": {"kept": "last"} if training.best is None else training.best.summary(),
        "curve": curve,
        **provenance(training, device, argv),
        "seconds": round(seconds, 1),
        "seconds_saving": round(training.seconds_saving, 2),
    }
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    if not training.config.loop.keep_checkpoints:
        shutil.rmtree(training.folder.checkpoints, ignore_errors=True)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    print(
        f"{seconds:.0f} s. Written to {folder}, {megabytes:.1f} MB: actor, critic, state and "
        "embedding .weights.h5, config.json, metrics.json, progress.png, tensorboard/\n"
        f"Compare with more baselines: {evaluate_command(training)}"
    )


def evaluate_command(training: Training) -> str:
    """The evaluate.py command for this run, which finds its data in config.json."""
    command = ["python", "evaluate.py"]
    if training.config.protocol[0] not in NEW_USERS:
        command += ["--protocol", *training.config.protocol]
    return shlex.join([*command, "--policies", "all", "--weights", str(training.folder.path)])


def evaluate(training: Training, name: str, rivals: Mapping[str, str]) -> Report:
    """DRR beside popularity, random and the protocol's rival on the test users, hidden until now."""
    config = training.config
    protocol = training.task.test(name)
    compared = COMPARED + ((rivals[name],) if name in rivals else ())
    policies = {
        name: registry.build(name, protocol.name, protocol.visible, seed=config.seed)
        for name in compared
    }
    results = {name: [protocol.run(policy)] for name, policy in policies.items()}
    results["drr"] = [protocol.run(DRRPolicy(training.agent))]
    return summarise(training.ratings.name, protocol, results, trained=("drr",), seed=config.seed)


def provenance(training: Training, device: str, argv: Sequence[str]) -> dict[str, Any]:
    """What is needed to repeat the run."""
    return {
        "command": shlex.join(["python", "train.py", *argv]),
        "seed": training.config.seed,
        "device": device,
        "workers": training.workers.size,
        "data": {"name": training.ratings.name, "fingerprint": training.ratings.fingerprint()},
        "versions": run_folder.versions(),
        "git_commit": run_folder.git_commit(),
        "changed_on_resume": run_folder.read_origin(training.folder)["changed"],
    }
