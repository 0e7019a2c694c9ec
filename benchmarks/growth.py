"""What more users, more items and more ratings cost: the time of every stage, the peak memory.

    python -m benchmarks.growth --json growth.json
    python -m benchmarks.growth --large --json growth.json     (and 20 million ratings, twice)

Synthetic sets of 6 thousand to 600 thousand users and 4 thousand to 400 thousand items, each in a
process of its own (benchmarks/growth_case.py). The stages are those of train.py with its default
settings: reading the data, the embedding, environment steps and updates, a checkpoint, a ranked
list, and, with `pip install faiss-cpu`, approximate retrieval. Then what growth costs: the time of
a step with n times the items over n times the time, and the time with n times the users over the
same time; both are 1 where cost grows as it should. Times of steps are CPU times of all threads
together, so that they compare though the sets take their turns on a machine that is not idle.

A set that the JSON file holds already is not measured again, so an interrupted call goes on.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.common import Arguments as CommonArguments
from benchmarks.common import Table, print_table, write_json

Size = tuple[int, int, int]  # users, items, ratings
Figures = dict[str, Any]

SIZES: tuple[Size, ...] = (
    (6_000, 4_000, 120_000),
    (6_000, 40_000, 120_000),
    (6_000, 400_000, 120_000),
    (60_000, 4_000, 1_200_000),
    (600_000, 4_000, 12_000_000),
)
LARGE: tuple[Size, ...] = (
    (138_493, 26_744, 20_000_263),  # the shape of MovieLens-20M
    (600_000, 400_000, 20_000_000),
)
STEPS = {"transition_us": "environment step", "update_ms": "update"}
RETRIEVAL = {
    "exact_ms": "exact, ms",
    "retrieval_ms": "retrieval, ms",
    "recall@10": "recall@10",
    "recall@100": "recall@100",
}
ROWS = {
    "generate_s": "made up, s",
    "parse_s": "read from CSV, s",
    "embedding_s": "embedding, s",
    "prepare_s": "agent, environment, s",
    "transition_us": "environment step, CPU us",
    "update_ms": "update, CPU ms",
    "list_ms": "ranked list, ms",
    "checkpoint_s": "checkpoint, s",
}


@dataclass(frozen=True)
class Arguments(CommonArguments):
    sizes: tuple[Size, ...] = SIZES
    """Users, items and ratings of each set. Growth is measured against the first one."""
    large: bool = False
    """Also 20 million ratings: the shape of MovieLens-20M, and 600 thousand users with 400 thousand
    items."""


def main(arguments: Arguments) -> None:
    """Measure, write after every set, print."""
    found = {tuple(case["size"]): case for case in measured(arguments.json)}
    sizes = arguments.sizes + (LARGE if arguments.large else ())
    for size in sizes:
        found[size] = found.get(size) or run_case(size, arguments.repeats)
        cases = [found[each] for each in sizes if each in found]
        growth = {axis: growth_along(axis, cases) for axis in ("items", "users")}
        figures = {"cases": cases, "growth": growth}
        write_json(arguments.json, figures)
    for table in tables(figures):
        print_table(*table)


def measured(path: Path | None) -> list[Figures]:
    """The cases that the file holds."""
    if path is None or not path.is_file():
        return []
    cases: list[Figures] = json.loads(path.read_text("utf-8"))["cases"]
    return cases


def run_case(size: Size, repeats: int) -> Figures:
    """One set's figures, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "case.json"
        numbers = [str(number) for number in size]
        command = [sys.executable, "-m", "benchmarks.growth_case", *numbers]
        command += ["--repeats", str(repeats), "--json", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        figures: Figures = json.loads(file.read_text(encoding="utf-8"))
    del figures["machine"]
    return {"size": size, **figures}


def growth_along(axis: str, cases: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Of the cases that differ from the first in `axis` alone: {"100 x": {step: ratio}}.

    Ratios of times: over the ratio of sizes where the axis is the items, as they are for users.
    """
    first, other = cases[0], "users" if axis == "items" else "items"
    rows = {}
    for case in cases[1:]:
        if case[other] == first[other] and case[axis] != first[axis]:
            times = case[axis] / first[axis]
            expected = times if axis == "items" else 1.0
            rows[f"{times:g} x"] = {step: case[step] / first[step] / expected for step in STEPS}
    return rows


def tables(figures: Figures) -> list[Table]:
    """The figures for people."""
    cases = figures["cases"]
    found = [case for case in cases if case["retrieval"]]
    return [
        Table(
            "Time of every stage, and peak memory",
            ["users", *(short(case["users"]) for case in cases)],
            [
                *([axis, *(short(case[axis]) for case in cases)] for axis in ("items", "ratings")),
                *([title, *(case[key] for case in cases)] for key, title in ROWS.items()),
                ["peak memory, GiB", *(peak(case) for case in cases)],
            ],
        ),
        Table(
            "Growth of a step's CPU time: with items over linear, with users over constant",
            ["against the first", *STEPS.values()],
            [
                [f"{times} {axis}", *(row[step] for step in STEPS)]
                for axis, rows in figures["growth"].items()
                for times, row in rows.items()
            ],
        ),
        Table(
            "Approximate retrieval: one request, and recall against the exact ranking",
            ["items", "index, s", *RETRIEVAL.values()],
            [
                [
                    short(case["items"]),
                    case["retrieval_s"],
                    *(case["retrieval"][key] for key in RETRIEVAL),
                ]
                for case in found
            ],
        ),
    ]


def peak(case: Figures) -> float:
    """The largest resident memory of a case, GiB."""
    return float(max(case["peak_gib"].values()))


def short(number: int) -> str:
    """6000 -> 6 k, 20000263 -> 20.0 M."""
    return f"{number / 1e6:.1f} M" if number >= 10**6 else f"{number / 1e3:.3g} k"


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
