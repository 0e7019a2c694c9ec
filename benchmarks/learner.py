"""How fast the agent learns, and how near that is to the limit of this machine.

    python -m benchmarks.learner --json learner.json

Three things are measured, all with the paper preset, whose networks have the sizes of the earlier
repositories (state 300, hidden 128, action 100):

batch       updates alone, on batches that are ready. The share of the peak is the operations of the
            update's matrix products (benchmarks/products.py has the formula) over the time, divided
            by the best float32 tf.matmul of sizes 1024 to 4096 in the same run. Below it, the same
            share for these products alone, with nothing between them: no update can be faster.
end_to_end  acting, environment, replay and updates together, as many updates of 32 transitions as
            there are environment steps; against the same loop written plainly: one user, one step,
            one eager update at a time.
parallel    environment steps with acting and ranking over the whole catalogue, without updates.

Timings take turns, so that a slow spell of the machine hits all alike, and the median counts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import tyro

import config as settings
from benchmarks.common import (
    DataArguments,
    load_ratings,
    median_seconds,
    print_table,
    write_json,
)

OPERATIONS = 2**32  # of one timing of the update, at least
EAGER_STEPS = 5  # in one timing of the baseline


@dataclass(frozen=True)
class Arguments(DataArguments):
    batches: tuple[int, ...] = (32, 128, 512, 2048)
    """Batch sizes of the updates."""
    matmuls: tuple[int, ...] = (1024, 2048, 4096)
    """Sizes of the matrices that give the peak."""
    users: int = 32
    """Users at once, end to end; with T = 10, one compiled call makes ten times as many updates."""
    parallel: int = 512
    """Users at once, without updates."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    from training.devices import select_device

    device = select_device(arguments.device)
    from benchmarks.workload import Workload

    config = settings.preset("paper")
    size = config.env.episode_length * max(arguments.users, arguments.parallel)
    replay = replace(config.replay, capacity=max(config.replay.capacity, size))
    workload = Workload(replace(config, replay=replay), load_ratings(arguments))
    figures: dict[str, Any] = {"device": device}
    figures["batch"], figures["peak_gflops"] = batch_rates(workload, arguments)
    figures["end_to_end"] = end_to_end(workload, arguments)
    figures["parallel"] = parallel(workload, arguments)
    write_json(arguments.json, figures)


def batch_rates(workload: Any, arguments: Arguments) -> tuple[dict[str, dict[str, float]], float]:
    """{batch size: updates per second, shares of the peak}, and the peak in GFLOP/s."""
    from benchmarks.products import update_flops

    workload.collect(arguments.users)
    flops = {size: update_flops(size) for size in arguments.batches}
    updates = {size: -(-OPERATIONS // flops[size]) for size in flops}  # rounded up
    calls: dict[str, Callable[[], Any]] = {
        f"matmul {size}": matmul(size) for size in arguments.matmuls
    }
    for size in arguments.batches:
        calls[f"update {size}"] = update(workload, updates[size], size)
        calls[f"products {size}"] = products(updates[size], size)
    seconds = median_seconds(calls, arguments.repeats)
    peak = max(2 * size**3 / seconds[f"matmul {size}"] for size in arguments.matmuls)
    rates = {}
    for size in arguments.batches:
        per_update = seconds[f"update {size}"] / updates[size]
        alone = seconds[f"products {size}"] / updates[size]
        rates[str(size)] = {
            "updates_per_s": 1 / per_update,
            "share_of_peak": flops[size] / per_update / peak,
            "products_share_of_peak": flops[size] / alone / peak,
        }
    print_table(
        f"Updates; the matmul peak is {peak / 1e9:.0f} GFLOP/s",
        ["batch", "updates/s", "GFLOP/s", "share of peak", "products alone"],
        [
            [
                int(size),
                rate["updates_per_s"],
                rate["share_of_peak"] * peak / 1e9,
                rate["share_of_peak"],
                rate["products_share_of_peak"],
            ]
            for size, rate in rates.items()
        ],
    )
    return rates, peak / 1e9


def matmul(size: int) -> Callable[[], Any]:
    """One product of two square float32 matrices."""
    import tensorflow as tf

    left, right = normal(size, size), normal(size, size)
    return lambda: tf.matmul(left, right).numpy()


def update(workload: Any, updates: int, size: int) -> Callable[[], Any]:
    """`updates` updates in one compiled call."""
    import tensorflow as tf

    batches, seed = workload.batches(updates, size), tf.constant(workload.seed())
    learner = workload.agent.learner

    def call() -> Any:
        return learner.update_many(batches, seed)[0].numpy()

    return call


def products(updates: int, size: int) -> Callable[[], Any]:
    """The matrix products of as many updates, alone."""
    from benchmarks.products import layers, products_alone

    state, hidden, action = 300, 128, 100
    actor, critic = (
        [normal(*shape) * shape[0] ** -0.5 for shape in sizes]
        for sizes in layers(state, hidden, action)
    )
    states, actions = normal(updates, size, state), normal(updates, size, action)

    def call() -> Any:
        return products_alone(actor, critic, states, actions)[0].numpy()

    return call


def normal(*shape: int) -> Any:
    """A tensor of standard normal numbers."""
    import tensorflow as tf

    return tf.random.stateless_normal(shape, [0, 1])


def end_to_end(workload: Any, arguments: Arguments) -> dict[str, float]:
    """Environment steps per second, as many updates as steps; compiled, eager, and their ratio."""
    from benchmarks.eager import EagerLoop

    steps = arguments.users * workload.config.env.episode_length
    eager = EagerLoop(workload)

    def compiled() -> None:
        workload.collect(arguments.users)
        workload.learn(steps)

    def plain() -> None:
        for _ in range(EAGER_STEPS):
            eager.step()

    seconds = median_seconds({"compiled": compiled, "eager": plain}, arguments.repeats)
    rates = {
        "steps_per_s": steps / seconds["compiled"],
        "eager_steps_per_s": EAGER_STEPS / seconds["eager"],
    }
    rates["ratio"] = rates["steps_per_s"] / rates["eager_steps_per_s"]
    print_table(
        "End to end: act, environment, replay, one update of 32 a step",
        ["", "steps/s"],
        [
            [f"{arguments.users} users at once, compiled", rates["steps_per_s"]],
            ["one user, eager", rates["eager_steps_per_s"]],
            ["ratio", rates["ratio"]],
        ],
    )
    return rates


def parallel(workload: Any, arguments: Arguments) -> dict[str, float]:
    """Environment steps per second with acting and ranking, without updates."""
    users = arguments.parallel
    seconds = median_seconds({"collect": lambda: workload.collect(users)}, arguments.repeats)
    rate = users * workload.config.env.episode_length / seconds["collect"]
    items = workload.ratings.n_items
    print_table(
        f"Environment steps, ranking {items:,} items each",
        ["users at once", "transitions/s"],
        [[users, rate]],
    )
    return {"transitions_per_s": rate}


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
