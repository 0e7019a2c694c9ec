"""What each choice brings: a preset with one setting changed, in named comparisons (studies).

    python -m experiments.ablation --study replay
    python -m experiments.ablation --preset paper --dataset ml-100k

Every training is a run of train.py, kept in the output folder, so that an interrupted call goes on
where it stopped. A table has the ends of the learning curves, on a held-out fifth of the training
users; what the runs measure on the test users in the end is not in it.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from config import Preset
from config.command_line import end_when_nobody_reads, read_arguments
from data.observation import FloatArray
from evaluation.intervals import over_seeds
from evaluation.plots import CurveRow
from evaluation.report import markdown_table
from experiments.leaderboard import train_missing
from train import parse

KEYS = ("precision@5", "precision@10", "session_reward@10", "session_reward@20")
MEASURED = "--loop.validation-share 0.2 --loop.evaluations 5 --loop.checkpoints 0"
BASE = "the preset"
Study = Literal["controls", "recipe", "replay", "exploration", "embedding"]
# The flags that each row adds to those of the preset.
STUDIES: dict[Study, dict[str, str]] = {
    "controls": {
        "imitation alone": "--agent.policy-gradient 0 --agent.imitation 1",
        "discount 0": "--agent.discount 0",
        "discount 0.5": "--agent.discount 0.5",
    },
    "recipe": {
        "no imitation": "--agent.imitation 0",
        "no counterfactual items": "--agent.counterfactual 0",
        "no context in the state": "--agent.context none",
        "no demographics": "--agent.demographics off",
        "random start": "--agent.start random",
    },
    "replay": {"uniform replay": "--replay.kind uniform"},
    "exploration": {
        "no noise": "--agent.noise 0 --agent.noise-end 0",
        "no epsilon": "--agent.epsilon 0 --agent.epsilon-end 0",
    },
    "embedding": {
        kind: f"--embedding.kind {kind}"
        for kind in ("svd", "pmf", "user-movie", "movie-genre", "random")
    },
}
Curves = dict[str, list[Sequence[CurveRow]]]  # of each row, one per seed


@dataclass(frozen=True)
class AblationArguments:
    """Train the rows of one or more studies for every seed, and print their tables."""

    study: tuple[Study, ...] = get_args(Study)
    """Comparisons to make."""
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
    """Where runs are kept."""


def main(arguments: AblationArguments) -> None:
    """Train what is missing of each study; print its table."""
    run = f"{arguments.dataset}, `--preset {arguments.preset}`, {arguments.steps:,} transitions"
    for study in arguments.study:
        table = as_markdown(curves_of(study, arguments))
        print(f"{study}: {run}, seeds: {arguments.seeds}\n\n{table}", flush=True)


def curves_of(study: Study, arguments: AblationArguments) -> Curves:
    """The learning curves of the preset, and of the study's rows that change something in it."""
    common = ["--preset", arguments.preset, "--dataset", arguments.dataset]
    common += ["--steps", str(arguments.steps), *MEASURED.split()]
    preset, seeds = parse(common), range(arguments.seeds)
    curves: Curves = {BASE: [train(BASE, common, seed, arguments) for seed in seeds]}
    for row, changes in STUDIES[study].items():
        options = [*common, *changes.split()]
        if parse(options) == preset:
            continue
        try:
            curves[row] = [train(row, options, seed, arguments) for seed in seeds]
        except subprocess.CalledProcessError:  # train.py has said why
            print(f"{row}: did not finish, left out", file=sys.stderr)
    return curves


def train(
    row: str, options: Sequence[str], seed: int, arguments: AblationArguments
) -> Sequence[CurveRow]:
    """The learning curve of one run."""
    name = f"{arguments.dataset}-{arguments.preset}-{arguments.steps}-{row.replace(' ', '-')}"
    seeded = [*options, "--seed", str(seed)]
    folder = train_missing(arguments.output_root, f"{name}-seed{seed}", seeded, arguments.data_root)
    curve: Sequence[CurveRow] = json.loads((folder / "metrics.json").read_text("utf-8"))["curve"]
    return curve


def as_markdown(curves: Mapping[str, Sequence[Sequence[CurveRow]]]) -> str:
    """The preset's means; of each other row the mean and the paired difference to the preset.

    In brackets 95% t intervals over seeds.
    """
    points = {row: [curve[-1] for curve in seeds] for row, seeds in curves.items()}
    first = [curve[0] for curve in curves[BASE]]
    if first[0]["step"] == 0:  # starts in closed form
        points = {BASE: points[BASE], "its start, before learning": first} | points
    base = values_of(points[BASE])
    means = [f"{column.mean():.4f}{interval(column)}" for column in base.T]
    lines = [["", *KEYS], [BASE, *means]]
    for row, ends in points.items():
        if row != BASE:
            own = values_of(ends)
            pairs = zip(own.T, (own - base).T, strict=True)
            gaps = [f"{x.mean():.4f}: {gap.mean():+.4f}{interval(gap, '+')}" for x, gap in pairs]
            lines.append([row, *gaps])
    return markdown_table(lines)


def values_of(points: Sequence[CurveRow]) -> FloatArray:
    """KEYS of every seed [seeds, KEYS]."""
    return np.array([[point[key] for key in KEYS] for point in points])


def interval(values: FloatArray, sign: str = "") -> str:
    """95% t interval of a mean over seeds; nothing for a single one."""
    if len(values) < 2:
        return ""
    found = over_seeds(values)
    return f" ({found.low:{sign}.4f}, {found.high:{sign}.4f})"


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(AblationArguments, description=__doc__))
