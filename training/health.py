"""What holds in a healthy run, checked after every iteration: a run that breaks it is stopped."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from replay_buffer.buffers import ReplayError
from training.logs import Row

# Rewards lie in [-1, 1], so |Q| <= 1 / (1 - discount). Untrained networks know nothing of that: theirs
# begins anywhere, and falls. Healthy runs were seen to begin at 14 bounds, to rise on single small
# batches by half while they fall, and to stay below 1.4 once they have learned.
ROOM = 10.0  # bounds within which |Q| may always be
NOISE = 3.0  # times the lowest so far, while it falls from further away
START = 1000.0  # bounds that not even an untrained network may pass
DEAD = 1e-3  # mean importance weight below which nothing is learned from a batch

LEARNING_RATE = (
    "a learning rate is too high: lower --agent.critic-lr and --agent.actor-lr, or set "
    "--agent.clip-norm 1"
)
CAUSES = {
    "replay": "a TD error was NaN or infinite, or memory was damaged: go on with --resume",
    "reward": "the environment returned it: check the ratings and the reward function",
    "q_max": "the critic chases its own targets: lower --agent.critic-lr or --agent.tau, or set "
    "--agent.clip-target",
    "replay_weight": "some TD errors are far larger than all others: lower --agent.critic-lr or "
    "--replay.alpha, or use --replay.kind uniform",
}
KEPT = "No checkpoint was written since, the ones before are intact"


class Diverged(RuntimeError):
    """A quantity left its range; the message says which, at which step, and what usually causes it."""

    def __init__(self, name: str, fault: str, step: float) -> None:
        cause = CAUSES.get(name, LEARNING_RATE)
        super().__init__(f"{name} {fault} at step {step:.0f}. Usually {cause}. {KEPT}")


def check(row: Row, history: Sequence[Row], discount: float) -> None:
    """Raise Diverged where the newest row of logged scalars cannot be that of a healthy run."""
    step = row["step"]
    for name, value in row.items():
        if not np.isfinite(value):
            raise Diverged(name, f"is {value}", step)
    bound, q_max = 1.0 / (1.0 - discount), row.get("q_max", 0.0)
    if q_max > ROOM * bound and q_max > allowed_q(bound, history):
        fault = f"(the largest |Q|) is {q_max:.4g}, rewards and discount allow {bound:.4g},"
        raise Diverged("q_max", fault, step)
    weight = row.get("replay_weight", 1.0)
    if weight < DEAD:
        raise Diverged("replay_weight", f"(the mean importance weight) is {weight:.2g}", step)


def allowed_q(bound: float, history: Sequence[Row]) -> float:
    """The largest |Q| that may be seen while it falls from where untrained networks put it."""
    lowest = min((row["q_max"] for row in history if "q_max" in row), default=np.inf)
    return min(NOISE * lowest, START * bound)


@contextmanager
def replay_faults(step: float) -> Iterator[None]:
    """A replay that cannot be sampled becomes a Diverged."""
    try:
        yield
    except ReplayError as error:
        raise Diverged("replay", f"cannot be sampled: {error},", step) from error


def check_weights(variables: Iterable[Any], step: float) -> None:
    """Raise Diverged where a weight or a moment of an optimizer is NaN or infinite.

    The losses are from before their update, so that only this sees what the last one did.
    """
    for variable in variables:
        if not np.isfinite(np.asarray(variable)).all():
            raise Diverged(variable.path, "holds NaN or infinity", step)
