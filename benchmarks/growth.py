"""What more users, more items and more ratings cost: the time of every stage, the peak memory.

    python -m benchmarks.growth --json growth.json
    python -m benchmarks.growth --large --json growth.json     (and 20 million ratings, twice)

Synthetic sets of 6 thousand to 600 thousand users and 4 thousand to 400 thousand items, each in a
process of its own so that its peak memory is its own. The stages are those of train.py with its
default settings: reading the data, setting up (the embedding first), environment steps and updates;
then one recommendation, exact and, with `pip install faiss-cpu`, with approximate retrieval. Times
of steps are CPU times of all threads together, so that they compare though the sets take their
turns on a machine that is not idle. Growth is the time over that of the first set; for the items it
is divided by how many times as many there are: both are 1 where cost grows as it should.
"""

import contextlib
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from benchmarks.common import (
    Arguments as CommonArguments,
)
from benchmarks.common import (
    Table,
    Workload,
    conclude,
    median_seconds,
    peak_gib,
    start_tensorflow,
)
from config import Config
from config.command_line import end_when_nobody_reads
from data import Ratings, read_interactions
from data.synthetic import SyntheticConfig, make_synthetic

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
UPDATES = 4  # in one call: a run makes more, but 400 thousand items take seconds for each
REQUESTS, KNOWN = 200, 10  # to approximate retrieval, by users of whom so many ratings are known
STEPS = {"transition_us": "environment step, CPU us", "update_ms": "update, CPU ms"}
STAGES = {
    "read_s": "read from CSV, s",
    "setup_s": "set up, s",
    **STEPS,
    "recommend_ms": "recommend, ms",
    "peak_gib": "peak memory, GiB",
}
RETRIEVAL = {
    "index_s": "index, s",
    "retrieval_ms": "retrieval, ms",
    "recall@10": "recall@10",
    "recall@100": "recall@100",
}


@dataclass(frozen=True)
class Arguments(CommonArguments):
    repeats: int = 3
    """Timings of each thing; the median counts."""
    sizes: tuple[Size, ...] = SIZES
    """Users, items and ratings of each set. Growth is measured against the first one."""
    large: bool = False
    """Also 20 million ratings: the shape of MovieLens-20M, and 600 thousand users with 400 thousand
    items."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    sizes = arguments.sizes + (LARGE if arguments.large else ())
    cases = [measure_apart(size, arguments.repeats) for size in sizes]
    growth = {axis: growth_along(axis, cases) for axis in ("items", "users")}
    figures = {"cases": cases, "growth": growth}
    conclude(arguments, "growth", figures, tables(figures))


def measure_apart(size: Size, repeats: int) -> Figures:
    """`measure` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(measure, size, Config(dataset="synthetic"), repeats).result()


def measure(size: Size, config: Config, repeats: int) -> Figures:
    """Times of every stage of a run with `config` on a set of that size, and the peak memory."""
    ratings = make_synthetic(synthetic_set(size))
    figures: Figures = {"items": ratings.n_items, "users": ratings.n_users}
    figures |= {"ratings": ratings.n_ratings, "read_s": seconds_to_read(ratings)}
    start_tensorflow("cpu")
    began = time.perf_counter()
    workload = Workload(config, ratings)
    figures["setup_s"] = time.perf_counter() - began
    figures |= step_times(workload, repeats)
    figures["peak_gib"] = peak_gib(resource.getrusage(resource.RUSAGE_SELF))
    agent, history = workload.training.agent, known_ratings(ratings, 0)
    calls: dict[str, Callable[[], Any]] = {"exact": partial(agent.recommend, history)}
    figures["recommend_ms"] = 1e3 * median_seconds(calls, repeats)["exact"]
    return figures | retrieval_figures(workload, repeats)


def synthetic_set(size: Size) -> SyntheticConfig:
    """The synthetic set whose mean number of ratings per user is that of `size`, within percents."""
    users, items, ratings = size
    mean = ratings / users
    return SyntheticConfig(
        n_users=users,
        n_items=items,
        shortest=max(2, round(mean / 3)),
        longest=min(round(12 * mean), items // 2),
        typical=0.7 * mean,  # lengths are log-normal: the median is below the mean
    )


def seconds_to_read(ratings: Ratings) -> float:
    """Seconds to read the ratings from a CSV file, as `--dataset csv` does."""
    columns = {
        "user": ratings.user_ids[ratings.users],
        "item": ratings.item_ids[ratings.items],
        "rating": ratings.values,
        "timestamp": ratings.timestamps,
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        path = Path(folder) / "ratings.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        del columns
        began = time.perf_counter()
        read_interactions(path)
        return time.perf_counter() - began


def step_times(workload: Workload, repeats: int) -> Figures:
    """CPU time of an environment step, in us, and of an update, in ms."""
    config = workload.config
    users = config.loop.parallel_users
    calls = {"play": partial(workload.play, users), "learn": partial(workload.learn, UPDATES)}
    seconds = median_seconds(calls, repeats, time.process_time)
    return {
        "transition_us": 1e6 * seconds["play"] / (users * config.env.episode_length),
        "update_ms": 1e3 * seconds["learn"] / UPDATES,
    }


def known_ratings(ratings: Ratings, user: int) -> list[tuple[int | str, float]]:
    """The user's first ratings, for `recommend`."""
    row = slice(ratings.row(user).start, ratings.row(user).start + KNOWN)
    items = ratings.item_ids[ratings.items[row]]
    return list(zip(items.tolist(), ratings.values[row].tolist(), strict=True))


def retrieval_figures(workload: Workload, repeats: int) -> Figures:
    """Recall of approximate retrieval, and one request with it; nothing without faiss.

    The requests are sums of the vectors of users' first items: about what a trained actor answers,
    which this one, after a few updates, is not.
    """
    from recommender.retrieval import Retrieval, RetrievalError, recall

    ratings, agent = workload.training.ratings, workload.training.agent
    items, began = agent.table.items, time.perf_counter()
    try:
        retrieval = Retrieval(items)
    except RetrievalError as error:
        print(error, file=sys.stderr)
        return {}
    seconds, history = time.perf_counter() - began, known_ratings(ratings, 0)
    firsts = [ratings.items[ratings.row(user)][:KNOWN] for user in range(REQUESTS)]
    actions = np.array([items[known].sum(axis=0) for known in firsts])
    calls = {"request": partial(agent.recommend, history, retrieval=retrieval)}
    return {
        "index_s": seconds,
        "retrieval_ms": 1e3 * median_seconds(calls, repeats)["request"],
        **{f"recall@{k}": recall(retrieval.nearest(actions, k), actions, items) for k in (10, 100)},
    }


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
    return [
        Table(
            "Time of every stage, and peak memory",
            ["users", *(short(case["users"]) for case in cases)],
            [
                *([axis, *(short(case[axis]) for case in cases)] for axis in ("items", "ratings")),
                *(
                    [title, *(case.get(key) for case in cases)]
                    for key, title in (STAGES | RETRIEVAL).items()
                    if key in cases[0]
                ),
            ],
        ),
        Table(
            "Growth of a step's CPU time: with items over linear, with users over constant",
            ["against the first", *STEPS.values()],
            [
                [f"{times} {axis}", *row.values()]
                for axis, rows in figures["growth"].items()
                for times, row in rows.items()
            ],
        ),
    ]


def short(number: int) -> str:
    """6000 -> 6 k, 20000263 -> 20.0 M."""
    return f"{number / 1e6:.1f} M" if number >= 10**6 else f"{number / 1e3:.3g} k"


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
