"""Quality against time: train.py from a cold start to its final table, for several lengths.

    python -m benchmarks.quality --steps 25000 50000 150000 --json quality.json

Each run is a process of its own, timed from outside: imports, reading the data, the embedding,
training, and the evaluation on the test users. The learning rate falls over each run, so a short run
is not the beginning of a long one.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.common import Table, conclude

ROOT = Path(__file__).resolve().parents[1]
MEASURES = (("catalog", "precision@5"), ("session", "reward@10"))


@dataclass(frozen=True)
class Arguments:
    steps: tuple[int, ...] = (25_000, 50_000, 100_000, 150_000)
    """Lengths of the runs, in environment steps."""
    seed: int = 0
    """Of every run."""
    dataset: str = "ml-1m"
    """ml-1m, ml-100k or synthetic."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here."""


def main(arguments: Arguments) -> None:
    """Train, print, write."""
    runs = {str(steps): train(steps, arguments) for steps in arguments.steps}
    figures = {"dataset": arguments.dataset, "seed": arguments.seed, "steps": runs}
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    return [
        Table(
            f"`train.py --dataset {figures['dataset']} --seed {figures['seed']} --steps N`, "
            "from a cold start to the final table",
            ["steps", "seconds", *(f"`{protocol}` {key}" for protocol, key in MEASURES)],
            [
                [int(steps), f"{seconds:.0f}", *(f"{value:.4f}" for value in measures)]
                for steps, (seconds, *measures) in (
                    (steps, run.values()) for steps, run in figures["steps"].items()
                )
            ],
        )
    ]


def train(steps: int, arguments: Arguments) -> dict[str, Any]:
    """One run: its seconds, and the final measures on the test users."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", "--dataset", arguments.dataset]
        command += ["--steps", str(steps), "--seed", str(arguments.seed)]
        command += ["--output-root", folder, "--run-name", "run"]
        if arguments.data_root is not None:
            command += ["--data-root", str(Path(arguments.data_root).resolve())]
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        results = json.loads((Path(folder) / "run" / "metrics.json").read_text())["results"]
    measured = {
        f"{protocol}_{key}": results[protocol]["policies"]["drr"][key]["mean"]
        for protocol, key in MEASURES
    }
    return {"seconds": seconds} | measured


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
