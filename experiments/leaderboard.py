"""The leaderboard: train DRR for several seeds, then measure everything under each protocol.

    python -m experiments.leaderboard --seeds 5
    python -m experiments.leaderboard --tables stability --datasets ml-1m
    python -m experiments.leaderboard --tables overview --datasets coat tastes-100 shop

Runs that are finished are kept, unfinished ones go on from their last checkpoint, those with other
settings than today's are refused. Tables and JSON are written to the output folder.
"""

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
from config import NEW_USERS, Protocol, read_json
from config.command_line import end_when_nobody_reads, read_arguments
from data.files import write_text
from data.synthetic import SyntheticConfig, make_synthetic, make_tastes
from evaluation.report import BOUND, Report, markdown_table, write_table
from train import parse
from training.run_folder import contradictions

IN_DOCS = {  # the columns of a table in the docs, and its rows: the best ones, and these
    "catalog": ("precision@5", "precision@10"),
    "session": ("reward@10", "reward@20"),
    "rerank": ("precision@5",),
    "simulator": ("total_reward",),
}
BEST, ALWAYS = 3, ("drr", "popularity")
SHOP = SyntheticConfig(n_users=2_000, n_items=800, shortest=15, typical=40.0)
# data sets that are made up, and read as a user's own file
MADE = {f"tastes-{users}": partial(make_tastes, users) for users in (100, 200, 400, 1000)}
MADE["shop"] = partial(make_synthetic, SHOP, seed=7)
STABLE = (("catalog", "precision@5"), ("session", "reward@10"), ("session", "reward@20"))
OfOneSet = Literal["catalog", "session", "rerank", "simulator", "stability"]


@dataclass(frozen=True)
class LeaderboardArguments:
    """Train what is missing, evaluate, and write the tables."""

    datasets: tuple[str, ...] = ("ml-1m", "ml-100k")
    """Data sets, one after the other; also the made-up tastes-100, -200, -400, -1000 and shop."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    tables: tuple[Literal[OfOneSet, "overview"], ...] = get_args(OfOneSet)
    """A table for each protocol, one that says how much the seeds differ, and one of all data sets
    beside the best baselines."""
    seeds: int = 5
    """Training seeds 0 to this."""
    output_root: Path = Path("runs/leaderboard")
    """Where runs and tables go."""
    write_docs: bool = False
    """Replace the tables of docs/results.md as well."""
    demographics: Literal["on", "off"] = "on"
    """off: the tables without anybody's demographics, of runs trained without them."""
    known_items: bool = False
    """For simulator: the same runs, evaluated with `--known-items`."""


def main(arguments: LeaderboardArguments) -> None:
    """Every data set: train what is missing, then one table after another."""
    for dataset in arguments.datasets:
        for name in arguments.tables:
            if name == "stability":
                keep(arguments, f"{dataset} {name}", stability(arguments, dataset))
            elif name != "overview":
                make_table(arguments, dataset, name)
    if "overview" in arguments.tables:
        keep(arguments, "overview", overview(arguments))


def keep(arguments: LeaderboardArguments, name: str, table: str) -> None:
    """Print a table and write it to the output folder, and to the docs if asked to."""
    print(table)
    write_text(arguments.output_root / f"{name.replace(' ', '-')}.md", table)
    if arguments.write_docs:
        write_table("results.md", name, table)


def make_table(arguments: LeaderboardArguments, dataset: str, protocol: Protocol) -> None:
    """Train, measure and write the table of a protocol."""
    runs = [train(arguments, dataset, protocol, seed) for seed in range(arguments.seeds)]
    report = measure(arguments, dataset, protocol, runs)
    if arguments.write_docs:
        always = ALWAYS if arguments.demographics == "on" else ("drr",)  # the others stay the same
        table = for_docs(report, always).as_markdown()
        write_table("results.md", f"{dataset} {protocol}{kind(arguments, protocol)}", table)


def train(arguments: LeaderboardArguments, dataset: str, protocol: Protocol, seed: int) -> Path:
    """A run of the default recipe; `catalog` and `session` share theirs, the main experiment."""
    options, name = data_flags(arguments, dataset), dataset
    if protocol not in NEW_USERS:
        options += ["--protocol", protocol]
        name += f"-{protocol}"
    elif arguments.demographics == "off":
        options += ["--agent.demographics", "off"]
        name += "-without"
    options += ["--preset", "best", "--seed", str(seed)]
    name += f"-best-seed{seed}"
    return train_missing(arguments.output_root, name, options, arguments.data_root)


def data_flags(arguments: LeaderboardArguments, dataset: str) -> list[str]:
    """What train.py is told of the data; a made-up set is written to a file first."""
    if dataset not in MADE:
        return ["--dataset", dataset]
    path = arguments.output_root / f"{dataset}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = MADE[dataset]()
        ids = {"user": made.user_ids[made.users], "item": made.item_ids[made.items]}
        table = pd.DataFrame(ids | {"rating": made.values, "timestamp": made.timestamps})
        table.to_csv(path, index=False)
    return ["--dataset", "csv", "--csv.path", str(path)]


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


def measure(
    arguments: LeaderboardArguments, dataset: str, protocol: Protocol, runs: Sequence[Path]
) -> Report:
    """Evaluate every policy of the protocol; JSON and the whole table go to the output folder."""
    name = f"{dataset} {protocol}{kind(arguments, protocol)}".replace(" ", "-")
    base = arguments.output_root / name
    return evaluate.run(
        evaluate.EvaluateArguments(
            protocol=protocol,
            policies=("all",),
            demographics=arguments.demographics,
            known_items=arguments.known_items and protocol == "simulator",
            weights=tuple(map(str, runs)),
            dataset="auto" if dataset in MADE else dataset,
            data_root=arguments.data_root,
            json=base.with_suffix(".json"),
            markdown=base.with_suffix(".md"),
        )
    )


def kind(arguments: LeaderboardArguments, protocol: Protocol) -> str:
    """What a table without demographics, or with known items, has in its name."""
    if protocol == "simulator" and arguments.known_items:
        return " with known items"
    return " without demographics" if arguments.demographics == "off" else ""


def for_docs(report: Report, always: Sequence[str]) -> Report:
    """The best rows and those that are always shown, in the columns of the docs."""
    rows = [row for place, row in enumerate(report.rows) if place < BEST or row.name in always]
    return replace(report, rows=tuple(rows), keys=IN_DOCS[report.protocol])


def overview(arguments: LeaderboardArguments) -> str:
    """One row per data set, `catalog`: DRR beside the three best baselines, and its time."""
    rows, seeds = [], range(arguments.seeds)
    for dataset in arguments.datasets:
        runs = [train(arguments, dataset, "catalog", seed) for seed in seeds]
        report = measure(arguments, dataset, "catalog", runs)
        key = report.keys[0]
        means = {row.name: row.users[key].mean for row in report.rows}
        rivals = [name for name in means if name not in ("drr", BOUND)][:3]
        difference = report.differences["drr"][1][key]
        seconds = [read_json(run / "metrics.json")["seconds"] for run in runs]
        rows.append(
            [
                f"{dataset}, {report.n_users:,} users",
                f"{means['drr']:.4f}",
                ", ".join(f"{name} {means[name]:.4f}" for name in rivals),
                difference.text("+.4f"),
                f"{np.mean(seconds):.0f} s",
            ]
        )
    return markdown_table([["data", "DRR", "best baselines", "DRR less the best", "time"], *rows])


def stability(arguments: LeaderboardArguments, dataset: str) -> str:
    """How much the seeds differ: unfinished ones, the largest |Q|, and results on the test users."""
    runs = []
    for seed in range(arguments.seeds):
        try:
            runs.append(train(arguments, dataset, "catalog", seed))
        except subprocess.CalledProcessError:  # it diverged; train.py has said why
            print(f"seed {seed} did not finish", file=sys.stderr)
    if len(runs) < 2:
        raise SystemExit(f"{len(runs)} finished run(s): a spread needs two; give more --seeds")
    metrics = [read_json(run / "metrics.json") for run in runs]
    curves = [[row["q_max"] for row in each["curve"] if "q_max" in row] for each in metrics]
    largest = max(max(curve[3 * len(curve) // 4 :]) for curve in curves)
    discount = settings.load(runs[0] / "config.json").agent.discount
    rows = [
        ["seeds", str(arguments.seeds)],
        ["did not finish", str(arguments.seeds - len(runs))],
        ["bound of \\|Q\\|, 1 / (1 - discount)", f"{1 / (1 - discount):.3g}"],
        ["largest \\|Q\\| in the last quarter of a run", f"{largest:.2f}"],
    ]
    for protocol, key in STABLE:
        found = [each["results"][protocol]["policies"]["drr"][key]["mean"] for each in metrics]
        spread = f"{np.mean(found):.4f}, {np.std(found, ddof=1):.4f}, {min(found):.4f}"
        rows.append([f"{key}: mean, standard deviation, lowest", spread])
    return markdown_table([["", ""], *rows])


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(LeaderboardArguments, description=__doc__))
