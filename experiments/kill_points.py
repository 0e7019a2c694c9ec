"""kill -9 at many moments of a run: resumed, each must end as the run that nobody killed.

    python -m experiments.kill_points --points 20

Half of the moments are random times between the start of `train.py` and its end. Those seldom meet a
file that is half-written, so the other half are random file operations in the run's folder: the process
kills itself right before it opens, renames or removes a file there. Exit status 1 where a run differs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro

from config.command_line import until_nobody_reads
from data.files import leftovers, write_text
from embedding.hdf5 import read_hdf5

NAME = "run"
OPERATIONS = ("open", "os.mkdir", "os.remove", "os.rename")
# A small run with every part of a large one; it saves after every tenth of its hundred iterations.
SMALL = (
    *("--dataset", "synthetic", "--device", "cpu", "--steps", "16000"),
    *("--embedding.dim", "8", "--env.window", "6", "--env.episode-length", "5"),
    *("--agent.actor-hidden", "16", "--agent.critic-hidden", "16", "--agent.batch-size", "16"),
    *("--agent.counterfactual", "8", "--replay.capacity", "800", "--loop.keep", "best"),
    *("--loop.parallel-users", "32", "--loop.updates-per-rollout", "4", "--loop.warmup", "200"),
    *("--loop.evaluations", "5", "--loop.checkpoints", "10"),
)


@dataclass(frozen=True)
class Arguments:
    """Kill a small run at random moments, resume it, compare it with the uninterrupted one."""

    points: int = 20
    """Moments, each in a run of its own."""
    seed: int = 0
    """Of the moments."""
    output_root: Path = Path("runs/kill_points")
    """Where the runs and kill_points.json go."""
    child: Path | None = None
    """Train in this folder and count file operations (how the command calls itself)."""
    operation: int = 0
    """With --child: the operation before which the process kills itself; 0 for none."""
    resume: bool = False
    """With --child: resume."""


class Point(NamedTuple):
    """One moment: seconds after the start, or the number of a file operation; the other is 0."""

    seconds: float
    operation: int


def main(arguments: Arguments) -> int:
    """The uninterrupted run, then every point; the exit status."""
    if arguments.child is not None:
        return train_or_die(arguments.child, arguments.operation, arguments.resume)
    root = arguments.output_root
    if root.exists():
        raise SystemExit(f"{root} exists: remove it, or choose another --output-root")
    root.mkdir(parents=True)  # now, or the first run alone would count it among its operations
    began = time.perf_counter()
    whole = begin(root / "whole", 0)
    printed, _ = whole.communicate()
    if whole.returncode != 0:
        raise SystemExit(f"the uninterrupted run failed:\n{printed}")
    seconds, operations = time.perf_counter() - began, int(printed.splitlines()[-1])
    expected = outcome(root / "whole")
    found = []
    for index, point in enumerate(draw(arguments, seconds, operations)):
        found.append(kill_and_resume(root / f"{index:02d}", point, expected))
        print(json.dumps(found[-1]), flush=True)
    different = [row for row in found if row["different"]]
    report = {"seconds": seconds, "operations": operations, "points": found}
    write_text(root / "kill_points.json", json.dumps(report, indent=1) + "\n")
    same = len(found) - len(different)
    print(f"{same} of {len(found)} killed and resumed runs equal the uninterrupted one")
    return int(bool(different))


def train_or_die(root: Path, operation: int, resume: bool) -> int:
    """The small run in this process; kill -9 it before the given file operation in its folder."""
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in OPERATIONS and str(arguments[0]).startswith(str(root)):
            count += 1
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    import train

    sys.addaudithook(watch)
    more = ["--resume"] if resume else []
    status = train.main([*SMALL, "--output-root", str(root), "--run-name", NAME, *more])
    print(count)
    return status


def begin(root: Path, operation: int, resume: bool = False) -> "subprocess.Popen[str]":
    """Start the small run in `root`, which dies before a file operation, or not if that is 0."""
    command = [sys.executable, "-m", "experiments.kill_points", "--child", str(root)]
    command += ["--operation", str(operation), *(["--resume"] if resume else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def draw(arguments: Arguments, seconds: float, operations: int) -> list[Point]:
    """Moments over the whole run: times and file operations in turn."""
    rng = np.random.default_rng(arguments.seed)
    times = rng.uniform(0, seconds, arguments.points)
    numbers = rng.integers(1, operations + 1, arguments.points)
    return [
        Point(0.0, int(numbers[index])) if index % 2 else Point(round(float(times[index]), 2), 0)
        for index in range(arguments.points)
    ]


def kill_and_resume(root: Path, point: Point, expected: dict[str, Any]) -> dict[str, Any]:
    """One run, killed at the point and resumed; what was there, and what differs at the end."""
    process = begin(root, point.operation)
    if not point.operation:
        time.sleep(point.seconds)
        process.kill()
    process.communicate()
    if process.returncode == 0 and point.seconds:  # faster than the uninterrupted run: earlier
        shutil.rmtree(root)
        return kill_and_resume(root, Point(round(point.seconds / 2, 2), 0), expected)
    found = {**point._asdict(), "status": process.returncode, **traces(root / NAME)}
    if process.returncode != -signal.SIGKILL:
        return {**found, "different": ["was not killed"]}
    if not (root / NAME / "metrics.json").exists():  # the last file of a finished run
        again = begin(root, 0, resume=(root / NAME / "config.json").exists())
        printed, _ = again.communicate()
        if again.returncode != 0:
            return {**found, "different": ["did not finish"], "printed": printed[-2_000:]}
    return {**found, "different": differences(outcome(root), expected)}


def traces(folder: Path) -> dict[str, Any]:
    """What a killed run left: its newest checkpoint, half-written files, and other parts."""
    checkpoints = sorted(path.name for path in folder.glob("checkpoints/checkpoint-*.drr"))
    parts = ("config.json", "origin.json", "embedding.weights.h5", "actor.weights.h5")
    return {
        "newest": checkpoints[-1] if checkpoints else None,
        "half_written": [
            path.name for path in [*leftovers(folder), *leftovers(folder / "checkpoints")]
        ],
        "there": [name for name in parts if (folder / name).exists()],
    }


def outcome(root: Path) -> dict[str, Any]:
    """All weights and all metrics of a finished run; times, command and place left out."""
    found: dict[str, Any] = {}
    for path in sorted((root / NAME).glob("[!.]*.weights.h5")):
        found |= {
            f"{path.name}/{name}": array.values for name, array in read_hdf5(path).arrays.items()
        }
    metrics = json.loads((root / NAME / "metrics.json").read_text("utf-8"))
    for report in metrics["results"].values():
        for policy in report["policies"].values():
            policy.pop("seconds", None)
    kept = ("results", "curve", "weights", "seed", "data", "versions", "changed_on_resume")
    return found | {name: metrics[name] for name in kept}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what is not equal, bit for bit."""
    names = sorted(found.keys() | expected.keys())
    return [name for name in names if not equal(found.get(name), expected.get(name))]


def equal(left: Any, right: Any) -> bool:
    """Arrays element by element and of one type, the rest as it is."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    return type(left) is type(right) and bool(left == right)


if __name__ == "__main__":
    with until_nobody_reads():
        sys.exit(main(tyro.cli(Arguments, description=__doc__)))
