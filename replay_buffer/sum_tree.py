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
