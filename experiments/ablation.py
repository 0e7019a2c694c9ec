"""What each choice brings: a preset with one setting changed, in named comparisons (studies).

    python -m experiments.ablation --study replay
    python -m experiments.ablation --preset paper --dataset ml-100k

Every cell (row, seed) trains on four fifths of the training users and
is measured on the held-out fifth; test users are cut off before anything else happens. Finished cells
are kept in the output folder, so that an interrupted call goes on where it stopped. A study's table is
printed, its learning curves are drawn into the output folder.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

import config as settings
from config import Config, ConfigError, Preset, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data.files import write_text
from data.observation import FloatArray
from evaluation.intervals import over_seeds
from evaluation.plots import CurveRow, learning_curves, save
from evaluation.report import markdown_table
from experiments.ablation_rows import BASE, SLOW, STUDIES, Study, changed, row_config, rows_of

KEYS = ("precision@5", "precision@10", "session_reward@10", "session_reward@20")
MEASURED = {"loop.validation_share": 0.2, "loop.evaluations": 5, "loop.checkpoints": 0}


@dataclass(frozen=True)
class AblationArguments:
    """Train the rows of one or more studies for every seed; print, draw and file the results."""

    study: tuple[Study, ...] = ()
    """Comparisons to make. Default: all but `updates`, whose rows have many times the updates."""
    dataset: Literal["ml-1m", "ml-100k", "synthetic"] = "ml-1m"
    """Data set, as train.py takes it."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    preset: Preset = "best"
    """What the rows change: the default recipe, or the plain Algorithm 1."""
    seeds: int = 3
    """Seeds 0 to this, paired across rows."""
    steps: int = 50_000
    """Transitions of one training."""
    output_root: Path = Path("runs/ablation")
    """Where finished cells are kept, one JSON file each, and plots."""
    cell: tuple[str, int] | None = None
    """Train only this row with this seed (how the command calls itself)."""


@dataclass(frozen=True)
class Cell:
    """What is kept of one training."""

    final: dict[str, float]
    """KEYS at the last point of the curve; empty if training was stopped because it diverged."""
    curve: list[CurveRow]


def main(arguments: AblationArguments) -> None:
    """One cell, or study after study."""
    if arguments.cell is not None:
        train_cell(*arguments.cell, arguments)
    else:
        for study in arguments.study or [name for name in STUDIES if name not in SLOW]:
            compare(study, arguments)


def compare(study: Study, arguments: AblationArguments) -> None:
    """Train what is missing of a study; print its table, draw its learning curves."""
    rows = finished(rows_of(study, arguments.preset), arguments)
    seeds = f"{arguments.seeds} seed{'s' * (arguments.seeds != 1)}"
    run = f"{arguments.dataset}, `--preset {arguments.preset}`, {arguments.steps:,} transitions"
    print(f"{study}: {run}, {seeds}:\n\n{as_markdown(rows)}", flush=True)
    curves = [(row, cell.curve) for row, cells in rows.items() for cell in cells]
    name = f"{arguments.dataset}-{arguments.preset}-{study}.png"
    save(learning_curves(curves, highlight=BASE), arguments.output_root / name)


def finished(rows: Sequence[str], arguments: AblationArguments) -> dict[str, list[Cell]]:
    """The cells of rows, one per seed. Each that is missing is trained in a process of its own, so
    that its memory is given back."""
    for seed in range(arguments.seeds):
        for row in rows:
            if read_cell(row, seed, arguments) is None:
                print(f"{row}, seed {seed}", flush=True)
                command = [sys.executable, "-m", "experiments.ablation", *sys.argv[1:]]
                subprocess.run([*command, "--cell", row, str(seed)], check=True)
    found = {
        row: [read_cell(row, seed, arguments) for seed in range(arguments.seeds)] for row in rows
    }
    return {row: [cell for cell in cells if cell is not None] for row, cells in found.items()}


def cell_config(row: str, seed: int, arguments: AblationArguments) -> Config:
    """All that the result of a cell depends on."""
    config = changed(row_config(row, arguments.preset), MEASURED)
    return replace(config, dataset=arguments.dataset, steps=arguments.steps, seed=seed)


def cell_file(row: str, seed: int, arguments: AblationArguments) -> Path:
    """Where a cell is kept; the settings behind the row's name are in the file itself."""
    name = re.sub(r"[^a-z0-9.]+", "-", row.lower()).strip("-")
    run = f"{arguments.dataset}-{arguments.preset}-{arguments.steps}"
    return arguments.output_root / f"{run}-{name}-{seed}.json"


def read_cell(row: str, seed: int, arguments: AblationArguments) -> Cell | None:
    """A finished cell; None if there is none, or its settings were not those of today."""
    path = cell_file(row, seed, arguments)
    if not path.exists():
        return None
    kept = json.loads(path.read_text("utf-8"))
    try:
        config = settings.from_json(json.dumps(kept.get("config")), path)
    except ConfigError:  # of a version with other settings
        return None
    same = config == cell_config(row, seed, arguments)
    return Cell(kept["final"], kept["curve"]) if same else None


def train_cell(row: str, seed: int, arguments: AblationArguments) -> None:
    """One training without the test users; its learning curve becomes the cell."""
    from data import load_dataset
    from data.splits import split_users
    from training.auto import settled
    from training.process import select_device
    from training.run_folder import RunFolder

    select_device("auto")
    from training.loop import Training
    from training.monitor import Diverged

    ratings = load_dataset(arguments.dataset, arguments.data_root)
    ratings = ratings.of_users(split_users(ratings.n_users)[0])  # no test user from here on
    config = cell_config(row, seed, arguments)
    arguments.output_root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.output_root) as folder:
        training = Training(settled(config, ratings), ratings, RunFolder(Path(folder)))
        try:
            training.run()
            final = {key: training.history[-1][key] for key in KEYS}
        except Diverged as error:
            print(f"{row}, seed {seed}: {in_flags(error)}", file=sys.stderr)
            final = {}
    cell = {
        "config": json.loads(settings.to_json(config)),
        "final": final,
        "curve": training.history,
    }
    write_text(cell_file(row, seed, arguments), json.dumps(cell, allow_nan=False) + "\n")


def as_markdown(rows: dict[str, list[Cell]]) -> str:
    """The preset's means; of each other row the mean and the paired difference to the preset.

    In brackets 95% t intervals over seeds.
    """
    base = finals(rows[BASE])
    first = [row for cell in rows[BASE] for row in cell.curve[:1] if row["step"] == 0]
    if first:  # starts in closed form
        start = [Cell({key: row[key] for key in KEYS}, []) for row in first]
        rows = {BASE: rows[BASE], "its start, before learning": start} | rows
    lines = [[row, *entries(cells, None if row == BASE else base)] for row, cells in rows.items()]
    return markdown_table([["", *KEYS], *lines])


def entries(cells: Sequence[Cell], base: FloatArray | None) -> list[str]:
    """A row's text for each key, compared with `base` [seeds, KEYS] where there is one."""
    values = finals(cells)
    if values is None:
        stopped = sum(not cell.final for cell in cells)
        return [f"{stopped} of {len(cells)} diverged"] * len(KEYS)
    if base is None:
        return [f"{column.mean():.4f}{interval(column)}" for column in values.T]
    pairs = zip(values.T, (values - base).T, strict=True)
    return [f"{own.mean():.4f}: {gap.mean():+.4f}{interval(gap, '+')}" for own, gap in pairs]


def finals(cells: Sequence[Cell]) -> FloatArray | None:
    """KEYS of every seed [seeds, KEYS]; None where one diverged."""
    if not all(cell.final for cell in cells):
        return None
    return np.array([[cell.final[key] for key in KEYS] for cell in cells])


def interval(values: FloatArray, sign: str = "") -> str:
    """95% t interval of a mean over seeds; nothing for a single one."""
    if len(values) < 2:
        return ""
    found = over_seeds(values)
    return f" ({found.low:{sign}.4f}, {found.high:{sign}.4f})"


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(AblationArguments, description=__doc__))
