"""What more users, more items and more ratings cost: reading, acting, learning, answering, memory.

    python -m benchmarks.growth --json growth.json

Synthetic sets, each in a process of its own so that its peak memory is its own, with the default
settings of train.py. With `pip install faiss-cpu` one recommendation is timed with approximate
retrieval, too. Steps and updates are CPU times of all threads together, so that they compare though
the machine is not idle.
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

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
REQUESTS, KNOWN, K = 200, 10, 100  # to approximate retrieval: users, their known ratings, items


@dataclass(frozen=True)
class GrowthArguments(BenchmarkArguments):
    repeats: int = 3
    """Timings of each thing; the median counts."""
    sizes: tuple[Size, ...] = SIZES
    """Users, items and ratings of each set."""


def main(arguments: GrowthArguments) -> None:
    """Measure, print, write."""
    sets = {}
    for size in arguments.sizes:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            config = Config(dataset="synthetic")
            figures = process.submit(measure, size, config, arguments.repeats).result()
        sets["{:,} users, {:,} items, {:,} ratings".format(*size)] = figures
    conclude(arguments, "growth", {"sets": sets}, {"sets": "Times, and peak memory"})


def measure(size: Size, config: Config, repeats: int) -> Figures:
    """Times and peak memory of a run with `config` on a set of that size."""
    ratings = random_ratings(size)
    figures = {"read from CSV, s": seconds_to_read(ratings)}
    select_device("cpu")
    workload, users = Workload(config, ratings), config.loop.parallel_users
    calls = {
        "step": Timed(partial(workload.play, users), users * config.env.episode_length),
        "update": Timed(partial(workload.learn, UPDATES), UPDATES),
    }
    seconds = median_seconds(calls, repeats, time.process_time)
    figures["environment step, CPU us"] = 1e6 * seconds["step"]
    figures["update, CPU ms"] = 1e3 * seconds["update"]
    figures["peak memory, GiB"] = peak_gib(resource.getrusage(resource.RUSAGE_SELF))
    return figures | recommendation_figures(workload, repeats)


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
        began = time.perf_counter()
        read_interactions(path)
        return time.perf_counter() - began


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
        retrieval = Retrieval(items)
        request = partial(agent.recommend, history, retrieval=retrieval)
        calls["with retrieval, ms"] = Timed(request)
        firsts = [ratings.items[ratings.row(user)][:KNOWN] for user in range(REQUESTS)]
        actions = np.array([items[known].sum(axis=0) for known in firsts])
        figures[f"recall@{K}"] = recall(retrieval.nearest(actions, K), actions, items)
    except RetrievalError as error:
        print(error, file=sys.stderr)
    seconds = median_seconds(calls, repeats)
    return {name: 1e3 * value for name, value in seconds.items()} | figures


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(GrowthArguments, description=__doc__))
