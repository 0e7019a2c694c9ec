"""Plain experience replay with the face of the prioritised one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replay_buffer.base import Batch, check_request, first
from replay_buffer.transitions import Arrays, IntArray, Spec, TransitionStorage


class UniformReplay:
    """Transitions drawn independently, all with the same probability; every weight is 1."""

    def __init__(self, capacity: int, spec: Spec) -> None:
        self.capacity = int(capacity)
        self._storage = TransitionStorage(capacity, spec)

    def __len__(self) -> int:
        return len(self._storage)

    @property
    def nbytes(self) -> int:
        """Bytes held by the transitions."""
        return self._storage.nbytes

    def add(self, batch: Mapping[str, NDArray[Any]]) -> IntArray:
        """Store E transitions, {field: [E, ...]}, over the oldest; returns their indices [E]."""
        return self._storage.add(batch)

    def sample(self, batch_size: int, rng: np.random.Generator, progress: float = 0.0) -> Batch:
        """One batch of B transitions."""
        return first(self.sample_many(1, batch_size, rng, progress))

    def sample_many(
        self, updates: int, batch_size: int, rng: np.random.Generator, progress: float = 0.0
    ) -> Batch:
        """Batches [M, B, ...] for M updates in a row; `progress` is of no consequence here."""
        check_request(updates, batch_size, len(self))
        indices = rng.integers(len(self), size=(updates, batch_size))
        weights = np.ones((updates, batch_size), np.float32)
        return Batch(indices, self._storage.take(indices), weights)

    def update_priorities(self, indices: ArrayLike, td_errors: ArrayLike) -> None:
        """Nothing: there are no priorities."""

    def state_dict(self) -> Arrays:
        """The transitions as arrays."""
        return self._storage.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._storage.load_state_dict(state)
