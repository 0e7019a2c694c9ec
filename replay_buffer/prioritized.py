"""Prioritised experience replay (Schaul et al., 2016, proportional variant); Algorithm 1."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from replay_buffer.base import Batch, ReplayError, check_request, first
from replay_buffer.sum_tree import SumTree
from replay_buffer.transitions import Arrays, IntArray, Spec, TransitionStorage


class PrioritizedReplay:
    """Transitions drawn with probability P(i) = p_i / sum p, where p_i = (|TD error| + eps)^alpha.

    Sampling is *stratified*: the range [0, sum p) is cut into B equal parts and one transition is
    drawn from each, so a transition appears B P(i) times in a batch on average, as in independent
    draws, but with less variance. A batch comes in the order of the storage.

    Importance weights (N P(i))^-beta are divided by the largest of their batch, which leaves
    (min p / p_i)^beta. beta rises linearly from `beta0` to 1 with `progress`, the finished share of
    the training. New transitions get the largest priority seen so far, 1 at first.
    """

    def __init__(
        self, capacity: int, spec: Spec, alpha: float = 0.6, beta0: float = 0.4, eps: float = 1e-3
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
        if not 0 <= beta0 <= 1:
            raise ValueError(f"beta0 must lie in [0, 1], got {beta0}")
        if not 0 < eps < np.inf:
            raise ValueError(
                f"eps must be positive, got {eps}: at 0 a transition is never seen again"
            )
        self.capacity = int(capacity)
        self.alpha, self.beta0, self.eps = alpha, beta0, eps
        self._storage = TransitionStorage(capacity, spec)
        self._tree = SumTree(capacity)
        self._max_priority = 1.0  # of p, that is, alpha is already in it

    def __len__(self) -> int:
        return len(self._storage)

    @property
    def nbytes(self) -> int:
        """Bytes held by transitions and tree."""
        return self._storage.nbytes + self._tree.nbytes

    @property
    def max_priority(self) -> float:
        """The largest p_i so far, which new transitions get."""
        return self._max_priority

    def beta(self, progress: float) -> float:
        """Exponent of the importance weights when a share `progress` of the training is done."""
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must lie in [0, 1], got {progress}")
        return self.beta0 + (1 - self.beta0) * progress

    def add(self, batch: Mapping[str, NDArray[Any]]) -> IntArray:
        """Store E transitions, {field: [E, ...]}, over the oldest; returns their indices [E]."""
        indices = self._storage.add(batch)
        self._tree.set(indices, np.full(len(indices), self._max_priority))
        return indices

    def sample(self, batch_size: int, rng: np.random.Generator, progress: float = 0.0) -> Batch:
        """One batch of B transitions, B random numbers drawn from `rng`."""
        return first(self.sample_many(1, batch_size, rng, progress))

    def sample_many(
        self, updates: int, batch_size: int, rng: np.random.Generator, progress: float = 0.0
    ) -> Batch:
        """Batches [M, B, ...] for M updates in a row, at today's priorities; weights per batch.

        Raises:
            ReplayError: priorities that are all zero, or not numbers.
        """
        check_request(updates, batch_size, len(self))
        if not 0 < self._tree.total < np.inf:
            raise ReplayError(
                f"the priorities of {len(self)} transitions sum to {self._tree.total}"
            )
        part = rng.random((updates, batch_size))
        part += np.arange(batch_size)
        part *= self._tree.total / batch_size
        indices = self._tree.find(part).reshape(updates, batch_size)
        weights = self._weights(self._tree.leaves.take(indices), self.beta(progress))
        return Batch(indices, self._storage.take(indices), weights)

    def update_priorities(self, indices: ArrayLike, td_errors: ArrayLike) -> None:
        """Set p_i = (|TD error| + eps)^alpha for `indices` [...] and `td_errors` of the same shape.

        Where an index appears twice, the later TD error counts. ValueError on NaN or infinity.
        """
        index = np.asarray(indices, dtype=np.int64).ravel()
        magnitude = np.abs(np.asarray(td_errors, dtype=np.float64).ravel())
        if index.shape != magnitude.shape:
            raise ValueError(f"{index.size} indices but {magnitude.size} TD errors")
        if index.size == 0:
            return
        self._check_update(index, magnitude)
        priorities = (magnitude + self.eps) ** self.alpha
        self._tree.set(index, priorities)
        self._max_priority = max(self._max_priority, float(priorities.max()))

    def state_dict(self) -> Arrays:
        """Everything as arrays: transitions, priorities, largest priority."""
        return self._storage.state_dict() | {
            "priorities": self._tree.leaves[: len(self)].copy(),
            "max_priority": np.asarray(self._max_priority),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned: the same samples follow, bit for bit."""
        size = int(state["size"])
        priorities = np.asarray(state["priorities"], dtype=np.float64)
        if priorities.shape != (size,):
            raise ValueError(f"priorities of shape {priorities.shape} for {size} transitions")
        if not 0 < float(state["max_priority"]) < np.inf:
            raise ValueError(f"max_priority must be positive, got {state['max_priority']}")
        self._storage.load_state_dict(state)
        self._tree.load(np.pad(priorities, (0, self.capacity - size)))
        self._max_priority = float(state["max_priority"])

    @staticmethod
    def _weights(priorities: NDArray[np.float64], beta: float) -> NDArray[np.float32]:
        smallest = priorities.min(axis=1, keepdims=True)
        weights: NDArray[np.float32] = ((smallest / priorities) ** beta).astype(np.float32)
        return weights

    def _check_update(self, index: IntArray, magnitude: NDArray[np.float64]) -> None:
        if index.max() >= len(self):
            raise IndexError(f"index {index.max()} is outside the {len(self)} stored transitions")
        if not magnitude.max() < np.inf:
            at = np.flatnonzero(~(magnitude < np.inf))[0]
            raise ValueError(
                f"TD error of size {magnitude[at]} at position {at} (transition {index[at]}): "
                "the critic diverged; look at its loss and learning rate"
            )
