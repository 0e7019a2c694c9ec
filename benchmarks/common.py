"""What the benchmarks share: a run to time, times in turns, tables, JSON, a line on the machine."""

import json
import os
import platform
import re
import resource
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import tensorflow as tf
import tyro

from config import Config
from data import Ratings, load_dataset
from evaluation.report import markdown_table, write_table
from recommender.collector import schedule
from training.loop import Training
from training.process import select_device
from training.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
SHORTEST = 0.02  # seconds; shorter calls are timed several at once
LOAD_BEFORE = round(os.getloadavg()[0], 1)  # of the machine, before the benchmark adds its own

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class BenchmarkArguments:
    """What every benchmark can be told."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here."""
    write_docs: bool = False
    """Replace this benchmark's tables in docs/performance.md."""
    repeats: int = 7
    """Timings of each thing; the median counts."""


@dataclass(frozen=True)
class DataArguments(BenchmarkArguments):
    """And those that work on ratings."""

    dataset: str = "auto"
    """auto, ml-1m, ml-100k or synthetic. auto: ml-1m if it is here or can be downloaded."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def prepare(arguments: DataArguments) -> tuple[str, Ratings]:
    """The device, and the data set."""
    device = select_device(arguments.device)
    tf.get_logger().setLevel("ERROR")  # says nothing of functions traced for several shapes
    return device, load_dataset(arguments.dataset, arguments.data_root)


class Workload:
    """The parts of a run to be timed, put together as train.py does.

    The embedding is the default one, because its values make no difference to the time.
    """

    def __init__(self, config: Config, ratings: Ratings) -> None:
        self.config = replace(config, embedding=replace(config.embedding, kind="svd"))
        with tempfile.TemporaryDirectory() as folder:
            self.training = Training(self.config, ratings, RunFolder(Path(folder)))

    def play(self, users: int) -> None:
        """One episode of `users` users at once, stored."""
        start = self.training.task.begin(self.training.rng, users)
        self.training.training_agent.collect(start, schedule(self.config.agent, 0.5), self._seed())

    def learn(self, updates: int) -> None:
        """Batches drawn, `updates` updates in one call, priorities written back."""
        training = self.training
        training.training_agent.learn(updates, training.rng, self._seed(), 0.5)

    def batches(self, updates: int, size: int) -> dict[str, Any]:
        """Batches [updates, size, ...] for `Learner.update_many`."""
        batch = self.training.training_agent.replay.sample_many(updates, size, self.training.rng)
        fields = batch.data | {"weights": batch.weights}
        return {name: tf.constant(values) for name, values in fields.items()}

    def _seed(self) -> tuple[int, int]:
        first, second = self.training.rng.integers(2**30, size=2)
        return int(first), int(second)


class Timed(NamedTuple):
    """A call to time, and how many updates, steps or the like it makes."""

    call: Callable[[], Any]
    times: int = 1


def median_seconds(
    timed: Mapping[Key, Timed], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[Key, float]:
    """Median seconds of each, of one of its times; a first call is not counted.

    The calls take turns, so that a slow spell of the machine hits all of them and ratios hold.
    `time.process_time` as the clock: of all threads, which other processes hardly change.
    """
    timers = {key: timeit.Timer(each.call, timer=clock) for key, each in timed.items()}
    counts = {}
    for key, timer in timers.items():
        timer.timeit(1)  # compiles, fills caches
        counts[key] = 1 + int(SHORTEST / max(timer.timeit(1), 1e-9))
    found: dict[Key, list[float]] = {key: [] for key in timed}
    for _ in range(repeats):
        for key, timer in timers.items():
            found[key].append(timer.timeit(counts[key]) / counts[key] / timed[key].times)
    return {key: statistics.median(seconds) for key, seconds in found.items()}


def peak_gib(usage: resource.struct_rusage) -> float:
    """The largest resident memory of what `usage` is of, GiB, on Linux."""
    return float(usage.ru_maxrss / 2**20)


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, what else ran, versions."""
    cpu = Path("/proc/cpuinfo")
    found = re.search("model name\\s*: (.*)", cpu.read_text() if cpu.exists() else "")
    return {
        "processor": found[1] if found else platform.machine(),
        "cores": os.cpu_count(),
        "load_before": LOAD_BEFORE,
        "load_after": round(os.getloadavg()[0], 1),
        **{name: version(name) for name in ("numpy", "tensorflow")},
    }


def as_markdown(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table {row: {column: figure}}, with three digits of a fraction, all of a large number."""
    columns = list(next(iter(rows.values())))
    lines = [["", *columns]]
    for name, row in rows.items():
        figures = (row[key] for key in columns if key in row)
        texts = [f"{x:,.0f}" if x >= 1000 else f"{x:.3g}" for x in figures]
        lines.append([name, *texts, *[""] * (len(columns) - len(texts))])
    return f"{title}:\n\n{markdown_table(lines)}"


def conclude(
    arguments: BenchmarkArguments, name: str, figures: Mapping[str, Any], titles: Mapping[str, str]
) -> None:
    """Print the figures that have a title as tables; write all, and the docs, where asked to."""
    here = machine()
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in here.items())
    tables = [as_markdown(title, figures[key]) for key, title in titles.items() if figures[key]]
    text = "\n".join([f"{about}.\n", *tables])
    print(text)
    if arguments.json is not None:
        content = json.dumps({**figures, "machine": here}, indent=2, allow_nan=False)
        arguments.json.write_text(f"{content}\n", encoding="utf-8")
    if arguments.write_docs:
        write_table("performance.md", name, f"\n{text}\n")
