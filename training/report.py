"""What a run says at its start and end, and metrics.json."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from baselines import registry
from data.files import write_text
from evaluation.report import Report, make_console, summarise
from recommender.policy import DRRPolicy
from training import origin
from training.logs import plot, summary_row
from training.loop import Training

COMPARED = ("popularity", "random")


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
    """Evaluate on the test users, print the tables, write metrics.json and the last plot."""
    folder, console = training.folder.path, make_console()
    reports = [evaluate(training, name) for name in training.config.protocol]
    for report in reports:
        console.print(report.as_table())
        for line in report.difference_lines():
            console.print(line)
    plot(training.history, folder / "progress.png")
    metrics = {
        "results": {report.protocol: report.as_json() for report in reports},
        "weights": {"kept": "last"} if training.best is None else training.best.summary(),
        "curve": [summary_row(row) for row in training.history],
        **facts(training, device, argv),
        "seconds": round(seconds, 1),
        "seconds_saving": round(training.seconds_saving, 2),
    }
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    print(
        f"{seconds:.0f} s. Written to {folder}: actor, critic, state and embedding .weights.h5, "
        "config.json, metrics.json, progress.png, tensorboard/\n"
        f"Compare with more baselines: {evaluate_command(training)}"
    )


def evaluate_command(training: Training) -> str:
    """The evaluate.py command for this run, which finds its data in config.json."""
    command = ["python", "evaluate.py"]
    if not training.config.new_users:
        command += ["--protocol", *training.config.protocol]
    return shlex.join([*command, "--policies", "all", "--weights", str(training.folder.path)])


def evaluate(training: Training, name: str) -> Report:
    """DRR beside popularity and random on the test users, who were hidden until now."""
    config = training.config
    protocol = training.task.test(name)
    policies = {
        name: registry.build(name, protocol.name, protocol.visible, seed=config.seed)
        for name in COMPARED
    }
    results = {name: [protocol.run(policy)] for name, policy in policies.items()}
    results["drr"] = [protocol.run(DRRPolicy(training.agent))]
    return summarise(training.ratings.name, protocol, results, trained=("drr",), seed=config.seed)


def facts(training: Training, device: str, argv: Sequence[str]) -> dict[str, Any]:
    """What is needed to repeat the run."""
    return {
        "command": shlex.join(["python", "train.py", *argv]),
        "seed": training.config.seed,
        "device": device,
        "workers": training.workers.size,
        "data": {"name": training.ratings.name, "fingerprint": training.ratings.fingerprint()},
        "versions": origin.versions(),
        "git_commit": origin.git_commit(),
        "changed_on_resume": origin.read(training.folder)["changed"],
    }
