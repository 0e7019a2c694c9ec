"""Is training stable? Several seeds of the default run: learning curves, Q, spread of the results.

    python -m experiments.stability --dataset ml-1m --seeds 5

Runs that experiments.leaderboard has finished are taken as they are, missing ones are trained in the
same way, unfinished ones go on. Only metrics.json and config.json are read. The table goes between
the markers of docs/results.md.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg

import config as settings
import evaluate
from config import Preset
from config.command_line import end_when_nobody_reads
from evaluation.curves import CurveRow, points, strategies
from evaluation.policy import FloatArray
from experiments import leaderboard
from experiments.strategies import read
from training import monitor

KEYS = (("catalog", "precision@5"), ("session", "reward@10"), ("session", "reward@20"))
MEASURED: evaluate.ProtocolName = "catalog"  # and with it session: one run serves both
DIVERGED = 1  # train.py's exit status, which other failures while it runs share


@dataclass(frozen=True)
class Arguments:
    """Train seeds that are missing, draw all of them, and write the table."""

    dataset: str = "ml-1m"
    """Data set, as train.py takes it."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    preset: Preset = "best"
    """Preset to train."""
    seeds: int = 5
    """Training seeds 0 to this."""
    output_root: Path = Path("runs/leaderboard")
    """Where the runs of the leaderboard are, and new ones go."""
    figures: Path = Path("docs/figures")
    """Folder for stability-DATASET.png."""
    docs: Path | None = Path("docs/results.md")
    """Page whose table is replaced."""


def main(arguments: Arguments) -> None:
    """Every seed, then the picture and the table."""
    board = leaderboard.Arguments(data_root=arguments.data_root, output_root=arguments.output_root)
    finished = [seed for seed in range(arguments.seeds) if completed(arguments, board, seed)]
    runs = [run_folder(arguments, seed) for seed in finished]
    if len(runs) < 2:
        raise SystemExit(f"{len(runs)} finished run(s): a spread needs two; give more --seeds")
    curves = [read(f"{arguments.dataset}={run}") for run in runs]
    arguments.figures.mkdir(parents=True, exist_ok=True)
    figure = strategies(curves, highlight=arguments.dataset)
    FigureCanvasAgg(figure)
    figure.savefig(arguments.figures / f"stability-{arguments.dataset}.png", dpi=80)
    text = table(runs, [curve for _, curve in curves], arguments.seeds - len(runs))
    print(text)
    leaderboard.fill(arguments.docs, f"{arguments.dataset} stability", text)


def completed(arguments: Arguments, board: leaderboard.Arguments, seed: int) -> bool:
    """Train the seed if it is not finished; False where train.py stopped itself."""
    try:
        leaderboard.train(board, arguments.dataset, MEASURED, arguments.preset, seed)
    except subprocess.CalledProcessError as error:
        if error.returncode != DIVERGED:
            raise
        print(f"seed {seed} did not finish", file=sys.stderr)
        return False
    return True


def run_folder(arguments: Arguments, seed: int) -> Path:
    group = leaderboard.group(arguments.dataset, MEASURED, arguments.preset)
    return arguments.output_root / f"{group}-seed{seed}"


def table(runs: Sequence[Path], curves: Sequence[Sequence[CurveRow]], stopped: int) -> str:
    """Markdown: diverged runs, the largest |Q| at the end, and test results over seeds."""
    discount = settings.load(runs[0] / "config.json").agent.discount
    late = [last_quarter(points(curve, "q_max")[1]) for curve in curves]
    at_end, highest = max(np.median(row) for row in late), max(row.max() for row in late)
    diverged = stopped + sum(has_diverged(curve, discount) for curve in curves)
    rows = [
        ("seeds", str(len(runs) + stopped)),
        ("diverged", str(diverged)),
        ("bound of \\|Q\\|, 1 / (1 - discount)", f"{1 / (1 - discount):.3g}"),
        ("largest \\|Q\\|, median of the last quarter, highest of all seeds", f"{at_end:.2f}"),
        ("largest \\|Q\\| in any iteration of the last quarter", f"{highest:.2f}"),
    ]
    for protocol, key in KEYS:
        values = np.array([test_mean(run, protocol, key) for run in runs])
        spread = f"{values.mean():.4f}, {values.std(ddof=1):.4f}, {values.min():.4f}"
        rows.append((f"{key}: mean, standard deviation, lowest", spread))
    lines = ["| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n"


def has_diverged(curve: Sequence[CurveRow], discount: float) -> bool:
    """Whether training would have been stopped anywhere on this curve (training/monitor.py)."""
    rows = [dict(row) for row in curve]
    try:
        for place, row in enumerate(rows):
            monitor.check_row(row, rows[:place], discount)
    except monitor.Diverged:
        return True
    return False


def last_quarter(values: FloatArray) -> FloatArray:
    return values[-max(1, len(values) // 4) :]


def test_mean(run: Path, protocol: str, key: str) -> float:
    """A result of the run on the test users, from its metrics.json."""
    results = json.loads((run / "metrics.json").read_text("utf-8"))["results"]
    return float(results[protocol]["policies"]["drr"][key]["mean"])


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
