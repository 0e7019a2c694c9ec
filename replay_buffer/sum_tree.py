"""A binary tree of priority sums in a flat NumPy array, set and searched a batch at a time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

TOP_WIDTH = 1024  # nodes of the level that a cumulative sum and one binary search replace


class SumTree:
    """Priorities of `capacity` leaves; every parent is the sum of its two children.

    Node 1 is the root, node i has the children 2i and 2i + 1, and the leaves start at `width`,
    which is `capacity` rounded up to a power of two. Parents are recomputed from their children,
    never adjusted by a difference, so no rounding error builds up and the parents are a function of
    the leaves alone. Levels above `TOP_WIDTH` nodes are not kept: their place is taken by the
    cumulative sum of that level.
    """

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
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

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._nodes.nbytes

    def set(self, indices: ArrayLike, priorities: ArrayLike) -> None:
        """Give leaves `indices` [B] the `priorities` [B]; of an index named twice the last counts.

        Raises ValueError on a negative, infinite or NaN priority, IndexError outside the leaves.
        """
        index = np.asarray(indices, dtype=np.int64).ravel()
        value = np.asarray(priorities, dtype=np.float64).ravel()
        if index.shape != value.shape:
            raise ValueError(f"{index.size} indices but {value.size} priorities")
        if index.size == 0:
            return
        self._check(index, value)
        node = index + self.width
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

        Raises ValueError when every priority is 0.
        """
        rest = np.array(prefix, dtype=np.float64).ravel()
        cumulative = self._prefix()
        if not cumulative[-1] > 0:
            raise ValueError("every priority is 0: there is nothing to find")
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

    def _check(self, index: IntArray, value: FloatArray) -> None:
        if index.min() < 0 or index.max() >= self.capacity:
            bad = index[(index < 0) | (index >= self.capacity)][0]
            raise IndexError(f"index {bad} is outside the {self.capacity} leaves")
        if not (value.min() >= 0 and value.max() < np.inf):
            at = np.flatnonzero(~((value >= 0) & (value < np.inf)))[0]
            raise ValueError(
                f"priority {value[at]} of leaf {index[at]}: must be finite and not negative"
            )
