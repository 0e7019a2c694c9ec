"""What more users, more items and more ratings cost: the time of every stage, the peak memory.

    python -m benchmarks.growth --json growth.json
    python -m benchmarks.growth --sizes 138493 26744 20000263      (the shape of MovieLens-20M)

Synthetic sets, each in a process of its own so that its peak memory is its own. The stages are
those of train.py with its default settings: reading the data, the embedding, agent and environment,
steps and updates; then one recommendation, exact and, with `pip install faiss-cpu`, with
approximate retrieval. Times of steps are CPU times of all threads together, so that they compare
though the machine is not idle; growth is the time over that of the first set.
"""

import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from benchmarks import common
from config import Config
from config.command_line import end_when_nobody_reads
from data import Ratings, read_interactions
from data.synthetic import SyntheticConfig, make_synthetic

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
STEPS = ("environment step, CPU us", "update, CPU ms")


@dataclass(frozen=True)
class GrowthArguments(common.BenchmarkArguments):
    repeats: int = 3
    """Timings of each thing; the median counts."""
    sizes: tuple[Size, ...] = SIZES
    """Users, items and ratings of each set. Growth is measured against the first one."""


def main(arguments: GrowthArguments) -> None:
    """Measure, print, write."""
    cases = [measure_apart(size, arguments.repeats) for size in arguments.sizes]
    titles = {"stages": "Time of every stage, and peak memory"}
    common.conclude(arguments, "growth", {"stages": by_stage(cases)}, titles)


def by_stage(cases: list[Figures]) -> dict[str, Figures]:
    """{stage: {set: figure}}, and how the steps' times grow."""
    names = [f"set {number}" for number in range(1, 1 + len(cases))]
    rows = {stage: [case[stage] for case in cases] for stage in cases[0]}
    for step in STEPS:
        growth = [case[step] / cases[0][step] for case in cases]
        rows[f"growth of the {step.split(',')[0]}"] = growth
    return {stage: dict(zip(names, row, strict=True)) for stage, row in rows.items()}


def measure_apart(size: Size, repeats: int) -> Figures:
    """`measure` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(measure, size, Config(dataset="synthetic"), repeats).result()


def measure(size: Size, config: Config, repeats: int) -> Figures:
    """Times of every stage of a run with `config` on a set of that size, and the peak memory."""
    import embedding

    ratings = make_synthetic(synthetic_set(size))
    figures: Figures = {"users": ratings.n_users, "items": ratings.n_items}
    figures |= {"ratings": ratings.n_ratings, "read from CSV, s": seconds_to_read(ratings)}
    common.start_tensorflow("cpu")
    seconds, _ = timed(lambda: embedding.fit(config.embedding, ratings, seed=0))
    figures["embedding, s"] = seconds
    seconds, workload = timed(lambda: common.Workload(config, ratings))
    figures |= {"agent and environment, s": seconds, **step_times(workload, repeats)}
    figures["peak memory, GiB"] = common.peak_gib(resource.getrusage(resource.RUSAGE_SELF))
    return figures | recommendation_figures(workload, repeats)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and its result."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def synthetic_set(size: Size) -> SyntheticConfig:
    """The synthetic set whose mean number of ratings per user is that of `size`, within percents."""
    users, items, ratings = size
    mean = ratings / users
    return SyntheticConfig(
        n_users=users,
        n_items=items,
        shortest=max(2, round(mean / 3)),
        longest=min(round(12 * mean), items // 2),
        typical=0.72 * mean,  # lengths are log-normal: the median is below the mean
    )


def seconds_to_read(ratings: Ratings) -> float:
    """Seconds to read the ratings from a CSV file, as `--dataset csv` does."""
    columns = {
        "user": ratings.user_ids[ratings.users],
        "item": ratings.item_ids[ratings.items],
        "rating": ratings.values,
        "timestamp": ratings.timestamps,
    }
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        path = Path(folder) / "ratings.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        del columns
        return timed(lambda: read_interactions(path))[0]


def step_times(workload: common.Workload, repeats: int) -> Figures:
    """CPU time of an environment step and of an update."""
    users = workload.config.loop.parallel_users
    steps = users * workload.config.env.episode_length
    calls = {
        STEPS[0]: common.Timed(partial(workload.play, users), steps),
        STEPS[1]: common.Timed(partial(workload.learn, UPDATES), UPDATES),
    }
    seconds = common.median_seconds(calls, repeats, time.process_time)
    return {STEPS[0]: 1e6 * seconds[STEPS[0]], STEPS[1]: 1e3 * seconds[STEPS[1]]}


def recommendation_figures(workload: common.Workload, repeats: int) -> Figures:
    """One request without and with approximate retrieval, and its recall; without faiss, less.

    The requests for the recall are sums of the vectors of users' first items: about what a trained
    actor answers, which this one, after a few updates, is not.
    """
    from recommender.retrieval import Retrieval, RetrievalError, recall

    ratings, agent = workload.training.ratings, workload.training.agent
    items, figures = agent.table.items, Figures()
    history = [(item, ratings.scale[1]) for item in ratings.item_ids[:KNOWN].tolist()]
    calls = {"recommend, ms": common.Timed(partial(agent.recommend, history))}
    try:
        figures["index, s"], retrieval = timed(lambda: Retrieval(items))
        request = partial(agent.recommend, history, retrieval=retrieval)
        calls["with retrieval, ms"] = common.Timed(request)
        firsts = [ratings.items[ratings.row(user)][:KNOWN] for user in range(REQUESTS)]
        actions = np.array([items[known].sum(axis=0) for known in firsts])
        for k in (10, 100):
            figures[f"recall@{k}"] = recall(retrieval.nearest(actions, k), actions, items)
    except RetrievalError as error:
        print(error, file=sys.stderr)
    seconds = common.median_seconds(calls, repeats)
    return {name: 1e3 * value for name, value in seconds.items()} | figures


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(GrowthArguments, description=__doc__))
