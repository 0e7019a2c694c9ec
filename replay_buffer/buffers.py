"""Experience replay: a ring of transitions, drawn uniformly or by priority (Algorithm 1).

Shapes: E transitions added, M updates, B batch. Transitions hold ids, not embedded states.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Spec = Mapping[str, tuple[tuple[int, ...], DTypeLike]]  # field name -> (shape, dtype)
TOP_WIDTH = 1024  # nodes of the level that a cumulative sum and one binary search replace


class ReplayError(ValueError):
    """Priorities from which nothing can be drawn."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Sampled transitions of M updates."""

    indices: IntArray  # [M, B], what `update_priorities` wants back
    data: Arrays  # {field: [M, B, ...]}
    weights: NDArray[np.float32]  # [M, B], importance weights, at most 1


class UniformReplay:
    """The latest `capacity` transitions, each one record of the fields in `spec`.

    They are drawn independently, all with the same probability; every weight is 1.

    The fields of a transition lie side by side, so reading a batch costs one pass over memory
    instead of one per field: three times faster at a million transitions.
    """

    def __init__(self, capacity: int, spec: Spec) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = int(capacity)
        fields = [(name, np.dtype(dtype), shape) for name, (shape, dtype) in spec.items()]
        self._records = np.zeros(self.capacity, np.dtype(fields, align=True))
        self._rows = self._records.view(np.uint8).reshape(self.capacity, -1)
        self._size = 0
        self._cursor = 0  # where the next transition goes

    def __len__(self) -> int:
        return self._size

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self._records.dtype.names or ()

    def add(self, batch: Mapping[str, NDArray[Any]]) -> IntArray:
        """Store E transitions, {field: [E, ...]}, over the oldest; returns their indices [E].

        ValueError where a field is missing, too many, or of another shape or kind than in `spec`.
        """
        if set(batch) != set(self.fields):
            raise ValueError(f"fields {sorted(batch)} given, {sorted(self.fields)} expected")
        count = len(batch[self.fields[0]])
        if count > self.capacity:
            raise ValueError(
                f"{count} transitions at once do not fit a capacity of {self.capacity}"
            )
        for name in self.fields:
            self._check_field(name, batch[name], count)
        indices = (self._cursor + np.arange(count)) % self.capacity
        for name in self.fields:
            self._records[name][indices] = batch[name]
        self._cursor = (self._cursor + count) % self.capacity
        self._size = min(self._size + count, self.capacity)
        return indices

    def take(self, indices: IntArray) -> Arrays:
        """Transitions `indices` [...] as {field: [..., *shape]}: views into one fresh copy."""
        records = self._rows.take(indices, axis=0).view(self._records.dtype)[..., 0]
        return {name: records[name] for name in self.fields}

    def state_dict(self) -> Arrays:
        """Everything as arrays: copies of the stored transitions, and the ring's position."""
        stored = {f"field/{each}": self._records[each][: self._size].copy() for each in self.fields}
        return stored | {"size": np.asarray(self._size), "cursor": np.asarray(self._cursor)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned: the same samples follow, bit for bit.

        ValueError where it does not fit.
        """
        size, cursor = int(state["size"]), int(state["cursor"])
        if not (0 <= size <= self.capacity and 0 <= cursor < self.capacity):
            raise ValueError(
                f"size {size}, cursor {cursor} do not fit a capacity of {self.capacity}"
            )
        for name in self.fields:
            self._check_field(name, state.get(f"field/{name}"), size)
        for name in self.fields:
            self._records[name][:size] = state[f"field/{name}"]
        self._size, self._cursor = size, cursor

    def _check_field(self, name: str, value: Any, count: int) -> None:
        if value is None:
            raise ValueError(f"field {name!r} is missing")
        field, array = self._records.dtype[name], np.asarray(value)
        expected = (count, *field.shape)
        if array.shape != expected:
            raise ValueError(f"field {name!r}: shape {array.shape}, expected {expected}")
        if not np.can_cast(array.dtype, field.base, casting="same_kind"):
            raise ValueError(f"field {name!r}: {array.dtype} does not fit {field.base}")

    def sample_many(
        self, updates: int, batch_size: int, rng: np.random.Generator, progress: float = 0.0
    ) -> Batch:
        """Batches [M, B, ...] for M updates in a row; `progress` is the training's finished share.

        Raises:
            ValueError: batches without transitions, or an empty replay.
            ReplayError: priorities that are all zero, or not numbers.
        """
        if updates <= 0 or batch_size <= 0:
            raise ValueError(f"cannot sample {updates} batches of {batch_size} transitions")
        if len(self) == 0:
            raise ValueError("the replay is empty: add transitions before sampling")
        indices, weights = self._draw(updates, batch_size, rng, progress)
        return Batch(indices, self.take(indices), weights.astype(np.float32))

    def _draw(
        self, updates: int, batch_size: int, rng: np.random.Generator, progress: float
    ) -> tuple[IntArray, FloatArray]:
        """Indices and importance weights [M, B]."""
        return rng.integers(len(self), size=(updates, batch_size)), np.ones((updates, batch_size))

    def update_priorities(self, indices: ArrayLike, td_errors: ArrayLike) -> None:
        """Nothing: there are no priorities."""


class SumTree:
    """A binary tree over `capacity` priorities; every parent is the sum of its two children.

    Node 1 is the root, node i has the children 2i and 2i + 1, and the leaves start at `width`,
    which is `capacity` rounded up to a power of two. Parents are recomputed from their children,
    never adjusted by a difference, so no rounding error builds up and the parents are a function of
    the leaves alone. Levels above `TOP_WIDTH` nodes are not kept: their place is taken by the
    cumulative sum of that level.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = int(capacity)
        self.width = 1 << (self.capacity - 1).bit_length()
        self._nodes: FloatArray = np.zeros(2 * self.width)
        self._pairs = self._nodes.reshape(-1, 2)  # row i: the children of node i
        self._top = min(self.width, TOP_WIDTH)
        self._depth = (self.width // self._top).bit_length() - 1  # levels below the top
        self._cumulative: FloatArray | None = None

    @property
    def leaves(self) -> FloatArray:
        """Priorities [capacity], a read-only view."""
        view = self._nodes[self.width : self.width + self.capacity]
        view.flags.writeable = False
        return view

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._prefix()[-1])

    def set(self, indices: ArrayLike, priorities: ArrayLike) -> None:
        """Give leaves `indices` [B] the `priorities` [B]; of an index named twice the last counts.

        The caller sees to it that priorities are finite and not negative.
        """
        value = np.asarray(priorities, dtype=np.float64)
        node = np.asarray(indices, dtype=np.int64) + self.width
        self._nodes[node] = value
        if not np.array_equal(self._nodes.take(node), value):  # duplicates that disagree
            last, places = np.unique(node[::-1], return_index=True)  # NumPy promises no order
            self._nodes[last] = value[::-1][places]
        for _ in range(self._depth):  # their ancestors, level by level; shared ones more than once
            node >>= 1
            children = self._pairs.take(node, axis=0)
            self._nodes[node] = children[:, 0] + children[:, 1]
        self._cumulative = None

    def find(self, prefix: ArrayLike) -> IntArray:
        """Leaves [B] in whose share of [0, total) `prefix` sums [B] lie; never one of priority 0.

        The total must be positive.
        """
        rest = np.array(prefix, dtype=np.float64).ravel()
        cumulative = self._prefix()
        node = cumulative.searchsorted(rest, side="right") - 1  # cumulative[0] is 0
        np.minimum(node, self._top - 1, out=node)
        rest -= cumulative.take(node)
        node += self._top
        for _ in range(self._depth):
            node <<= 1
            left = self._nodes.take(node)
            right = rest >= left
            left *= right
            rest -= left
            node += right
        return self._skip_empty(node - self.width)

    def _prefix(self) -> FloatArray:
        """Cumulative sums [top + 1] of the top level, from 0; kept until the next `set`."""
        if self._cumulative is None:
            self._cumulative = np.zeros(self._top + 1)
            np.cumsum(self._nodes[self._top : 2 * self._top], out=self._cumulative[1:])
        return self._cumulative

    def _skip_empty(self, index: IntArray) -> IntArray:
        """Rounding can carry a prefix past its share, onto an empty leaf: step back from it."""
        value = self._nodes.take(index + self.width)
        if not value.all():
            full = np.flatnonzero(self.leaves)
            empty = value == 0
            index[empty] = full[np.maximum(full.searchsorted(index[empty]) - 1, 0)]
        return index


class PrioritizedReplay(UniformReplay):
    """Transitions drawn with probability P(i) = p_i / sum p, where p_i = (|TD error| + eps)^alpha.

    Schaul et al. (2016), the proportional variant. Sampling is *stratified*: the range [0, sum p) is
    cut into B equal parts and one transition is drawn from each, so a transition appears B P(i) times
    in a batch on average, as in independent draws, but with less variance. A batch comes in the order
    of the storage.

    Importance weights (N P(i))^-beta are divided by the largest of their batch, which leaves
    (min p / p_i)^beta. beta rises linearly from `beta0` to 1 with `progress`. New transitions get the
    largest priority seen so far, 1 at first.
    """

    def __init__(
        self, capacity: int, spec: Spec, alpha: float = 0.6, beta0: float = 0.4, eps: float = 1e-3
    ) -> None:
        super().__init__(capacity, spec)
        self.alpha, self.beta0, self.eps = alpha, beta0, eps
        self._tree = SumTree(capacity)
        self._max_priority = 1.0  # of p, that is, alpha is already in it

    def add(self, batch: Mapping[str, NDArray[Any]]) -> IntArray:
        """As `UniformReplay.add`; new transitions get the largest priority so far."""
        indices = super().add(batch)
        self._tree.set(indices, np.full(len(indices), self._max_priority))
        return indices

    def _draw(
        self, updates: int, batch_size: int, rng: np.random.Generator, progress: float
    ) -> tuple[IntArray, FloatArray]:
        if not 0 <= progress <= 1:
            raise ValueError(f"progress must lie in [0, 1], got {progress}")
        total = self._tree.total
        if not 0 < total < np.inf:
            raise ReplayError(f"the priorities of {len(self)} transitions sum to {total}")
        part = rng.random((updates, batch_size))
        part += np.arange(batch_size)
        part *= total / batch_size
        indices = self._tree.find(part).reshape(updates, batch_size)
        priorities = self._tree.leaves.take(indices)
        beta = self.beta0 + (1 - self.beta0) * progress
        return indices, (priorities.min(axis=1, keepdims=True) / priorities) ** beta

    def update_priorities(self, indices: ArrayLike, td_errors: ArrayLike) -> None:
        """Set p_i = (|TD error| + eps)^alpha for `indices` [...] and `td_errors` of the same shape.

        Where an index appears twice, the later TD error counts. ValueError on NaN or infinity,
        IndexError outside the stored transitions; then nothing changes.
        """
        index = np.asarray(indices, dtype=np.int64).ravel()
        magnitude = np.abs(np.asarray(td_errors, dtype=np.float64).ravel())
        if index.shape != magnitude.shape:
            raise ValueError(f"{index.size} indices but {magnitude.size} TD errors")
        if index.size == 0:
            return
        if index.min() < 0 or index.max() >= len(self):
            wrong = index[(index < 0) | (index >= len(self))][0]
            raise IndexError(f"index {wrong} is outside the {len(self)} stored transitions")
        if not magnitude.max() < np.inf:
            at = np.flatnonzero(~(magnitude < np.inf))[0]
            raise ValueError(
                f"TD error of size {magnitude[at]} at position {at} (transition {index[at]}): "
                "the critic diverged; look at its loss and learning rate"
            )
        priorities = (magnitude + self.eps) ** self.alpha
        self._tree.set(index, priorities)
        self._max_priority = max(self._max_priority, float(priorities.max()))

    def state_dict(self) -> Arrays:
        """As `UniformReplay.state_dict`, with the priorities and their largest so far."""
        return super().state_dict() | {
            "priorities": self._tree.leaves[: len(self)].copy(),
            "max_priority": np.asarray(self._max_priority),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `UniformReplay.load_state_dict`."""
        size, largest = int(state["size"]), float(state["max_priority"])
        priorities = np.asarray(state["priorities"], dtype=np.float64)
        if priorities.shape != (size,):
            raise ValueError(f"priorities of shape {priorities.shape} for {size} transitions")
        if not 0 < largest < np.inf:
            raise ValueError(f"max_priority must be positive, got {largest}")
        super().load_state_dict(state)
        self._tree.set(np.arange(self.capacity), np.pad(priorities, (0, self.capacity - size)))
        self._max_priority = largest
