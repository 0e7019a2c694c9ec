"""What the benchmarks share: a run to time, times in turns, tables, JSON, a line on the machine."""

import json
import os
import platform
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import tyro
from rich.console import Console
from rich.markdown import Markdown

import config as settings
from config import Config
from data import Ratings, load_dataset
from data.synthetic import SyntheticConfig, make_synthetic

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
ML_1M_SIZE = SyntheticConfig(n_users=6040, n_items=3883)
SHORTEST = 0.02  # seconds; shorter calls are timed several at once
LOAD_BEFORE = os.getloadavg()[0]  # of the machine, before the benchmark adds its own

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Arguments:
    """What every benchmark can be told."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here."""
    write_docs: bool = False
    """Replace this benchmark's tables in docs/performance.md."""
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
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def start_tensorflow(device: str) -> str:
    """Choose the device, and say nothing of functions that are traced for several shapes."""
    from training.process import select_device

    description = select_device(device)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    return description


def load_ratings(arguments: DataArguments) -> Ratings:
    """The data set; the synthetic one is given as many users and items as ml-1m has."""
    ratings = load_dataset(arguments.dataset, arguments.data_root)
    return make_synthetic(ML_1M_SIZE) if ratings.name == "synthetic" else ratings


def timed_preset(
    name: settings.Preset, users: int = 0, jit: Literal["auto", "off"] = "auto"
) -> Config:
    """A preset with a random embedding, whose values make no difference to the time, and a replay
    that holds an episode of `users` users at once."""
    config = settings.preset(name)
    capacity = max(config.replay.capacity, users * config.env.episode_length)
    return replace(
        config,
        embedding=replace(config.embedding, kind="random"),
        replay=replace(config.replay, capacity=capacity),
        loop=replace(config.loop, jit=jit),
    )


class Workload:
    """The parts of a run to be timed, put together as train.py does."""

    def __init__(self, config: Config, ratings: Ratings) -> None:
        from training.loop import Training
        from training.run_folder import RunFolder

        self.config = config
        with tempfile.TemporaryDirectory() as folder:
            self.training = Training(config, ratings, RunFolder(Path(folder)))

    def play(self, users: int) -> None:
        """One episode of `users` users at once, stored."""
        from recommender.exploration import schedule

        training, exploration = self.training, schedule(self.config.agent, 0.5)
        start = training.task.begin(training.rng, users)
        training.training_agent.collect(start, exploration, self._seed())

    def learn(self, updates: int) -> None:
        """Batches drawn, `updates` updates in one call, priorities written back."""
        training = self.training
        training.training_agent.learn(updates, training.rng, self._seed(), 0.5)

    def batches(self, updates: int, size: int) -> dict[str, Any]:
        """Batches [updates, size, ...] for `Learner.update_many`."""
        import tensorflow as tf

        replay = self.training.training_agent.replay
        batch = replay.sample_many(updates, size, self.training.rng)
        return {name: tf.constant(value.copy()) for name, value in batch.data.items()} | {
            "weights": tf.constant(batch.weights)
        }

    def _seed(self) -> tuple[int, int]:
        first, second = self.training.rng.integers(2**30, size=2)
        return int(first), int(second)


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


def peak_gib(usage: resource.struct_rusage) -> float:
    """The largest resident memory of what `usage` is of, GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return float(usage.ru_maxrss * unit / 2**30)


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, what else ran, versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_before": LOAD_BEFORE,
        "load_after": os.getloadavg()[0],
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


def as_markdown(table: Table) -> str:
    """First column to the left, numbers to the right."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    rows = "\n".join(f"| {' | '.join(_text(value) for value in line)} |" for line in lines)
    return f"{table.title}:\n\n{rows}\n"


def _text(value: Any) -> str:
    """Three digits of a fraction, all of a large number."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def conclude(
    arguments: Arguments, name: str, figures: Mapping[str, Any], tables: Sequence[Table]
) -> None:
    """Print the tables; write the figures with their machine, and the docs, where asked to."""
    here = machine()
    text = "\n".join([f"{_described(here)}\n", *(as_markdown(table) for table in tables)])
    Console().print(Markdown(text))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({**figures, "machine": here}, indent=2)
        arguments.json.write_text(f"{content}\n", encoding="utf-8")
    if arguments.write_docs:
        PAGE.write_text(between_markers(PAGE.read_text("utf-8"), name, text), "utf-8")


def _described(here: Mapping[str, Any]) -> str:
    return (
        f"{here['processor']}, {here['cores']} cores, load {here['load_before']:.1f} before and "
        f"{here['load_after']:.1f} after; Python {here['python']}, NumPy {here['numpy']}, "
        f"TensorFlow {here['tensorflow']}."
    )


def between_markers(page: str, name: str, content: str) -> str:
    """The page with `content` between `<!-- name -->` and `<!-- end -->`."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise SystemExit(f"{PAGE}: no place for the tables: <!-- {name} --> ... <!-- end -->")
    return place.sub(lambda found: f"{found[1]}\n{content}\n{found[2]}", page)
