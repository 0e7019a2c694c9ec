"""The baseline of the replay: a sum tree in plain Python, walked for one transition at a time."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replay_buffer.buffers import Batch, Spec, TransitionStorage


class PythonSumTree:
    """`SumTree` as most implementations of prioritised replay have it."""

    def __init__(self, priorities: Iterable[float]) -> None:
        leaves = list(priorities)
        self.width = 1 << (len(leaves) - 1).bit_length()
        self.nodes = [0.0] * self.width + leaves + [0.0] * (self.width - len(leaves))
        for node in range(self.width - 1, 0, -1):
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return self.nodes[1]

    def set(self, index: int, priority: float) -> None:
        """Give one leaf its priority."""
        node = index + self.width
        self.nodes[node] = priority
        while node > 1:
            node //= 2
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    def find(self, prefix: float) -> int:
        """The leaf in whose share of [0, total) a prefix sum lies."""
        node = 1
        while node < self.width:
            node *= 2
            if prefix >= self.nodes[node]:
                prefix -= self.nodes[node]
                node += 1
        return node - self.width


class PythonReplay:
    """`PrioritizedReplay` on such a tree: the same storage, the same batches, the same weights."""

    def __init__(self, capacity: int, spec: Spec, alpha: float, beta: float, eps: float) -> None:
        self.alpha, self.beta, self.eps = alpha, beta, eps
        self.storage = TransitionStorage(capacity, spec)
        self.tree = PythonSumTree([0.0] * capacity)

    def add(self, batch: Mapping[str, NDArray[Any]]) -> None:
        """Store transitions {field: [E, ...]}, with priority 1."""
        for index in self.storage.add(batch).tolist():
            self.tree.set(index, 1.0)

    def sample(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """One batch of B transitions, one from each of B equal parts of [0, total)."""
        part = self.tree.total / batch_size
        indices = [self.tree.find((place + rng.random()) * part) for place in range(batch_size)]
        priorities = [self.tree.nodes[index + self.tree.width] for index in indices]
        smallest = min(priorities)
        weights = [(smallest / priority) ** self.beta for priority in priorities]
        chosen = np.array(indices)
        return Batch(chosen, self.storage.take(chosen), np.array(weights, np.float32))

    def update_priorities(self, indices: NDArray[Any], td_errors: NDArray[Any]) -> None:
        """Set (|TD error| + eps)^alpha, one after the other."""
        for index, error in zip(indices.tolist(), td_errors.tolist(), strict=True):
            self.tree.set(index, (abs(error) + self.eps) ** self.alpha)
