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
from benchmarks.common import DataArguments, Table, conclude, load_ratings, median_seconds

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
    from training.process import select_device

    device = select_device(arguments.device)
    from benchmarks.workload import Workload

    config = settings.preset("paper")
    size = config.env.episode_length * max(arguments.users, arguments.parallel)
    replay = replace(config.replay, capacity=max(config.replay.capacity, size))
    workload = Workload(replace(config, replay=replay), load_ratings(arguments))
    figures: dict[str, Any] = {"device": device, "items": workload.ratings.n_items}
    figures["batch"], figures["peak_gflops"] = batch_rates(workload, arguments)
    figures["end_to_end"] = end_to_end(workload, arguments)
    figures["parallel"] = parallel(workload, arguments)
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    peak, both = figures["peak_gflops"], figures["end_to_end"]
    batches = [
        [
            int(size),
            rate["updates_per_s"],
            rate["share_of_peak"] * peak,
            f"{rate['share_of_peak']:.1%}",
            f"{rate['products_share_of_peak']:.1%}",
        ]
        for size, rate in figures["batch"].items()
    ]
    return [
        Table(
            f"Updates alone; the best tf.matmul reaches {peak:.0f} GFLOP/s",
            ["batch", "updates/s", "GFLOP/s", "share of that peak", "its products alone"],
            batches,
        ),
        Table(
            "Act, environment, replay, and one update of 32 transitions a step",
            ["", "steps/s"],
            [
                [f"{both['users']} users at once, compiled", both["steps_per_s"]],
                ["one user, eager", both["eager_steps_per_s"]],
                ["ratio", both["ratio"]],
            ],
        ),
        Table(
            f"Environment steps, each ranking {figures['items']:,} items",
            ["users at once", "steps/s"],
            [[figures["parallel"]["users"], figures["parallel"]["transitions_per_s"]]],
        ),
    ]


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
    return rates, peak / 1e9


def matmul(size: int) -> Callable[[], Any]:
    """One product of two square float32 matrices."""
    import tensorflow as tf

    left, right = normal(size, size), normal(size, size)

    def call() -> Any:
        return tf.matmul(left, right)[0, 0].numpy()

    return call


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
    fast, slow = steps / seconds["compiled"], EAGER_STEPS / seconds["eager"]
    return {
        "users": arguments.users,
        "steps_per_s": fast,
        "eager_steps_per_s": slow,
        "ratio": fast / slow,
    }


def parallel(workload: Any, arguments: Arguments) -> dict[str, float]:
    """Environment steps per second with acting and ranking, without updates."""
    users = arguments.parallel
    seconds = median_seconds({"collect": lambda: workload.collect(users)}, arguments.repeats)
    rate = users * workload.config.env.episode_length / seconds["collect"]
    return {"users": users, "transitions_per_s": rate}


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
