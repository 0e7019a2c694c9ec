"""The leaderboard: train DRR for several seeds, then measure everything under each protocol.

    python -m experiments.leaderboard --seeds 5
    python -m experiments.leaderboard --tables stability --datasets ml-1m
    python -m experiments.leaderboard --tables overview --datasets coat tastes-100 shop
    python -m experiments.leaderboard --curves one=DIR one=DIR other=DIR

Runs that are finished are kept, unfinished ones go on from their last checkpoint, those with other
settings than today's are refused. Tables, JSON and plots are written to the output folder.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

import config as settings
import evaluate
from config import NEW_USERS, Preset, Protocol
from config.command_line import end_when_nobody_reads, read_arguments
from data.files import write_text
from data.synthetic import SyntheticConfig, make_synthetic, make_tastes
from evaluation.plots import CurveRow, learning_curves, points, save
from evaluation.report import BOUND, Report, markdown_table, write_table
from train import parse
from training.run_folder import contradictions

IN_DOCS = {  # the columns of a table in the docs, and its rows: the best ones, and these
    "catalog": ("precision@5", "precision@10"),
    "session": ("reward@10", "reward@20"),
    "rerank": ("precision@5",),
    "simulator": ("total_reward",),
}
BEST, ALWAYS = 3, ("drr", "drr-paper", "popularity")
STABLE = (("catalog", "precision@5"), ("session", "reward@10"), ("session", "reward@20"))
DIVERGED = 1  # train.py's exit status, which other failures while it runs share
MADE = {f"tastes-{users}": partial(make_tastes, users) for users in (100, 200, 400, 1000)} | {
    "shop": partial(
        make_synthetic,
        SyntheticConfig(n_users=2_000, n_items=800, shortest=15, typical=40.0),
        seed=7,
    )
}  # data sets that are made up, and read as a user's own file
OfOneSet = Literal["catalog", "session", "rerank", "simulator", "stability"]
Table = Literal[OfOneSet, "overview"]


@dataclass(frozen=True)
class LeaderboardArguments:
    """Train what is missing, evaluate, and write the tables."""

    datasets: tuple[str, ...] = ("ml-1m", "ml-100k")
    """Data sets, one after the other; also the made-up tastes-100, -200, -400, -1000 and shop."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    presets: tuple[Preset, ...] = ("best",)
    """Presets to train; other finished runs in the output folder get their row as well."""
    tables: tuple[Table, ...] = get_args(OfOneSet)
    """A table for each protocol, one that says how much the seeds differ, and one of all data sets
    beside the best baselines."""
    seeds: int = 5
    """Training seeds 0 to this."""
    output_root: Path = Path("runs/leaderboard")
    """Where runs, tables and plots go."""
    curves: tuple[str, ...] = ()
    """Only draw the learning curves of these runs, DIR or NAME=DIR; one name: seeds of it."""
    write_docs: bool = False
    """Replace the tables of docs/results.md as well."""
    demographics: Literal["on", "off"] = "on"
    """off: the tables without anybody's demographics, in files of their own."""
    known_items: bool = False
    """For simulator: the same runs, evaluated with `--known-items`."""


def main(arguments: LeaderboardArguments) -> None:
    """The curves alone; or every data set: train what is missing, then one table after another."""
    if arguments.curves:
        picture = arguments.output_root / "curves.png"
        save(learning_curves([read_curve(run) for run in arguments.curves]), picture)
        print(picture)
        return
    for dataset in arguments.datasets:
        for name in arguments.tables:
            if name != "overview":
                make_table(arguments, dataset, name)
    if "overview" in arguments.tables:
        table = overview(arguments)
        write_text(arguments.output_root / "overview.md", table)
        print(table)
        if arguments.write_docs:
            write_table("results.md", "overview", table)


def make_table(arguments: LeaderboardArguments, dataset: str, name: OfOneSet) -> None:
    """Train, measure and write one table."""
    if name == "stability":
        table = stability(arguments, dataset)
        write_text(arguments.output_root / f"{dataset}-{name}.md", table)
        print(table)
    else:
        for preset in arguments.presets:
            for seed in range(arguments.seeds):
                train(arguments, dataset, name, preset, seed)
        shown = ALWAYS if arguments.demographics == "on" else ("drr",)  # the others stay the same
        table = for_docs(measure(arguments, dataset, name), shown).as_markdown()
    if arguments.write_docs:
        write_table("results.md", f"{dataset} {name}{kind(arguments, name)}", table)


def train(
    arguments: LeaderboardArguments,
    dataset: str,
    protocol: Protocol,
    preset: Preset,
    seed: int,
) -> Path:
    """One run of a preset; `catalog` and `session` share theirs, the main experiment."""
    options = [*data_flags(arguments, dataset), "--preset", preset, "--seed", str(seed)]
    if protocol not in NEW_USERS:
        options += ["--protocol", protocol]
    name = f"{run_group(dataset, protocol, preset)}-seed{seed}"
    return train_missing(arguments.output_root, name, options, arguments.data_root)


def data_flags(arguments: LeaderboardArguments, dataset: str) -> list[str]:
    """What train.py is told of the data; a made-up set is written to a file first."""
    if dataset not in MADE:
        return ["--dataset", dataset]
    path = arguments.output_root / f"{dataset}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = MADE[dataset]()
        columns = {
            "user": made.user_ids[made.users],
            "item": made.item_ids[made.items],
            "rating": made.values,
            "timestamp": made.timestamps,
        }
        pd.DataFrame(columns).to_csv(path, index=False)
    return ["--dataset", "csv", "--csv.path", str(path)]


def run_group(dataset: str, protocol: Protocol, preset: Preset) -> str:
    """What the names of the runs that one row of a table is made of begin with."""
    return "-".join([dataset, *([] if protocol in NEW_USERS else [protocol]), preset])


def train_missing(root: Path, name: str, options: Sequence[str], data_root: str | None) -> Path:
    """The folder of a run, trained in a process of its own unless it is finished; goes on where it
    stopped. SystemExit for one whose settings are not what the options mean today."""
    folder = root / name
    command = [sys.executable, "train.py", *options, "--run-name", name]
    command += ["--output-root", str(root)]
    begun = (folder / "config.json").exists()
    if begun:  # defaults may have changed since
        saved = settings.load(folder / "config.json")
        if changed := contradictions(parse(command[2:]), saved):
            raise SystemExit(
                f"{folder}: trained with other settings, {', '.join(changed)}; remove it, or choose "
                "another --output-root"
            )
    if (folder / "metrics.json").exists():
        return folder
    if data_root is not None:
        command += ["--data-root", data_root]
    if begun:
        command.append("--resume")
    print(" ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    return folder


def finished(arguments: LeaderboardArguments, dataset: str, protocol: Protocol) -> tuple[str, ...]:
    """`NAME=DIR` of every finished run: drr for the default preset, drr-paper for the paper's."""
    runs = []
    for preset in get_args(Preset):
        name = "drr" if preset == "best" else f"drr-{preset}"
        group = run_group(dataset, protocol, preset)
        found = arguments.output_root.glob(f"{group}-seed*/metrics.json")
        runs += [f"{name}={metrics.parent}" for metrics in sorted(found)]
    return tuple(runs)


def measure(arguments: LeaderboardArguments, dataset: str, protocol: Protocol) -> Report:
    """Evaluate every policy of the protocol; JSON and the whole table go to the output folder."""
    name = f"{dataset} {protocol}{kind(arguments, protocol)}".replace(" ", "-")
    base = arguments.output_root / name
    return evaluate.run(
        evaluate.EvaluateArguments(
            protocol=protocol,
            policies=("all",),
            demographics=arguments.demographics,
            known_items=arguments.known_items and protocol == "simulator",
            weights=finished(arguments, dataset, protocol),
            dataset="auto" if dataset in MADE else dataset,
            data_root=arguments.data_root,
            json=base.with_suffix(".json"),
            markdown=base.with_suffix(".md"),
        )
    )


def kind(arguments: LeaderboardArguments, table: Table | Protocol) -> str:
    """What a table without demographics, or with known items, has in its name."""
    if table == "simulator" and arguments.known_items:
        return " with known items"
    return " without demographics" if arguments.demographics == "off" else ""


def for_docs(report: Report, always: Sequence[str] = ALWAYS) -> Report:
    """The best rows and those that are always shown, in the columns of the docs."""
    rows = [row for place, row in enumerate(report.rows) if place < BEST or row.name in always]
    return replace(report, rows=tuple(rows), keys=IN_DOCS[report.protocol])


def overview(arguments: LeaderboardArguments) -> str:
    """One row per data set, `catalog`: DRR beside the three best baselines, and its time."""
    rows, seeds = [], range(arguments.seeds)
    for dataset in arguments.datasets:
        runs = [train(arguments, dataset, "catalog", "best", seed) for seed in seeds]
        report = measure(arguments, dataset, "catalog")
        key = report.keys[0]
        means = {row.name: row.users[key].mean for row in report.rows}
        rivals = [name for name in means if name not in ("drr", BOUND)][:3]
        difference = report.differences["drr"][1][key]
        seconds = [json.loads((run / "metrics.json").read_text("utf-8"))["seconds"] for run in runs]
        rows.append(
            [
                f"{dataset}, {report.n_users:,} users",
                f"{means['drr']:.4f}",
                ", ".join(f"{name} {means[name]:.4f}" for name in rivals),
                f"{difference.mean:+.4f} ({difference.low:+.4f}, {difference.high:+.4f})",
                f"{np.mean(seconds):.0f} s",
            ]
        )
    return markdown_table([["data", "DRR", "best baselines", "DRR less the best", "time"], *rows])


def stability(arguments: LeaderboardArguments, dataset: str) -> str:
    """How much the seeds of the first preset differ: a table; their curves go to a plot."""
    runs = []
    for seed in range(arguments.seeds):
        try:
            runs.append(train(arguments, dataset, "catalog", arguments.presets[0], seed))
        except subprocess.CalledProcessError as error:
            if error.returncode != DIVERGED:
                raise
            print(f"seed {seed} did not finish", file=sys.stderr)
    if len(runs) < 2:
        raise SystemExit(f"{len(runs)} finished run(s): a spread needs two; give more --seeds")
    curves = [read_curve(f"{dataset}={run}") for run in runs]
    picture = arguments.output_root / f"stability-{dataset}.png"
    save(learning_curves(curves, highlight=dataset), picture)
    return stability_table(runs, [curve for _, curve in curves], arguments.seeds - len(runs))


def stability_table(
    runs: Sequence[Path], curves: Sequence[Sequence[CurveRow]], stopped: int
) -> str:
    """Markdown: diverged runs, the largest |Q| at the end, and test results over seeds."""
    discount = settings.load(runs[0] / "config.json").agent.discount
    largest = [points(curve, "q_max")[1] for curve in curves]
    late = [values[-max(1, len(values) // 4) :] for values in largest]  # the last quarter
    at_end, highest = max(np.median(row) for row in late), max(row.max() for row in late)
    diverged = stopped + sum(has_diverged(curve, discount) for curve in curves)
    rows = [
        ["seeds", str(len(runs) + stopped)],
        ["diverged", str(diverged)],
        ["bound of \\|Q\\|, 1 / (1 - discount)", f"{1 / (1 - discount):.3g}"],
        ["largest \\|Q\\|, median of the last quarter, highest of all seeds", f"{at_end:.2f}"],
        ["largest \\|Q\\| in any iteration of the last quarter", f"{highest:.2f}"],
    ]
    results = [json.loads((run / "metrics.json").read_text("utf-8"))["results"] for run in runs]
    for protocol, key in STABLE:
        means = [found[protocol]["policies"]["drr"][key]["mean"] for found in results]
        values = np.array(means, float)
        spread = f"{values.mean():.4f}, {values.std(ddof=1):.4f}, {values.min():.4f}"
        rows.append([f"{key}: mean, standard deviation, lowest", spread])
    return markdown_table([["", ""], *rows])


def has_diverged(curve: Sequence[CurveRow], discount: float) -> bool:
    """Whether training would have been stopped anywhere on this curve (training/monitor.py)."""
    from training import monitor

    rows = [dict(row) for row in curve]
    try:
        for place, row in enumerate(rows):
            monitor.check_row(row, rows[:place], discount)
    except monitor.Diverged:
        return True
    return False


def read_curve(run: str) -> tuple[str, list[CurveRow]]:
    """Name and learning curve of DIR or NAME=DIR; SystemExit where there is none."""
    name, separator, folder = run.partition("=")
    if not separator:
        name, folder = Path(run).resolve().name, run
    source = Path(folder) / "metrics.json"
    if not source.is_file():
        raise SystemExit(f"{source}: no such file; give the folder of a finished run")
    try:
        curve = json.loads(source.read_text("utf-8"))["curve"]
        return name, [{key: float(value) for key, value in row.items()} for row in curve]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(f"{source}: no learning curve in it ({error!r})") from error


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(LeaderboardArguments, description=__doc__))
