"""What a run says at its start and end, and metrics.json."""

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence

import numpy as np

from baselines import registry
from config import NEW_USERS
from data.errors import DataError
from data.files import write_text
from data.ratings import Ratings
from evaluation.protocols.base import EvaluationProtocol
from evaluation.report import Report, print_report, summarise
from recommender.drr_policy import DRRPolicy
from training.loop import Training, curve_key
from training.monitor import Row
from training.run_folder import git_commit, versions

COMPARED = ("popularity", "random")
QUICK = ("ridge", "user-knn", "ease")
QUICK_WHERE_USERS_LEAVE = ("ridge", "mf", "mf-mmr-price")
MOST_RATINGS, MOST_ITEMS = 2_000_000, 20_000  # above, they would take minutes
MOST_USERS_OR_ITEMS = 6_000  # the fewer of both: EASE inverts a matrix of that size


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
    folder = training.folder.path
    training.agent.save(folder)
    print("evaluating DRR and quick baselines, some seconds each ...", flush=True)
    quick, rivals = find_rivals(training)
    reports = [evaluate(training, name, quick) for name in training.config.protocol]
    for report in reports:
        print_report(report)
        print(verdict(report))
    training.plot(rivals)
    best = training.best
    metrics = {
        "results": {report.protocol: report.as_json() for report in reports},
        "weights": {"kept": "best", "step": best.step} if best else {"kept": "last"},
        "curve": [{k: round(float(v), 6) for k, v in row.items()} for row in training.history],
        "command": shlex.join(["python", "train.py", *argv]),
        "seed": training.config.seed,
        "device": device,
        "workers": training.workers.size,
        "data": {"name": training.ratings.name, "fingerprint": training.ratings.fingerprint()},
        "versions": versions(),
        "git_commit": git_commit(),
        "seconds": round(seconds, 1),
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


def evaluate(training: Training, name: str, quick: Mapping[str, str]) -> Report:
    """DRR beside popularity, random and a quick baseline on the test users, hidden until now."""
    config = training.config
    protocol = training.task.test(name)
    results = {}
    for each in COMPARED + ((quick[name],) if name in quick else ()):
        policy = registry.build(each, protocol.name, protocol.visible, seed=config.seed)
        results[each] = [protocol.run(policy)]
    results["drr"] = [protocol.run(DRRPolicy(training.agent))]
    return summarise(training.ratings.name, protocol, results, trained=("drr",), seed=config.seed)


def find_rivals(training: Training) -> tuple[dict[str, str], dict[str, Row]]:
    """The best quick baseline of each protocol on the validation users, {protocol: name}; and what
    these score there, {name: {key: value}}."""
    found, scores = dict[str, str](), dict[str, Row]()
    known = training.config.agent.demographics == "on" and training.ratings.demographics.any()
    for protocol in training.protocols:
        if best := best_quick(protocol, training.config.seed, bool(known)):
            name, means = best
            found[protocol.name] = name
            row = {curve_key(protocol, key): value for key, value in means.items()}
            scores[name] = scores.get(name, {}) | row
    return found, scores


def best_quick(
    protocol: EvaluationProtocol, seed: int, demographics: bool
) -> tuple[str, dict[str, float]] | None:
    """The name of the best by the protocol's first metric, and its means over users.

    Each in the form that knows the demographics, if the agent does, and follows the answers, where it
    has one. None where they would be slow.
    """
    defined, found = registry.names(protocol.name), dict[str, dict[str, float]]()
    quick = QUICK_WHERE_USERS_LEAVE if protocol.name == "engagement" else QUICK
    for plain in quick if are_quick(protocol.visible) else ():
        fair = plain + registry.DEMOGRAPHICS
        name = fair if demographics and fair in defined else plain
        name += registry.SUFFIX if name + registry.SUFFIX in defined else ""
        try:
            policy = registry.build(name, protocol.name, protocol.visible, seed=seed)
        except DataError:  # it needs more than there is
            continue
        measured = protocol.evaluate(policy).items()
        found[name] = {key: float(values.mean()) for key, values in measured}
    key = protocol.headline_keys[0]
    return max(found.items(), key=lambda row: row[1][key], default=None)


def are_quick(visible: Ratings) -> bool:
    """Whether all three are fitted to these ratings, and played, in seconds."""
    small = visible.n_ratings <= MOST_RATINGS and visible.n_items <= MOST_ITEMS
    return small and min(visible.n_users, visible.n_items) <= MOST_USERS_OR_ITEMS


def verdict(report: Report) -> str:
    """In plain words, whether DRR is ahead of the best baseline in its table."""
    baseline, differences = report.differences["drr"]
    difference = differences[report.keys[0]]
    side = {1: "ahead of", 0: "level with", -1: "BELOW"}[int(np.sign(difference.mean))]
    text = f"In {report.protocol} DRR is {side} {baseline}, by {report.keys[0]}"
    if difference.low <= 0 <= difference.high:
        text += "; so few users cannot tell that from chance"
    return f"{text}." if difference.mean > 0 else f"{text}. What to try: docs/own-data.md"
