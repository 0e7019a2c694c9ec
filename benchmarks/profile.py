"""Where the time of training goes: compiled calls, NumPy, Python.

    python -m benchmarks.profile --json profile.json

One iteration is one episode of all parallel users, stored, and the updates that follow, as
training/loop.py has it. Everything but the two compiled calls is overhead.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

import tyro

import config as settings
from benchmarks.common import DataArguments, Table, conclude, load_ratings

COMPILED = ("play", "update")


@dataclass(frozen=True)
class Arguments(DataArguments):
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile with XLA; auto: as training does."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    from training.process import on_gpu, select_device

    device = select_device(arguments.device)
    from benchmarks.workload import Workload

    ratings = load_ratings(arguments)
    figures: dict[str, Any] = {"device": device, "presets": {}}
    presets: tuple[settings.Preset, ...] = ("best", "paper")
    for name in presets:
        config = settings.preset(name)
        config = replace(config, loop=replace(config.loop, jit=arguments.jit))
        seconds = parts(Workload(config, ratings), arguments.repeats)
        compiled = sum(seconds[part] for part in COMPILED)
        figures["presets"][name] = {
            "steps": config.loop.parallel_users * config.env.episode_length,
            "updates": config.loop.updates_per_rollout,
            "batch": config.agent.batch_size,
            "seconds": seconds,
            "xla": config.xla(on_gpu()).updates,
            "overhead": 1 - compiled / sum(seconds.values()),
        }
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    return [
        Table(
            f"`{name}` preset, updates {'with' if run['xla'] else 'without'} XLA: an iteration of "
            f"{run['steps']:,} steps and {run['updates']} updates of {run['batch']}; "
            f"overhead {run['overhead']:.1%}",
            ["part", "ms", "share"],
            [
                [part, seconds * 1e3, f"{seconds / sum(run['seconds'].values()):.1%}"]
                for part, seconds in run["seconds"].items()
            ],
        )
        for name, run in figures["presets"].items()
    ]


def parts(workload: Any, repeats: int) -> dict[str, float]:
    """Median seconds of every part of one iteration; the first, which compiles, does not count."""
    agent, replay = workload.agent, workload.agent.replay
    clock = Clock()
    agent.play = clock.timed("play", agent.play)
    agent.learner.update_many = clock.timed("update", agent.learner.update_many)
    replay.add = clock.timed("store", replay.add)
    replay.sample_many = clock.timed("sample", replay.sample_many)
    replay.update_priorities = clock.timed("priorities", replay.update_priorities)
    workload.begin = clock.timed("begin episodes", workload.begin)
    loop = workload.config.loop
    rounds = []
    for _ in range(1 + repeats):
        clock.seconds.clear()
        began = time.perf_counter()
        workload.collect(loop.parallel_users)
        workload.learn(loop.updates_per_rollout)
        whole = time.perf_counter() - began
        rounds.append(clock.seconds | {"copies and the rest": whole - sum(clock.seconds.values())})
    return {part: median(seconds[part] for seconds in rounds[1:]) for part in rounds[-1]}


class Clock:
    """Seconds spent in functions, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose time is noted."""

        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = function(*arguments)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            return result

        return call


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
