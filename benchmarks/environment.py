"""How fast the environment answers and how fast the prioritised replay draws.

    python -m benchmarks.environment --json environment.json

environment  whole episodes of many users at once, compiled, acted and stored, each step ranking the
             whole catalogue; for the two presets: `paper` adds noise to the action vector, `best`
             to every item's score. Beside it the Gymnasium environment: one user, nobody acting.
replay       `sample` and `update_priorities` of one batch from a full replay, with transitions as
             the default recipe stores them; beside it the same with the library cpprb, where it is
             installed (pip install cpprb).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray

import config as settings
from benchmarks import common
from config import Config
from config.command_line import end_when_nobody_reads
from data import Ratings
from replay_buffer.buffers import PrioritizedReplay, Spec

PRESETS: tuple[settings.Preset, ...] = ("paper", "best")
ALONE = "1 user, Gymnasium, nobody acting"
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-2
CHUNK = 100_000  # transitions stored at once
NUMBERS = 63  # of each kind, as a transition of the default recipe has them
SPEC: Spec = {"ids": ((NUMBERS,), np.int32), "values": ((NUMBERS,), np.float32)}


@dataclass(frozen=True)
class EnvironmentArguments(common.DataArguments):
    users: tuple[int, ...] = (32, 128, 512, 2048)
    """Users at once."""
    capacity: int = 10**6
    """Transitions in the replay, which is full."""
    batches: tuple[int, ...] = (32, 256, 1024)
    """Transitions drawn at once."""


def main(arguments: EnvironmentArguments) -> None:
    """Measure, print, write."""
    device, ratings = common.prepare(arguments)
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
    common.conclude(arguments, "environment", figures, titles)


def environment_rates(
    ratings: Ratings, arguments: EnvironmentArguments
) -> dict[str, dict[str, float]]:
    """{who plays: {preset: steps per second}}."""
    timed: dict[tuple[str, str], common.Timed] = {}
    for preset in PRESETS:
        config = settings.preset(preset)
        length = config.env.episode_length
        workload = common.Workload(config, ratings, max(arguments.users))
        timed[ALONE, preset] = common.Timed(gymnasium_episode(ratings, config), length)
        for users in arguments.users:
            play = partial(workload.play, users)
            timed[f"{users:,} users at once", preset] = common.Timed(play, users * length)
    rates: dict[str, dict[str, float]] = {}
    for (who, name), seconds in common.median_seconds(timed, arguments.repeats).items():
        rates.setdefault(who, {})[name] = 1 / seconds
    return rates


def gymnasium_episode(ratings: Ratings, config: Config) -> Callable[[], None]:
    """What plays an episode of one user, who is shown random items."""
    from envs.offline import OfflineEnv

    rng, length = np.random.default_rng(0), config.env.episode_length
    environment = OfflineEnv(ratings, window=config.env.window, episode_length=length)

    def play() -> None:
        _, info = environment.reset(seed=int(rng.integers(2**30)))
        for _ in range(length):
            item = rng.choice(np.flatnonzero(info["action_mask"]))
            *_, info = environment.step(item)

    return play


def replay_times(arguments: EnvironmentArguments) -> dict[str, dict[str, float | None]]:
    """{batch size: microseconds of our replay, of the library's (None without it), their ratio}."""
    rng = np.random.default_rng(0)
    replays = full_replays(arguments.capacity, rng)
    timed = {
        (name, size): common.Timed(partial(replay.draw, size, rng))
        for name, replay in replays.items()
        for size in arguments.batches
    }
    seconds = common.median_seconds(timed, arguments.repeats)
    rows: dict[str, dict[str, float | None]] = {}
    for size in arguments.batches:
        row = {name: 1e6 * seconds[name, size] for name in replays}
        ratio = row["cpprb"] / row["ours"] if "cpprb" in row else None
        rows[f"batch {size:,}"] = {"ours": row["ours"], "cpprb": row.get("cpprb"), "ratio": ratio}
    return rows


class Replay(NamedTuple):
    """One implementation: store fields, draw a batch's indices, set priorities by TD errors."""

    add: Callable[[dict[str, NDArray[Any]]], Any]
    sample: Callable[[int], NDArray[Any]]
    update: Callable[[NDArray[Any], NDArray[np.float64]], Any]

    def draw(self, size: int, rng: np.random.Generator) -> None:
        """A batch, and its priorities written back."""
        self.update(self.sample(size), rng.exponential(size=size))


def full_replays(capacity: int, rng: np.random.Generator) -> dict[str, Replay]:
    """Ours and, where it is installed, the library's: transitions of nonsense, many priorities."""
    ours = PrioritizedReplay(capacity, SPEC, ALPHA, BETA, EPSILON)
    replays = {
        "ours": Replay(
            ours.add, lambda size: ours.sample(size, rng).indices, ours.update_priorities
        )
    }
    try:
        from cpprb import PrioritizedReplayBuffer
    except ImportError:
        print("cpprb is not installed: no library's replay beside ours", file=sys.stderr)
    else:
        fields = {name: {"shape": shape, "dtype": kind} for name, (shape, kind) in SPEC.items()}
        theirs = PrioritizedReplayBuffer(capacity, fields, alpha=ALPHA, eps=EPSILON)
        replays["cpprb"] = Replay(
            lambda batch: theirs.add(**batch),
            lambda size: theirs.sample(size, BETA)["indexes"],
            theirs.update_priorities,
        )
    for replay in replays.values():
        for begin in range(0, capacity, CHUNK):
            shape = (min(CHUNK, capacity - begin), NUMBERS)
            replay.add({name: np.zeros(shape, kind) for name, (_, kind) in SPEC.items()})
        replay.update(np.arange(capacity), rng.exponential(size=capacity))
    return replays


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(EnvironmentArguments, description=__doc__))
