"""The leaderboard: train DRR for several seeds, then measure everything under each protocol.

    python -m experiments.leaderboard --seeds 5

Runs that are finished are kept, unfinished ones go on from their last checkpoint, those with other
settings than today's are refused. Tables and JSON are written to the output folder, and the tables
between the markers of docs/results.md.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro

import config as settings
import evaluate
from config import NEW_USERS, Preset
from config.command_line import end_when_nobody_reads
from data.files import write_text
from train import parse
from training.run_folder import contradictions

# Of the default preset for new users, chosen on held-out training users where the default is too many.
STEPS = {"ml-100k": 60_000}
PROTOCOLS: tuple[evaluate.ProtocolName, ...] = ("catalog", "session", "rerank", "simulator")


@dataclass(frozen=True)
class Arguments:
    """Train, evaluate, and write the tables of docs/results.md."""

    datasets: tuple[str, ...] = ("ml-1m", "ml-100k")
    """Data sets, one after the other."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    presets: tuple[Preset, ...] = ("best",)
    """Presets to train; other finished runs in the output folder get their row as well."""
    protocols: tuple[evaluate.ProtocolName, ...] = PROTOCOLS
    """Tables."""
    seeds: int = 5
    """Training seeds 0 to this."""
    output_root: Path = Path("runs/leaderboard")
    """Where runs and tables go."""
    docs: Path | None = Path("docs/results.md")
    """Page whose tables are replaced."""


def main(arguments: Arguments) -> None:
    """Every data set: train what is missing, then one table per protocol."""
    arguments.output_root.mkdir(parents=True, exist_ok=True)
    for dataset in arguments.datasets:
        for protocol in arguments.protocols:
            for preset in arguments.presets:
                for seed in range(arguments.seeds):
                    train(arguments, dataset, protocol, preset, seed)
            table = measure(arguments, dataset, protocol)
            fill(arguments.docs, f"{dataset} {protocol}", table)


def train(
    arguments: Arguments, dataset: str, protocol: evaluate.ProtocolName, preset: Preset, seed: int
) -> None:
    """One run of a preset; `catalog` and `session` share theirs, the main experiment."""
    options = ["--dataset", dataset, "--preset", preset, "--seed", str(seed)]
    if protocol not in NEW_USERS:
        options += ["--protocol", protocol]
    elif preset == "best" and dataset in STEPS:
        options += ["--steps", str(STEPS[dataset])]
    name = f"{group(dataset, protocol, preset)}-seed{seed}"
    train_missing(arguments.output_root, name, options, arguments.data_root)


def group(dataset: str, protocol: evaluate.ProtocolName, preset: Preset) -> str:
    """What the names of the runs that one row of a table is made of begin with."""
    return "-".join([dataset, *([] if protocol in NEW_USERS else [protocol]), preset])


def train_missing(root: Path, name: str, options: Sequence[str], data_root: str | None) -> Path:
    """The folder of a run, trained in a process of its own unless it is finished; goes on where it
    stopped. SystemExit for one that `check_settings` refuses."""
    folder = root / name
    command = [sys.executable, "train.py", *options, "--run-name", name]
    command += ["--output-root", str(root)]
    begun = (folder / "config.json").exists()
    if begun:
        check_settings(folder, command[2:])
    if (folder / "metrics.json").exists():
        return folder
    if data_root is not None:
        command += ["--data-root", data_root]
    if begun:
        command.append("--resume")
    print(" ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    return folder


def check_settings(folder: Path, flags: Sequence[str]) -> None:
    """SystemExit if a run's settings are not what the flags mean today: defaults may have changed."""
    changed = contradictions(parse(flags), settings.load(folder / "config.json"))
    if changed:
        raise SystemExit(
            f"{folder}: trained with other settings, {', '.join(changed)}; remove it, or choose "
            "another --output-root"
        )


def finished(
    arguments: Arguments, dataset: str, protocol: evaluate.ProtocolName
) -> tuple[str, ...]:
    """`NAME=DIR` of every finished run: drr for the default preset, drr-paper for the paper's."""
    runs = []
    for preset in get_args(Preset):
        name = "drr" if preset == "best" else f"drr-{preset}"
        found = arguments.output_root.glob(f"{group(dataset, protocol, preset)}-seed*/metrics.json")
        runs += [f"{name}={metrics.parent}" for metrics in sorted(found)]
    return tuple(runs)


def measure(arguments: Arguments, dataset: str, protocol: evaluate.ProtocolName) -> str:
    """Evaluate every policy of the protocol; returns the table as Markdown."""
    base = arguments.output_root / f"{dataset}-{protocol}"
    markdown = base.with_suffix(".md")
    evaluate.run(
        evaluate.Arguments(
            protocol=protocol,
            policies=("all",),
            weights=finished(arguments, dataset, protocol),
            dataset=dataset,
            data_root=arguments.data_root,
            json=base.with_suffix(".json"),
            markdown=markdown,
        )
    )
    return markdown.read_text("utf-8")


def fill(docs: Path | None, name: str, table: str) -> None:
    """Replace a table of the page, if there is one."""
    if docs is not None and docs.exists():
        write_text(docs, insert(docs.read_text("utf-8"), name, table))


def insert(page: str, name: str, table: str) -> str:
    """The page with the lines between `<!-- NAME -->` and `<!-- end -->` replaced by the table."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}{table}{found[2]}", page)


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
