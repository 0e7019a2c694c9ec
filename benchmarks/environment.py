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
from benchmarks.common import DataArguments, Table, conclude, load_ratings, median_seconds

PRESETS: tuple[settings.Preset, ...] = ("paper", "best")


@dataclass(frozen=True)
class Arguments(DataArguments):
    users: tuple[int, ...] = (32, 128, 512, 2048)
    """Users at once."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    from training.process import select_device

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
    figures: dict[str, Any] = {"device": device, "items": ratings.n_items}
    figures["steps_per_s"] = {
        name: {
            str(users): users * lengths[name] / seconds[name, users] for users in arguments.users
        }
        for name in PRESETS
    }
    figures["eager_steps_per_s"] = {name: 1 / seconds[name, 1] for name in PRESETS}
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    steps, eager = figures["steps_per_s"], figures["eager_steps_per_s"]
    rows = [["1, eager", *(eager[name] for name in PRESETS)]]
    for users in steps[PRESETS[0]]:
        rows.append([int(users), *(steps[name][users] for name in PRESETS)])
    title = f"Environment steps per second, each ranking {figures['items']:,} items"
    return [Table(title, ["users at once", *PRESETS], rows)]


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
