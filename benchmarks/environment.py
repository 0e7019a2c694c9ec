"""How fast the environment answers and how fast the prioritised replay draws.

    python -m benchmarks.environment --json environment.json

environment  whole episodes of many users at once, compiled, acted and stored, each step ranking the
             whole catalogue; for the two presets: `paper` adds noise to the action vector, `best`
             to every item's score. Beside it the Gymnasium environment: one user, nobody acting.
replay       `sample` and `update_priorities` of one batch from a full replay, with transitions as
             the default recipe stores them; beside it the same with the library cpprb, where it is
             installed (pip install cpprb).
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import config as settings
from benchmarks.common import DataArguments, Timed, Workload, conclude, median_seconds, prepare
from config import Config
from config.command_line import end_when_nobody_reads, read_arguments
from data import Ratings
from envs.offline import OfflineEnv
from replay_buffer.buffers import PrioritizedReplay, Spec

PRESETS: tuple[settings.Preset, ...] = ("paper", "best")
ALONE = "1 user, Gymnasium, nobody acting"
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-2
NUMBERS = 63  # of each kind, as a transition of the default recipe has them
SPEC: Spec = {"ids": ((NUMBERS,), np.int32), "values": ((NUMBERS,), np.float32)}


@dataclass(frozen=True)
class EnvironmentArguments(DataArguments):
    users: tuple[int, ...] = (32, 128, 512, 2048)
    """Users at once."""
    capacity: int = 10**6
    """Transitions in the replay, which is full."""
    batches: tuple[int, ...] = (32, 256, 1024)
    """Transitions drawn at once."""


def main(arguments: EnvironmentArguments) -> None:
    """Measure, print, write."""
    device, ratings = prepare(arguments)
    figures = {
        "device": device,
        "steps_per_s": environment_rates(ratings, arguments),
        "replay_us": replay_times(arguments),
    }
    titles = {
        "steps_per_s": f"Environment steps per second, each ranking {ratings.n_items:,} items",
        "replay_us": f"Microseconds to draw a batch from {arguments.capacity:,} transitions and "
        "write its priorities back",
    }
    conclude(arguments, "environment", figures, titles)


def environment_rates(
    ratings: Ratings, arguments: EnvironmentArguments
) -> dict[str, dict[str, float]]:
    """{who plays: {preset: steps per second}}."""
    timed: dict[tuple[str, str], Timed] = {}
    for preset in PRESETS:
        config = settings.preset(preset)
        length = config.env.episode_length
        workload = Workload(config, ratings, max(arguments.users))
        timed[ALONE, preset] = Timed(gymnasium_episode(ratings, config), length)
        for users in arguments.users:
            play = partial(workload.play, users)
            timed[f"{users:,} users at once", preset] = Timed(play, users * length)
    rates: dict[str, dict[str, float]] = {}
    for (who, name), seconds in median_seconds(timed, arguments.repeats).items():
        rates.setdefault(who, {})[name] = 1 / seconds
    return rates


def gymnasium_episode(ratings: Ratings, config: Config) -> Callable[[], None]:
    """What plays an episode of one user, who is shown random items."""
    rng, length = np.random.default_rng(0), config.env.episode_length
    environment = OfflineEnv(ratings, window=config.env.window, episode_length=length)

    def play() -> None:
        _, info = environment.reset(seed=int(rng.integers(2**30)))
        for _ in range(length):
            item = rng.choice(np.flatnonzero(info["action_mask"]))
            *_, info = environment.step(item)

    return play


def replay_times(arguments: EnvironmentArguments) -> dict[str, dict[str, float]]:
    """{batch size: microseconds of our replay and, where it is installed, of the library's}."""
    rng = np.random.default_rng(0)
    ours = PrioritizedReplay(arguments.capacity, SPEC, ALPHA, BETA, EPSILON)
    fill(ours.add, ours.update_priorities, arguments.capacity, rng)

    def draw(size: int) -> None:
        indices = ours.sample(size, rng).indices
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


def fill(
    add: Callable[[dict[str, NDArray[Any]]], Any],
    update_priorities: Callable[[NDArray[Any], NDArray[np.float64]], Any],
    capacity: int,
    rng: np.random.Generator,
) -> None:
    """Transitions of nonsense, many priorities."""
    for begin in range(0, capacity, 100_000):
        shape = (min(100_000, capacity - begin), NUMBERS)
        add({name: np.zeros(shape, kind) for name, (_, kind) in SPEC.items()})
    update_priorities(np.arange(capacity), rng.exponential(size=capacity))


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(EnvironmentArguments, description=__doc__))
