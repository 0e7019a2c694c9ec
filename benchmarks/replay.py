"""How fast the prioritised replay draws batches and takes their priorities back.

    python -m benchmarks.replay --json replay.json

One call is `sample` and `update_priorities` of one batch from a full replay, with transitions as the
default recipe stores them. The baseline has the same storage and the same arithmetic, but a sum tree
in plain Python that is walked for one transition at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro

from benchmarks.common import Arguments as Common
from benchmarks.common import Table, conclude, median_seconds
from benchmarks.python_replay import PythonReplay
from config.command_line import until_nobody_reads
from replay_buffer.buffers import PrioritizedReplay, Spec

ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-2
CHUNK = 100_000  # transitions stored at once
WINDOW, PLACES = 10, 30
SPEC: Spec = {  # a transition of the default recipe
    "users": ((), np.int32),
    "items": ((WINDOW,), np.int32),
    "ratings": ((WINDOW,), np.float32),
    "seen": ((PLACES,), np.int32),
    "seen_rewards": ((PLACES,), np.float32),
    "item": ((), np.int32),
    "rating": ((), np.float32),
    "reward": ((), np.float32),
    "terminated": ((), np.float32),
}


@dataclass(frozen=True)
class Arguments(Common):
    capacity: int = 10**6
    """Transitions in the replay, which is full."""
    batches: tuple[int, ...] = (32, 256, 1024)
    """Transitions drawn at once."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    rng = np.random.default_rng(0)
    replays = {
        "numpy": PrioritizedReplay(arguments.capacity, SPEC, ALPHA, BETA, EPSILON),
        "python": PythonReplay(arguments.capacity, SPEC, ALPHA, BETA, EPSILON),
    }
    for replay in replays.values():
        fill(replay, arguments.capacity, rng)
    seconds = median_seconds(
        {
            (size, name): draw(replay, size, rng)
            for size in arguments.batches
            for name, replay in replays.items()
        },
        arguments.repeats,
    )
    rows = {
        str(size): {
            "microseconds": seconds[size, "numpy"] * 1e6,
            "python_microseconds": seconds[size, "python"] * 1e6,
            "ratio": seconds[size, "python"] / seconds[size, "numpy"],
        }
        for size in arguments.batches
    }
    figures = {"capacity": arguments.capacity, "batch": rows}
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    return [
        Table(
            f"Draw a batch of {figures['capacity']:,} transitions and write its priorities back",
            ["batch", "microseconds", "plain Python tree", "ratio"],
            [[int(size), *row.values()] for size, row in figures["batch"].items()],
        )
    ]


def fill(replay: Any, capacity: int, rng: np.random.Generator) -> None:
    """Transitions of nonsense with priorities as TD errors have them."""
    count = min(CHUNK, capacity)
    fields = {
        name: rng.integers(1000, size=(count, *shape)).astype(kind)
        for name, (shape, kind) in SPEC.items()
    }
    for begin in range(0, capacity, count):
        kept = {name: values[: capacity - begin] for name, values in fields.items()}
        replay.add(kept)
    replay.update_priorities(np.arange(capacity), rng.exponential(size=capacity))


def draw(replay: Any, size: int, rng: np.random.Generator) -> Callable[[], Any]:
    """`sample` and `update_priorities` of one batch."""
    errors = rng.exponential(size=size)

    def call() -> None:
        replay.update_priorities(replay.sample(size, rng).indices, errors)

    return call


if __name__ == "__main__":
    with until_nobody_reads():
        main(tyro.cli(Arguments, description=__doc__))
