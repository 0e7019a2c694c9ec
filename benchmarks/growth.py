"""What more users, more items and more ratings cost: the time of every stage, the peak memory.

    python -m benchmarks.growth --json growth.json

Synthetic sets, each in a process of its own so that its peak memory is its own. The stages are
those of train.py with its default settings: reading the data, building embedding, agent and
environment, steps and updates; then one recommendation, exact and, with `pip install faiss-cpu`, with
approximate retrieval. Times of steps are CPU times of all threads together, so that they compare
though the machine is not idle.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import (
    BenchmarkArguments,
    Timed,
    Workload,
    conclude,
    median_seconds,
    peak_gib,
)
from config import Config
from config.command_line import end_when_nobody_reads, read_arguments
from data import Ratings, read_interactions
from recommender.retrieval import Retrieval, RetrievalError, recall
from training.process import select_device

Size = tuple[int, int, int]  # users, items, ratings
Figures = dict[str, float]

SIZES: tuple[Size, ...] = (
    (6_000, 4_000, 120_000),
    (6_000, 40_000, 120_000),
    (6_000, 400_000, 120_000),
    (60_000, 4_000, 1_200_000),
    (600_000, 4_000, 12_000_000),
)
UPDATES = 4  # in one call: a run makes more, but 400 thousand items take seconds for each
REQUESTS, KNOWN = 200, 10  # to approximate retrieval, by users of whom so many ratings are known


@dataclass(frozen=True)
class GrowthArguments(BenchmarkArguments):
    repeats: int = 3
    """Timings of each thing; the median counts."""
    sizes: tuple[Size, ...] = SIZES
    """Users, items and ratings of each set."""


def main(arguments: GrowthArguments) -> None:
    """Measure, print, write."""
    measured = [measure_apart(size, arguments.repeats) for size in arguments.sizes]
    cases = {f"set {number}": case for number, case in enumerate(measured, start=1)}
    stages = {
        stage: {name: case[stage] for name, case in cases.items()} for stage in cases["set 1"]
    }
    titles = {"stages": "Time of every stage, and peak memory"}
    conclude(arguments, "growth", {"stages": stages}, titles)


def measure_apart(size: Size, repeats: int) -> Figures:
    """`measure` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(measure, size, Config(dataset="synthetic"), repeats).result()


def measure(size: Size, config: Config, repeats: int) -> Figures:
    """Times of every stage of a run with `config` on a set of that size, and the peak memory."""
    ratings = random_ratings(size)
    figures: Figures = {"users": ratings.n_users, "items": ratings.n_items}
    figures |= {"ratings": ratings.n_ratings, "read from CSV, s": seconds_to_read(ratings)}
    select_device("cpu")
    figures["embedding, agent, environment, s"], workload = timed(lambda: Workload(config, ratings))
    figures |= step_times(workload, repeats)
    figures["peak memory, GiB"] = peak_gib(resource.getrusage(resource.RUSAGE_SELF))
    return figures | recommendation_figures(workload, repeats)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and its result."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def random_ratings(size: Size) -> Ratings:
    """A set of that size: pairs at random, some items far more popular than others."""
    n_users, n_items, n_ratings = size
    rng = np.random.default_rng(0)
    drawn = rng.integers(n_users, size=2 * n_ratings) * n_items
    pairs = np.unique(drawn + (n_items * rng.random(2 * n_ratings) ** 2).astype(np.int64))
    pairs = rng.permutation(pairs)[:n_ratings]
    columns = pairs // n_items, pairs % n_items, rng.integers(1, 6, len(pairs))
    times, users, items = (np.arange(n) for n in (len(pairs), n_users, n_items))
    return Ratings.from_events("random", *columns, times, user_ids=users, item_ids=items)


def seconds_to_read(ratings: Ratings) -> float:
    """Seconds to read the ratings from a CSV file, as `--dataset csv` does."""
    columns = {"user": ratings.users, "item": ratings.items, "rating": ratings.values}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        pd.DataFrame(columns | {"timestamp": ratings.timestamps}).to_csv(path, index=False)
        return timed(lambda: read_interactions(path))[0]


def step_times(workload: Workload, repeats: int) -> Figures:
    """CPU time of an environment step and of an update."""
    users = workload.config.loop.parallel_users
    steps = users * workload.config.env.episode_length
    calls = {
        "step": Timed(partial(workload.play, users), steps),
        "update": Timed(partial(workload.learn, UPDATES), UPDATES),
    }
    seconds = median_seconds(calls, repeats, time.process_time)
    return {
        "environment step, CPU us": 1e6 * seconds["step"],
        "update, CPU ms": 1e3 * seconds["update"],
    }


def recommendation_figures(workload: Workload, repeats: int) -> Figures:
    """One request without and with approximate retrieval, and its recall; without faiss, less.

    The requests for the recall are sums of the vectors of users' first items: about what a trained
    actor answers, which this one, after a few updates, is not.
    """
    ratings, agent = workload.training.ratings, workload.training.agent
    items, figures = agent.table.items, Figures()
    history = [(item, ratings.scale[1]) for item in ratings.item_ids[:KNOWN].tolist()]
    calls = {"recommend, ms": Timed(partial(agent.recommend, history))}
    try:
        figures["index, s"], retrieval = timed(lambda: Retrieval(items))
        request = partial(agent.recommend, history, retrieval=retrieval)
        calls["with retrieval, ms"] = Timed(request)
        firsts = [ratings.items[ratings.row(user)][:KNOWN] for user in range(REQUESTS)]
        actions = np.array([items[known].sum(axis=0) for known in firsts])
        for k in (10, 100):
            figures[f"recall@{k}"] = recall(retrieval.nearest(actions, k), actions, items)
    except RetrievalError as error:
        print(error, file=sys.stderr)
    seconds = median_seconds(calls, repeats)
    return {name: 1e3 * value for name, value in seconds.items()} | figures


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(GrowthArguments, description=__doc__))
