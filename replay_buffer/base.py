"""What the two replays share: a batch of transitions and the checks on a request for one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replay_buffer.transitions import Arrays


class ReplayError(ValueError):
    """Priorities from which nothing can be drawn."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sampled transitions. [B] below is [M, B] where M updates were sampled at once."""

    indices: NDArray[np.int64]  # [B], what `update_priorities` wants back
    data: Arrays  # {field: [B, ...]}
    weights: NDArray[np.float32]  # [B], importance weights, at most 1


def check_request(updates: int, batch_size: int, stored: int) -> None:
    """Raise ValueError for a batch without transitions or from an empty replay."""
    if updates <= 0 or batch_size <= 0:
        raise ValueError(f"cannot sample {updates} batches of {batch_size} transitions")
    if stored == 0:
        raise ValueError("the replay is empty: add transitions before sampling")


def first(batch: Batch) -> Batch:
    """The only batch of a sample of one update: [1, B, ...] -> [B, ...]."""
    data: dict[str, Any] = {name: values[0] for name, values in batch.data.items()}
    return Batch(batch.indices[0], data, batch.weights[0])
