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

Timings take turns, so that a slow spell of the machine hits all alike, and the median counts.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import tyro

import config as settings
from benchmarks.common import (
    DataArguments,
    Table,
    Workload,
    conclude,
    load_ratings,
    median_seconds,
    start_tensorflow,
    timed_preset,
)
from config.command_line import end_when_nobody_reads
from data import Ratings

CASES: tuple[tuple[settings.Preset, int], ...] = (("best", 256), ("paper", 32), ("paper", 512))
OURS, PLAIN, EAGER = "compiled", "tf.function", "eager"


@dataclass(frozen=True)
class Arguments(DataArguments):
    matmuls: tuple[int, ...] = (1024, 2048, 4096)
    """Sizes of the matrices that give the peak."""


class Timed(NamedTuple):
    """A call, and how many updates or steps it makes."""

    count: int
    call: Callable[[], Any]


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    device = start_tensorflow(arguments.device)
    ratings = load_ratings(arguments)
    timed: dict[tuple[Any, ...], Timed] = {
        ("matmul", size): Timed(1, matmul(size)) for size in arguments.matmuls
    }
    operations = {}
    for preset, size in CASES:
        workload = Workload(timed_preset(preset), ratings)
        ways, operations[preset, size] = ways_to_update(workload, size)
        timed |= {(preset, size, way): ways[way] for way in ways}
    timed |= {("loop", way): loop for way, loop in loops(ratings).items()}
    calls = {key: each.call for key, each in timed.items()}
    medians = median_seconds(calls, arguments.repeats)
    seconds = {key: medians[key] / timed[key].count for key in timed}
    peak = max(2 * size**3 / seconds["matmul", size] for size in arguments.matmuls)
    figures = {
        "device": device,
        "items": ratings.n_items,
        "peak_gflops": peak / 1e9,
        "updates": [
            update_figures(preset, size, operations[preset, size], seconds, peak)
            for preset, size in CASES
        ],
        "steps_per_s": {way: 1 / seconds["loop", way] for way in (OURS, PLAIN, EAGER)},
    }
    conclude(arguments, "learner", figures, tables(figures))


def update_figures(
    preset: str, size: int, operations: int, seconds: dict[tuple[Any, ...], float], peak: float
) -> dict[str, Any]:
    """One row of the updates; `seconds` are of one update."""
    ours = seconds[preset, size, OURS]
    return {
        "preset": preset,
        "batch": size,
        "ms_per_update": 1e3 * ours,
        "transitions_per_s": size / ours,
        "gflops": operations / ours / 1e9,
        "share_of_peak": operations / ours / peak,
        "times_as_fast": {way: seconds[preset, size, way] / ours for way in (PLAIN, EAGER)},
    }


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    steps = figures["steps_per_s"]
    columns = ["preset, batch", "ms", "transitions/s", "GFLOP/s", "of peak", "x plain", "x eager"]
    return [
        Table(
            f"One update, {figures['items']:,} items, share of the best tf.matmul's "
            f"{figures['peak_gflops']:.0f} GFLOP/s, and how many times as fast as one update at a "
            "time, as a plain tf.function and eagerly",
            columns,
            [
                [
                    f"{row['preset']}, {row['batch']}",
                    *(row[key] for key in ("ms_per_update", "transitions_per_s", "gflops")),
                    f"{row['share_of_peak']:.1%}",
                    *row["times_as_fast"].values(),
                ]
                for row in figures["updates"]
            ],
        ),
        Table(
            "Act, environment, replay, and one update of 32 transitions a step",
            ["", "steps/s", "times as fast"],
            [
                ["many users at once, compiled", steps[OURS], ""],
                ["one user, tf.function", steps[PLAIN], steps[OURS] / steps[PLAIN]],
                ["one user, eager", steps[EAGER], steps[OURS] / steps[EAGER]],
            ],
        ),
    ]


def matmul(size: int) -> Callable[[], Any]:
    """One product of two square float32 matrices."""
    import tensorflow as tf

    left, right = (tf.random.stateless_normal([size, size], [0, seed]) for seed in (1, 2))
    return lambda: tf.matmul(left, right)[0, 0].numpy()


def ways_to_update(workload: Workload, size: int) -> tuple[dict[str, Timed], int]:
    """The same update three ways, and the operations of its matrix products."""
    import tensorflow as tf

    loop = workload.config.loop
    workload.play(loop.parallel_users)
    update = workload.training.training_agent.learner.update_many
    plain, seed = tf.function(update.python_function), tf.constant([0, 1])
    many, one = (workload.batches(count, size) for count in (loop.updates_per_rollout, 1))

    def eager() -> None:
        with eagerly():
            update(one, seed)

    ways = {
        OURS: Timed(loop.updates_per_rollout, lambda: update(many, seed)[0].numpy()),
        PLAIN: Timed(1, lambda: plain(one, seed)[0].numpy()),
        EAGER: Timed(1, eager),
    }
    return ways, product_operations(eager)


def loops(ratings: Ratings) -> dict[str, Timed]:
    """Training with one update a step, three ways."""
    ours = Workload(timed_preset("paper"), ratings)
    plain = Workload(timed_preset("paper", jit="off"), ratings)
    users, length = ours.config.loop.parallel_users, ours.config.env.episode_length
    plain.play(users)  # enough to draw batches from

    def compiled() -> None:
        ours.play(users)
        ours.learn(users * length)

    def one_at_a_time() -> None:
        plain.play(1)
        for _ in range(length):
            plain.learn(1)

    def eager() -> None:
        with eagerly():
            one_at_a_time()

    return {
        OURS: Timed(users * length, compiled),
        PLAIN: Timed(length, one_at_a_time),
        EAGER: Timed(length, eager),
    }


@contextmanager
def eagerly() -> Iterator[None]:
    """Every `tf.function` in the block runs line by line."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def product_operations(call: Callable[[], Any]) -> int:
    """Floating-point operations of the matrix products that an eager call executes."""
    from tensorflow.python.framework import op_callbacks

    found = 0

    def count(kind: Any, inputs: Any, attributes: Any, outputs: Any, *_: Any) -> None:
        nonlocal found
        name = kind.decode() if isinstance(kind, bytes) else kind
        values = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if name == "Einsum":
            found += einsum_operations(values["equation"], [each.shape for each in inputs])
        elif name.startswith(("MatMul", "BatchMatMul")):
            left = inputs[0].shape
            transposed = values.get("transpose_a", False) or values.get("adj_x", False)
            found += 2 * math.prod(outputs[0].shape) * left[-2 if transposed else -1]

    op_callbacks.add_op_callback(count)
    try:
        call()
    finally:
        op_callbacks.remove_op_callback(count)
    return found


def einsum_operations(equation: str | bytes, shapes: list[Any]) -> int:
    """A product and a sum for every combination of the indices."""
    text = equation.decode() if isinstance(equation, bytes) else equation
    indices = text.split("->")[0].split(",")
    sizes = {
        index: size
        for names, shape in zip(indices, shapes, strict=True)
        for index, size in zip(names, shape, strict=True)
    }
    return 2 * math.prod(sizes.values())


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
