"""How fast the environment answers, with the agent acting and ranking the whole catalogue.

    python -m benchmarks.environment --json environment.json

Whole episodes of many users at once, compiled and stored in the replay, for the two presets: `paper`
adds noise to the action vector, `best` to every item's score. In the same run, the same with the
Gymnasium environment, one user and nothing compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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

PRESETS: tuple[settings.Preset, ...] = ("paper", "best")


@dataclass(frozen=True)
class Arguments(DataArguments):
    users: tuple[int, ...] = (32, 128, 512, 2048)
    """Users at once."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    from training.devices import select_device

    device = select_device(arguments.device)
    from benchmarks.eager import EagerLoop
    from benchmarks.workload import Workload

    ratings = load_ratings(arguments)
    calls: dict[tuple[str, int], Callable[[], Any]] = {}
    lengths: dict[str, int] = {}
    for name in PRESETS:
        config = settings.preset(name)
        lengths[name] = config.env.episode_length
        capacity = max(config.replay.capacity, max(arguments.users) * lengths[name])
        workload = Workload(
            replace(config, replay=replace(config.replay, capacity=capacity)), ratings
        )
        calls[name, 1] = EagerLoop(workload).play
        for users in arguments.users:
            calls[name, users] = partial(workload.collect, users)
    seconds = median_seconds(calls, arguments.repeats)
    rates = {
        (name, users): (1 if users == 1 else users * lengths[name]) / seconds[name, users]
        for name, users in calls
    }
    print_table(
        f"Environment steps per second, ranking {ratings.n_items:,} items each",
        ["users at once", *PRESETS],
        [
            ["1, eager" if users == 1 else users, *(rates[name, users] for name in PRESETS)]
            for users in (1, *arguments.users)
        ],
    )
    steps = {
        name: {str(users): rates[name, users] for users in arguments.users} for name in PRESETS
    }
    eager = {name: rates[name, 1] for name in PRESETS}
    write_json(arguments.json, {"device": device, "steps_per_s": steps, "eager_steps_per_s": eager})


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
