"""How fast the agent learns, and how near that is to the limit of this machine.

    python -m benchmarks.learner --json learner.json

updates  of the default and of the paper preset, on batches that are ready: many in one compiled
         call, as training makes them, and the same update one at a time, as a plain `tf.function`
         and eagerly. The share of the peak is the operations of the update's matrix products over
         its time, divided by the best float32 tf.matmul in the same run.
loops    acting, environment, replay and one update of 32 transitions a step, with the paper preset,
         whose networks have the sizes of the earlier repositories: many users at once, compiled;
         one user, one step and one update at a time, as a plain `tf.function`, and eagerly, as the
         earlier repositories do.
replay   `sample` and `update_priorities` of one batch from a full replay of the default recipe's
         transitions; beside it those of the library cpprb, where it is installed.

Timings take turns, so that a slow spell of the machine hits all alike, and the median counts.
"""

import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

import config as settings
from benchmarks.common import DataArguments, Timed, Workload, conclude, median_seconds, prepare
from config.command_line import end_when_nobody_reads, read_arguments
from data import Ratings
from replay_buffer.buffers import PrioritizedReplay, Spec

CASES: tuple[tuple[settings.Preset, int], ...] = (("best", 128), ("paper", 32), ("paper", 512))
WAYS = OURS, PLAIN, EAGER = "compiled", "tf.function", "eager"
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-2
NUMBERS = 103  # of each kind, as a transition of the default recipe has them
SPEC: Spec = {"ids": ((NUMBERS,), np.int32), "values": ((NUMBERS,), np.float32)}


@dataclass(frozen=True)
class LearnerArguments(DataArguments):
    matmuls: tuple[int, ...] = (1024, 2048, 4096)
    """Sizes of the matrices that give the peak."""
    capacity: int = 10**6
    """Transitions in the replay, which is full."""
    batches: tuple[int, ...] = (32, 128, 1024)
    """Transitions drawn from it at once."""


def main(arguments: LearnerArguments) -> None:
    """Measure, print, write."""
    device, ratings = prepare(arguments)
    timed: dict[Any, Timed] = {size: Timed(matmul(size)) for size in arguments.matmuls}
    operations = {}
    for preset, size in CASES:
        ways = ways_to_update(Workload(settings.preset(preset), ratings), size)
        operations[preset, size] = product_operations(ways[EAGER].call)
        timed |= {(preset, size, way): each for way, each in ways.items()}
    timed |= ways_to_train(ratings)
    seconds = median_seconds(timed, arguments.repeats)
    peak = max(2 * size**3 / seconds[size] for size in arguments.matmuls)
    updates = {}
    for preset, size in CASES:
        ours, at_peak = seconds[preset, size, OURS], operations[preset, size] / peak
        rates = {"ms": 1e3 * ours, "transitions/s": size / ours, "share of peak": at_peak / ours}
        rates |= {f"x {way}": seconds[preset, size, way] / ours for way in (PLAIN, EAGER)}
        updates[f"{preset}, batch {size}"] = rates
    steps = {way: {"steps/s": 1 / seconds[way], "x": seconds[way] / seconds[OURS]} for way in WAYS}
    figures = {
        "device": device,
        "peak_gflops": peak / 1e9,
        "updates": updates,
        "steps": steps,
        "replay_us": replay_times(arguments),
    }
    titles = {
        "updates": f"One update, {ratings.n_items:,} items; the best tf.matmul reaches "
        f"{peak / 1e9:.0f} GFLOP/s; x: how many times as fast as one update at a time",
        "steps": "Act, environment, replay, and one update of 32 a step: many users at once, "
        "compiled, or one user and one update at a time; x: how many times as fast the first is",
        "replay_us": f"Microseconds to draw a batch from {arguments.capacity:,} transitions and "
        "write its priorities back",
    }
    conclude(arguments, "learner", figures, titles)


def matmul(size: int) -> Callable[[], Any]:
    """One product of two square float32 matrices."""
    left, right = (tf.random.stateless_normal([size, size], [0, seed]) for seed in (1, 2))
    return partial(fetch, tf.matmul, left, right)


def fetch(function: Callable[..., Any], *inputs: Any) -> Any:
    """The beginning of what a function computes, which is waited for."""
    return function(*inputs)[0].numpy()


def ways_to_update(workload: Workload, size: int) -> dict[str, Timed]:
    """The same update three ways."""
    loop = workload.config.loop
    workload.play(loop.parallel_users)
    update, seed = workload.training.training_agent.learner.update_many, tf.constant([0, 1])
    many, one = (workload.batches(count, size) for count in (loop.updates_per_rollout, 1))
    return {
        OURS: Timed(partial(fetch, update, many, seed), loop.updates_per_rollout),
        PLAIN: Timed(partial(fetch, tf.function(update.python_function), one, seed)),
        EAGER: Timed(run_eagerly(partial(fetch, update, one, seed))),
    }


def ways_to_train(ratings: Ratings) -> dict[str, Timed]:
    """Training with one update a step, three ways."""
    config = settings.preset("paper")
    users, length = config.loop.parallel_users, config.env.episode_length
    ours = Workload(config, ratings)
    plain = Workload(replace(config, loop=replace(config.loop, jit="off")), ratings)
    plain.play(users)  # enough to draw batches from

    def compiled() -> None:
        ours.play(users)
        ours.learn(users * length)

    def one_at_a_time() -> None:
        plain.play(1)
        for _ in range(length):
            plain.learn(1)

    return {
        OURS: Timed(compiled, users * length),
        PLAIN: Timed(one_at_a_time, length),
        EAGER: Timed(run_eagerly(one_at_a_time), length),
    }


def run_eagerly(call: Callable[[], Any]) -> Callable[[], Any]:
    """The call with every `tf.function` in it run line by line."""

    def eager() -> None:
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            call()
        finally:
            tf.config.run_functions_eagerly(before)

    return eager


def product_operations(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products that an eager call executes."""
    counted: list[int] = []

    def count(kind: Any, inputs: Any, attributes: Any, outputs: Any, *_: Any) -> None:
        if b"MatMul" in (kind if isinstance(kind, bytes) else kind.encode()):
            named = dict(zip(attributes[::2], attributes[1::2], strict=True))
            transposed = named.get("transpose_a") or named.get("adj_x")
            inner = inputs[0].shape[-2 if transposed else -1]
            counted.append(2 * math.prod(outputs[0].shape) * inner)

    op_callbacks.add_op_callback(count)
    try:
        call()
    finally:
        op_callbacks.remove_op_callback(count)
    return sum(counted)


def replay_times(arguments: LearnerArguments) -> dict[str, dict[str, float]]:
    """{batch size: microseconds of our replay and, where it is installed, of the library's}."""
    rng = np.random.default_rng(0)
    ours = PrioritizedReplay(arguments.capacity, SPEC, ALPHA, BETA, EPSILON)
    fill(ours.add, ours.update_priorities, arguments.capacity, rng)

    def draw(size: int) -> None:
        indices = ours.sample_many(1, size, rng).indices
        ours.update_priorities(indices, rng.exponential(size=size))

    draws = {"ours": draw, **library_replay(arguments.capacity, rng)}
    timed = {
        (name, size): Timed(partial(call, size))
        for name, call in draws.items()
        for size in arguments.batches
    }
    seconds = median_seconds(timed, arguments.repeats)
    return {
        f"batch {size:,}": {name: 1e6 * seconds[name, size] for name in draws}
        for size in arguments.batches
    }


def library_replay(capacity: int, rng: np.random.Generator) -> dict[str, Callable[[int], None]]:
    """{"cpprb": the same with that library}, where it is installed."""
    try:
        library: Any = importlib.import_module("cpprb")
    except ImportError:
        print("cpprb is not installed: no library's replay beside ours", file=sys.stderr)
        return {}
    fields = {name: {"shape": shape, "dtype": kind} for name, (shape, kind) in SPEC.items()}
    theirs = library.PrioritizedReplayBuffer(capacity, fields, alpha=ALPHA, eps=EPSILON)
    fill(lambda batch: theirs.add(**batch), theirs.update_priorities, capacity, rng)

    def draw(size: int) -> None:
        indices = theirs.sample(size, BETA)["indexes"]
        theirs.update_priorities(indices, rng.exponential(size=size))

    return {"cpprb": draw}


def fill(add: Callable[[Any], Any], set_priorities: Any, capacity: int, rng: Any) -> None:
    """Transitions of nonsense, many priorities."""
    for begin in range(0, capacity, 100_000):
        shape = (min(100_000, capacity - begin), NUMBERS)
        add({name: np.zeros(shape, kind) for name, (_, kind) in SPEC.items()})
    set_priorities(np.arange(capacity), rng.exponential(size=capacity))


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(LearnerArguments, description=__doc__))
