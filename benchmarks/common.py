"""What the benchmarks share: median times, a table, JSON, and a line about the machine."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from data import Ratings, load_dataset
from data.synthetic import SyntheticConfig, make_synthetic

ML_1M_SIZE = SyntheticConfig(n_users=6040, n_items=3883)
Key = TypeVar("Key", bound=Hashable)
SHORTEST = 0.02  # seconds; shorter calls are timed several at once


@dataclass(frozen=True)
class Arguments:
    """What every benchmark can be told."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here."""
    repeats: int = 7
    """Timings of each thing; the median counts."""


@dataclass(frozen=True)
class DataArguments(Arguments):
    """And those that work on ratings."""

    dataset: str = "auto"
    """auto, ml-1m, ml-100k or synthetic. auto: ml-1m if it is here or can be downloaded, else a
    synthetic set of its size."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""


def load_ratings(arguments: DataArguments) -> Ratings:
    """The data set; the synthetic one is given as many users and items as ml-1m has."""
    ratings = load_dataset(arguments.dataset, arguments.data_root)
    return make_synthetic(ML_1M_SIZE) if ratings.name == "synthetic" else ratings


def median_seconds(
    calls: Mapping[Key, Callable[[], Any]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Key, float]:
    """Median seconds of one call of each, after a first one that is not counted.

    The calls take turns, so that a slow spell of the machine hits all of them and ratios hold.
    `time.process_time` as the clock: of all threads, which other processes hardly change.
    """
    counts = {name: _calls_at_once(call) for name, call in calls.items()}
    times: dict[Key, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(_seconds(call, counts[name], clock) / counts[name])
    return {name: statistics.median(values) for name, values in times.items()}


def _calls_at_once(call: Callable[[], Any]) -> int:
    call()  # compiles, fills caches
    return 1 + int(SHORTEST / max(_seconds(call, 1, time.perf_counter), 1e-9))


def _seconds(call: Callable[[], Any], count: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(count):
        call()
    return clock() - began


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "tensorflow")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


class Table(NamedTuple):
    """Figures for people: what was measured, names of the columns, rows of texts and numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on the terminal: first column to the left, numbers to the right."""
    table = RichTable(box=SIMPLE_HEAD)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    console = Console()
    console.print(f"\n{title}", highlight=False)
    console.print(table)


def as_markdown(table: Table) -> str:
    """The same for the docs."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    rows = "\n".join(f"| {' | '.join(_text(value) for value in line)} |" for line in lines)
    return f"{table.title}:\n\n{rows}\n"


def _text(value: Any) -> str:
    """Three digits of a fraction, all of a large number."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def conclude(path: Path | None, figures: Mapping[str, Any], tables: Sequence[Table]) -> None:
    """Print the tables, write the figures."""
    for table in tables:
        print_table(*table)
    write_json(path, figures)


def write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    """The figures and the machine they are of, in `path`; nothing when it is None."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({**figures, "machine": machine()}, indent=2)
        path.write_text(f"{content}\n", encoding="utf-8")
