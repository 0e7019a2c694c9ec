"""A long training under watch: memory, speed, Q and checkpoints, then a verdict.

    python -m experiments.soak --minutes 60

Starts `train.py` with more steps than fit in the time, as dense in evaluations and checkpoints as the
default run, watches it from outside, and ends it with SIGTERM. Growth and slowdown compare the last
quarter with the first one after the replay is full. Of the largest |Q|, the last quarter's median
counts: each value is the mean over an iteration's batches of the most extreme of 512 predictions, which
scatter around targets that are themselves never beyond the bound. Needs Linux (/proc) and a quiet
machine: other processes slow the run down. Exit status 1 where a check fails.
"""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

import config as settings
from config.command_line import until_nobody_reads
from data.files import write_text
from training.checkpoint import CheckpointError, load_newest
from training.events import read_scalars

FloatArray = NDArray[np.float64]

STEPS_PER_MINUTE = 400_000  # more than any CPU trains: the time ends the run, not the steps
STEPS_PER_EVALUATION, STEPS_PER_CHECKPOINT = 15_000, 30_000  # as the default run has them
MEMORY_GROWTH, SLOWDOWN = 0.02, 0.05  # largest shares that pass
SECONDS_BETWEEN_SAMPLES = 5.0


@dataclass(frozen=True)
class Arguments:
    """Train for a given time and say whether anything grows, slows down or breaks."""

    minutes: float = 60.0
    """Time from the start of train.py to the signal that ends it."""
    dataset: str = "ml-1m"
    """Data set of the run."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    output_root: Path = Path("runs/soak")
    """The run's folder, soak.json and soak.png go here."""


class Sample(NamedTuple):
    """The watched process at one moment."""

    time: float  # seconds since 1970
    memory: float  # resident, bytes
    cpu: float  # seconds of processor time since its start


class Watched(NamedTuple):
    """A run that has ended."""

    samples: list[Sample]
    checkpoints: list[int]  # iterations whose checkpoint was read back whole
    damaged: list[str]  # messages about checkpoints that were not
    status: int
    output: str


def main(arguments: Arguments) -> int:
    """Train, watch, judge; the exit status."""
    folder = arguments.output_root / "run"
    if folder.exists():
        raise SystemExit(f"{folder} exists: remove it, or choose another --output-root")
    command = train_command(arguments)
    watched = watch(command, folder, arguments.minutes * 60)
    rows = by_step(folder / "tensorboard")
    if len(rows["time"]) < 8:
        raise SystemExit(
            f"only {len(rows['time'])} iterations; give more --minutes\n{watched.output}"
        )
    found = judge(watched, rows, folder)
    report = {"command": " ".join(command), **asdict(arguments), **found}
    text = json.dumps(report, indent=1, default=str)
    write_text(arguments.output_root / "soak.json", text + "\n")
    plot(watched, rows, found, arguments.output_root / "soak.png")
    print(text)
    failed = [name for name, check in found["checks"].items() if not check["passed"]]
    print(f"FAILED: {', '.join(failed)}" if failed else "passed")
    return int(bool(failed))


def train_command(arguments: Arguments) -> list[str]:
    """The default run, only longer."""
    steps = max(int(arguments.minutes * STEPS_PER_MINUTE), settings.Config().steps)
    command = [sys.executable, "train.py", "--dataset", arguments.dataset, "--steps", str(steps)]
    if arguments.data_root is not None:
        command += ["--data-root", arguments.data_root]
    command += ["--loop.evaluations", str(steps // STEPS_PER_EVALUATION)]
    command += ["--loop.checkpoints", str(steps // STEPS_PER_CHECKPOINT)]
    return [*command, "--output-root", str(arguments.output_root), "--run-name", "run"]


def watch(command: list[str], folder: Path, seconds: float) -> Watched:
    """Run `command` for `seconds`, then stop it with SIGTERM; read every new checkpoint meanwhile."""
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    checkpoints: list[int] = []
    damaged: list[str] = []
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and process.poll() is None:
                time.sleep(SECONDS_BETWEEN_SAMPLES)
                samples += sample(process.pid)
                verify(folder / "checkpoints", checkpoints, damaged)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=300)
        finally:
            process.kill()
    verify(folder / "checkpoints", checkpoints, damaged)
    return Watched(samples, checkpoints, damaged, process.returncode, log.read_text()[-2_000:])


def sample(process: int) -> list[Sample]:
    """Memory and processor time of a process now; nothing once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return []
    memory = re.search(r"VmRSS:\s+(\d+) kB", status)
    ticks = int(fields[11]) + int(fields[12])  # user and system, 1/100 s
    return [Sample(time.time(), int(memory[1]) * 1024, ticks / 100)] if memory else []


def verify(folder: Path, checkpoints: list[int], damaged: list[str]) -> None:
    """Read the newest checkpoint if it is a new one; what does not read is damaged."""
    newest = max((int(path.stem[-8:]) for path in folder.glob("checkpoint-*.drr")), default=0)
    if newest in (0, *checkpoints):
        return
    try:
        found = load_newest(folder)
    except CheckpointError as error:
        damaged.append(str(error))
        return
    if found is not None and found[0] >= newest:  # else it fell back to the one before
        checkpoints.append(found[0])
    else:
        damaged.append(f"checkpoint {newest}")


def by_step(folder: Path) -> dict[str, FloatArray]:
    """Logged numbers as columns, one entry for each iteration: step, time, seconds, q_max ..."""
    scalars = list(read_scalars(folder))
    moments = {scalar.step: scalar.time for scalar in scalars if scalar.name == "reward"}
    largest = {scalar.step: scalar.value for scalar in scalars if scalar.name == "q_max"}
    steps = sorted(moments)
    times = np.array([moments[step] for step in steps])
    return {
        "step": np.array(steps, np.float64),
        "time": times,
        "seconds": np.diff(times, prepend=np.nan),
        "q_max": np.array([largest.get(step, np.nan) for step in steps]),
    }


def judge(watched: Watched, rows: dict[str, FloatArray], folder: Path) -> dict[str, Any]:
    """Figures, and for each check its value, limit and outcome."""
    config = settings.from_json((folder / "config.json").read_text("utf-8"))
    full = np.flatnonzero(rows["step"] >= config.replay.capacity)
    place = full[0] if len(full) else len(rows["step"]) // 2  # else too short to fill the replay
    warm, late = rows["time"][place], np.arange(len(rows["step"])) > place
    samples = np.array([entry for entry in watched.samples if entry.time > warm])
    cpu = np.interp(rows["time"], *np.array([(s.time, s.cpu) for s in watched.samples]).T)
    memory = growth(samples[:, 1])
    largest, bound = rows["q_max"][late], 1 / (1 - config.agent.discount)
    quarter = max(1, len(largest) // 4)
    checks = {
        "memory growth": (memory, MEMORY_GROWTH),
        "slowdown": (growth(rows["seconds"][late]), SLOWDOWN),
        "largest |Q|": (float(np.nanmedian(largest[-quarter:])), bound),
        "damaged checkpoints": (len(watched.damaged), 0),
        "exit status less 143": (abs(watched.status - 143), 0),
    }
    return {
        "transitions": int(rows["step"][-1]),
        "warm after seconds": round(float(warm - watched.samples[0].time), 1),
        "transitions per second": round(rate(rows, late), 1),
        "slowdown in processor time": growth(np.diff(cpu, prepend=np.nan)[late]),
        "memory in MiB": {
            "warm": round(float(samples[0, 1]) / 2**20),
            "at the end": round(float(samples[-1, 1]) / 2**20),
            "peak": round(float(samples[:, 1].max()) / 2**20),
        },
        "largest |Q| of any iteration": round(float(np.nanmax(largest)), 3),
        "iterations above the bound": round(float((largest > bound).mean()), 4),
        "checkpoints read back": len(watched.checkpoints),
        "last words": watched.output.strip().splitlines()[-2:],
        "damaged": watched.damaged,
        "checks": {
            name: {"value": value, "limit": limit, "passed": bool(value <= limit)}
            for name, (value, limit) in checks.items()
        },
    }


def rate(rows: dict[str, FloatArray], late: NDArray[np.bool_]) -> float:
    """Transitions per second of the iterations `late`, evaluations and checkpoints included."""
    steps, times = rows["step"][late], rows["time"][late]
    return float((steps[-1] - steps[0]) / (times[-1] - times[0]))


def growth(values: FloatArray) -> float:
    """Median of the last quarter over that of the first, less 1."""
    quarter = max(1, len(values) // 4)
    return round(float(np.nanmedian(values[-quarter:]) / np.nanmedian(values[:quarter]) - 1), 4)


def plot(watched: Watched, rows: dict[str, FloatArray], found: dict[str, Any], path: Path) -> None:
    """Memory, speed and Q over the minutes of the run."""
    start = watched.samples[0].time
    minutes = (rows["time"] - start) / 60
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    memory, speed, largest = figure.subplots(1, 3)
    taken = np.array(watched.samples)
    memory.plot((taken[:, 0] - start) / 60, taken[:, 1] / 2**20)
    memory.set(ylabel="resident memory, MiB", ylim=(0, None))
    speed.plot(minutes, np.gradient(rows["step"], rows["time"]), ".", ms=2)
    speed.set(ylabel="transitions per second", ylim=(0, None))
    largest.plot(minutes, rows["q_max"], label="largest |Q| of a batch")
    bound = found["checks"]["largest |Q|"]["limit"]
    largest.axhline(bound, color="0.5", ls="--", label="1 / (1 - discount)")
    largest.set(ylim=(0, 3 * bound))
    largest.legend()
    for axes in (memory, speed, largest):
        axes.axvline(found["warm after seconds"] / 60, color="0.8", zorder=0)
        axes.set_xlabel("minutes (grey line: replay full)")
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    with until_nobody_reads():
        sys.exit(main(tyro.cli(Arguments, description=__doc__)))
