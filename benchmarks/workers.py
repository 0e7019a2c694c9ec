"""What several workers gain and cost on this machine: episodes, updates, and the collective alone.
And what one of many would compute: an update of its share of the batch.

    python -m benchmarks.workers --json workers.json

Each worker computes with one thread. The users at once, the batch and the replay of the default
settings are divided among the workers, as train.py does. With TF_CONFIG in the environment, one
process of a cluster: `TF_CONFIG=... python -m benchmarks.workers` on each machine measures that.
"""

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

import config as settings
from benchmarks.common import (
    DataArguments,
    Table,
    conclude,
    load_ratings,
    median_seconds,
    write_json,
)
from training.workers import Workers, from_environment

if TYPE_CHECKING:
    from benchmarks.workload import Workload

REDUCTIONS = 20  # in one compiled call
UPDATES = 8  # likewise
SHARES = (1, 2, 4, 8, 16, 32)  # workers among which a batch could be divided
ONE_THREAD = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class Arguments(DataArguments):
    workers: tuple[int, ...] = (1, 2)
    """Numbers of processes, one after the other."""


def main(arguments: Arguments) -> None:
    """Measure as one of a cluster, or start clusters here and compare them."""
    if "TF_CONFIG" in os.environ:
        workers = from_environment()
        figures = measure(workers, arguments)
        if workers.chief:
            write_json(arguments.json, figures)
            print(json.dumps(figures))
        return
    found = {str(size): measure_here(size) for size in arguments.workers}
    figures = {"workers": found}
    conclude(arguments.json, figures, tables(figures))


def measure_here(size: int) -> dict[str, Any]:
    """The figures of `size` processes on this machine, started with this one's arguments."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("", 0))) for _ in range(size)]
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        running = []
        for index in range(size):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = os.environ | {"TF_CONFIG": json.dumps(task)}
            environment |= dict.fromkeys(ONE_THREAD, "1")
            command = [sys.executable, "-m", __spec__.name, *sys.argv[1:], "--json", str(path)]
            running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
        statuses = [process.wait() for process in running]
        if any(statuses):
            raise SystemExit(f"one of {size} workers failed, see above")
        figures: dict[str, Any] = json.loads(path.read_text("utf-8"))
    del figures["machine"]
    return figures


def measure(workers: Workers, arguments: Arguments) -> dict[str, Any]:
    """This worker's figures, which are about those of all: they wait for each other."""
    from training.devices import select_device

    select_device("cpu")
    workers.connect()
    from benchmarks.workload import Workload

    config = settings.preset("best")
    share = workers.share(config)
    workload = Workload(share, load_ratings(arguments), workers.mean)
    updates = config.loop.updates_per_rollout
    floats = sum(math.prod(one.shape) for one in workload.agent.learner.online.variables)
    calls: dict[str, Callable[[], Any]] = {
        "episodes": partial(workload.collect, share.loop.parallel_users),
        "updates": partial(workload.learn, updates),
        "gradients": reductions(workers, floats),
        "one number": reductions(workers, 1),
    }
    seconds = {
        name: seconds_together(call, workers, arguments.repeats) for name, call in calls.items()
    }
    transitions = config.loop.parallel_users * config.env.episode_length
    alone = {} if workers.size > 1 else {"share_ms": share_times(workload, arguments.repeats)}
    return alone | {
        "batch": share.agent.batch_size,
        "floats": floats,
        "steps_per_s": transitions / seconds["episodes"],
        "updates_per_s": updates / seconds["updates"],
        "ms_per_reduction": 1000 * seconds["gradients"] / REDUCTIONS,
        "ms_per_reduction_of_one": 1000 * seconds["one number"] / REDUCTIONS,
    }


def seconds_together(call: Callable[[], Any], workers: Workers, repeats: int) -> float:
    """Of one call that all workers make at once, after a first one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        workers.meet()
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def share_times(workload: "Workload", repeats: int) -> dict[str, float]:
    """Milliseconds of an update of a batch divided among 1, 2, ... workers, without the others."""
    learner, size = workload.agent.learner, workload.config.agent.batch_size
    calls = {
        str(count): partial(
            learner.update_many, workload.batches(UPDATES, size // count), workload.seed()
        )
        for count in SHARES
    }
    seconds = median_seconds(calls, repeats)
    return {count: 1000 * value / UPDATES for count, value in seconds.items()}


def reductions(workers: Workers, floats: int) -> Callable[[], Any]:
    """A function that averages as many numbers over the workers, REDUCTIONS times in a row."""
    import tensorflow as tf

    def reduce() -> Any:
        values = tf.zeros([floats])
        for _ in tf.range(REDUCTIONS):
            (values,) = workers.mean([values])
        return values

    compiled = tf.function(reduce)
    return lambda: compiled().numpy()


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    found = figures["workers"]
    names = ("batch", "steps_per_s", "updates_per_s", "ms_per_reduction", "ms_per_reduction_of_one")
    floats = next(iter(found.values()))["floats"]
    columns = ["workers", "batch of each", "env steps/s", "updates/s"]
    columns += [f"ms per mean of {floats:,} floats", "of one"]
    rows = [[int(size), *(each[name] for name in names)] for size, each in found.items()]
    measured = [Table("Workers of one thread each on this machine", columns, rows)]
    return measured + [alone(found["1"])] if "1" in found else measured


def alone(figures: dict[str, Any]) -> Table:
    """What one of several workers computes, without the others."""
    whole = figures["share_ms"]["1"]
    return Table(
        "An update of one worker's share of the batch, without the others",
        ["workers", "batch of each", "ms", "at most x faster"],
        [
            [int(count), figures["batch"] // int(count), each, whole / each]
            for count, each in figures["share_ms"].items()
        ],
    )


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
