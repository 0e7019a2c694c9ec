"""One case of benchmarks.growth, in a process of its own so that its peak memory is its own.

python -m benchmarks.growth_case 6000 4000 200000 --json case.json
"""

import contextlib
import dataclasses
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro

from benchmarks.common import median_seconds, write_json
from config import Config
from data import Ratings, read_interactions
from data.splits import split_users
from data.synthetic import SyntheticConfig, make_synthetic

SCORES = 1 << 20  # of one timing of the updates, about: users x items
ROWS = 1 << 20  # written at once
REQUESTS = 200  # to approximate retrieval
ASKED = 41  # users of one timing of the evaluation


@dataclass(frozen=True)
class Case:
    """Size of a synthetic set; the number of ratings is met within some percent."""

    users: tyro.conf.Positional[int]
    items: tyro.conf.Positional[int]
    ratings: tyro.conf.Positional[int]
    repeats: int = 5
    """Timings of each thing; the median counts."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the figures here."""


class Stages:
    """Seconds of one stage after the other, and the peak memory up to the end of each, GiB."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._began = time.perf_counter()

    def done(self, name: str, seconds: float | None = None) -> None:
        """The stage that ends here; of its seconds only so many where they are given."""
        now = time.perf_counter()
        self.seconds[f"{name}_s"] = now - self._began if seconds is None else seconds
        self.peaks[name], self._began = peak(), now


def measure(case: Case, config: Config) -> dict[str, Any]:
    """Times of every stage of a training run on a set of that size, and the peak memory.

    The stages are train.py's own, with the settings of `config`.
    """
    stages = Stages()
    ratings = make_synthetic(settings_of(case))
    stages.done("generate")
    stages.done("parse", seconds_to_parse(ratings))
    from training.process import select_device

    select_device("cpu")
    import embedding
    from training.loop import Training
    from training.run_folder import RunFolder

    stages.done("import")
    with tempfile.TemporaryDirectory() as folder:
        visible = ratings.of_users(split_users(ratings.n_users)[0])
        table = embedding.fit(config.embedding, visible, seed=0)
        stages.done("embedding")
        table.save(Path(folder) / "embedding.weights.h5")
        del visible, table
        training = Training(config, ratings, RunFolder(Path(folder)))
        stages.done("prepare")
        times = step_times(training, case.repeats)
        stages.done("steps")
        training.save()
        stages.done("checkpoint")
        times["list_ms"] = list_time(training)
        stages.done("lists")
        retrieval = retrieval_figures(training, stages)
    size = {"users": ratings.n_users, "items": ratings.n_items, "ratings": ratings.n_ratings}
    return {
        **size,
        **stages.seconds,
        **times,
        "peak_gib": stages.peaks,
        "retrieval": retrieval,
    }


def seconds_to_parse(ratings: Ratings) -> float:
    """Seconds to read the ratings back from a CSV file, as `--dataset csv` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        write_csv(ratings, path)
        began = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):  # how the file was understood
            found = read_interactions(path)
        seconds = time.perf_counter() - began
    if found.n_ratings != ratings.n_ratings:
        raise RuntimeError(f"{found.n_ratings} of {ratings.n_ratings} ratings were read")
    return seconds


def write_csv(ratings: Ratings, path: Path) -> None:
    """A file for `train.py --dataset csv --csv.path PATH`."""
    columns = ("user", "item", "rating", "timestamp")
    path.write_text(f"{','.join(columns)}\n")
    for begin in range(0, ratings.n_ratings, ROWS):
        part = slice(begin, begin + ROWS)
        values = (
            ratings.user_ids[ratings.users[part]],
            ratings.item_ids[ratings.items[part]],
            ratings.values[part],
            ratings.timestamps[part],
        )
        frame = pd.DataFrame(dict(zip(columns, values, strict=True)))
        frame.to_csv(path, mode="a", header=False, index=False)


def step_times(training: Any, repeats: int) -> dict[str, float]:
    """CPU time of an environment step, in us, and of an update, in ms."""
    from recommender.exploration import schedule

    agent, config, rng = training.training_agent, training.config, training.rng
    exploration = schedule(config.agent, 0.5)
    updates = updates_per_call(config, training.ratings.n_items)

    def play() -> None:
        start = training.task.begin(rng, config.loop.parallel_users)
        agent.collect(start, exploration, (1, int(rng.integers(2**30))))

    calls: dict[str, Callable[[], Any]] = {
        "play": play,
        "learn": partial(agent.learn, updates, rng, (2, 3), 0.5),
    }
    seconds = median_seconds(calls, repeats, time.process_time)
    return {
        "transition_us": 1e6 * seconds["play"] / training.per_iteration,
        "update_ms": 1e3 * seconds["learn"] / updates,
    }


def list_time(training: Any) -> float:
    """Of ranking the catalogue for one user of the evaluation, in ms."""
    from recommender.drr_policy import DRRPolicy

    protocol, policy = training.protocols[0], DRRPolicy(training.agent)
    users = np.arange(min(ASKED, protocol.n_users))
    seconds = median_seconds({"lists": lambda: protocol._play(policy, users)}, 3)
    return 1e3 * seconds["lists"] / len(users)


def retrieval_figures(training: Any, stages: Stages) -> dict[str, float] | None:
    """Recall of approximate retrieval, and one request without and with it; None without faiss.

    The requests are sums of the item vectors of users' windows: about what a trained actor answers,
    which this one, after a few updates, is not.
    """
    from recommender.retrieval import Retrieval, RetrievalError, recall

    agent, items = training.agent, training.table.items
    try:
        retrieval = Retrieval(items)
    except RetrievalError as error:
        print(error, file=sys.stderr)
        return None
    stages.done("retrieval")
    protocol = training.protocols[0]
    windows = protocol.start(np.arange(protocol.n_users)[:REQUESTS]).window_items
    actions = (items[windows] * (windows >= 0)[..., None]).sum(axis=1)
    known = [(training.ratings.item_ids[item].item(), 5.0) for item in windows[0][windows[0] >= 0]]
    seconds = median_seconds(
        {
            "exact_ms": lambda: agent.recommend(known, 10),
            "retrieval_ms": lambda: agent.recommend(known, 10, retrieval=retrieval),
        },
        repeats=5,
    )
    return {
        **{name: 1e3 * value for name, value in seconds.items()},
        **{f"recall@{k}": recall(retrieval.nearest(actions, k), actions, items) for k in (10, 100)},
    }


def updates_per_call(config: Config, n_items: int) -> int:
    """As many as a run makes at once, or fewer where the catalogue is large."""
    affordable = 32 * SCORES // (config.agent.batch_size * n_items)
    return max(1, min(config.loop.updates_per_rollout, affordable))


def settings_of(case: Case) -> SyntheticConfig:
    """The synthetic set whose mean number of ratings per user is the case's."""
    mean = case.ratings / case.users
    sizes = SyntheticConfig(
        n_users=case.users,
        n_items=case.items,
        shortest=max(2, round(mean / 3)),
        longest=min(round(12 * mean), case.items // 2),
    )
    normal = np.sort(np.random.default_rng(0).standard_normal(10_000))
    low, high = 0.0, mean
    for _ in range(40):  # bisection: the mean length rises with the typical one
        middle = (low + high) / 2
        lengths = np.clip(middle * np.exp(0.8 * normal), sizes.shortest, sizes.longest)
        low, high = (middle, high) if lengths.mean() < mean else (low, middle)
    return dataclasses.replace(sizes, typical=high)


def peak() -> float:
    """The largest resident memory of this process so far, GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main(case: Case) -> None:
    """Measure, write."""
    write_json(case.json, measure(case, Config(dataset="synthetic")))


if __name__ == "__main__":
    main(tyro.cli(Case, description=__doc__))
