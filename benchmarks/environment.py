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
from typing import Any

import numpy as np
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
from config import Config
from config.command_line import end_when_nobody_reads
from data import Ratings
from replay_buffer.buffers import PrioritizedReplay, Spec

PRESETS: tuple[settings.Preset, ...] = ("paper", "best")
ALPHA, BETA, EPSILON = 0.6, 0.4, 1e-2
CHUNK = 100_000  # transitions stored at once
WINDOW, PLACES = 20, 40
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
class Arguments(DataArguments):
    users: tuple[int, ...] = (32, 128, 512, 2048)
    """Users at once."""
    capacity: int = 10**6
    """Transitions in the replay, which is full."""
    batches: tuple[int, ...] = (32, 256, 1024)
    """Transitions drawn at once."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    device = start_tensorflow(arguments.device)
    ratings = load_ratings(arguments)
    figures = {
        "device": device,
        "items": ratings.n_items,
        "capacity": arguments.capacity,
        "steps_per_s": environment_rates(ratings, arguments),
        "replay": replay_times(arguments),
    }
    conclude(arguments, "environment", figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    steps = figures["steps_per_s"]
    replay = Table(
        f"Draw a batch of {figures['capacity']:,} transitions and write its priorities back, "
        "microseconds",
        ["batch", "ours", "cpprb", "ratio"],
        [[int(size), *row.values()] for size, row in figures["replay"].items()],
    )
    return [
        Table(
            f"Environment steps per second, each ranking {figures['items']:,} items",
            ["users at once", *PRESETS],
            [
                [_users(users), *(steps[name][users] for name in PRESETS)]
                for users in steps[PRESETS[0]]
            ],
        ),
        replay,
    ]


def _users(users: str) -> str:
    return "1, Gymnasium, nobody acting" if users == "1" else f"{int(users):,}"


def environment_rates(ratings: Ratings, arguments: Arguments) -> dict[str, dict[str, float]]:
    """{preset: {users at once: steps per second}}; one user at once is the Gymnasium environment."""
    calls: dict[tuple[str, int], Callable[[], Any]] = {}
    lengths = {}
    for name in PRESETS:
        config = timed_preset(name, max(arguments.users))
        lengths[name], workload = config.env.episode_length, Workload(config, ratings)
        calls[name, 1] = gymnasium_episode(ratings, config)
        for users in arguments.users:
            calls[name, users] = partial(workload.play, users)
    seconds = median_seconds(calls, arguments.repeats)
    return {
        name: {
            str(users): users * lengths[name] / seconds[name, users]
            for users in (1, *arguments.users)
        }
        for name in PRESETS
    }


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


def replay_times(arguments: Arguments) -> dict[str, dict[str, Any]]:
    """{batch size: microseconds of our replay, of the library's (None without it), their ratio}."""
    calls: dict[tuple[int, str], Callable[[], Any]] = {}
    for name, make in {"ours": our_replay, "cpprb": cpprb_replay}.items():
        draw = make(arguments.capacity)
        for size in arguments.batches if draw else ():
            calls[size, name] = partial(draw, size)
    seconds = median_seconds(calls, arguments.repeats)
    rows: dict[str, dict[str, Any]] = {}
    for size in arguments.batches:
        ours, theirs = seconds[size, "ours"], seconds.get((size, "cpprb"))
        rows[str(size)] = {
            "ours": 1e6 * ours,
            "cpprb": theirs and 1e6 * theirs,
            "ratio": theirs and theirs / ours,
        }
    return rows


def our_replay(capacity: int) -> Callable[[int], None]:
    """What draws a batch of some size from a full replay and writes its priorities back."""
    replay, rng = PrioritizedReplay(capacity, SPEC, ALPHA, BETA, EPSILON), np.random.default_rng(0)
    fill_replay(capacity, replay.add, replay.update_priorities)

    def draw(size: int) -> None:
        indices = replay.sample(size, rng).indices
        replay.update_priorities(indices, rng.exponential(size=size))

    return draw


def cpprb_replay(capacity: int) -> Callable[[int], None] | None:
    """The same with the library; None where it is not installed."""
    try:
        from cpprb import PrioritizedReplayBuffer
    except ImportError:
        print("cpprb is not installed: no library's replay beside ours", file=sys.stderr)
        return None
    spec = {name: {"shape": shape or 1, "dtype": kind} for name, (shape, kind) in SPEC.items()}
    replay = PrioritizedReplayBuffer(capacity, spec, alpha=ALPHA, eps=EPSILON)
    fill_replay(capacity, lambda fields: replay.add(**fields), replay.update_priorities)
    rng = np.random.default_rng(0)

    def draw(size: int) -> None:
        indices = replay.sample(size, BETA)["indexes"]
        replay.update_priorities(indices, rng.exponential(size=size))

    return draw


def fill_replay(capacity: int, add: Callable[..., Any], update: Callable[..., Any]) -> None:
    """Transitions of nonsense with priorities as TD errors have them."""
    rng, count = np.random.default_rng(0), min(CHUNK, capacity)
    fields = {
        name: rng.integers(1000, size=(count, *shape)).astype(kind)
        for name, (shape, kind) in SPEC.items()
    }
    for begin in range(0, capacity, count):
        add({name: values[: capacity - begin] for name, values in fields.items()})
    update(np.arange(capacity), rng.exponential(size=capacity))


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
