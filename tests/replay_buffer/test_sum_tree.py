"""The sum tree against an obviously correct one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay_buffer.buffers import SumTree


class NaiveSumTree:
    """A list of priorities, searched from the left."""

    def __init__(self, capacity):
        self.priorities = [0.0] * capacity

    def set(self, indices, priorities):
        for index, priority in zip(indices, priorities, strict=True):
            self.priorities[index] = priority

    def find(self, prefix):
        for index, priority in enumerate(self.priorities):
            if prefix < priority:
                return index
            prefix -= priority
        raise AssertionError("beyond the total")


@st.composite
def operations(draw):
    """A capacity and batches of whole-number priorities, whose sums are exact."""
    capacity = draw(st.sampled_from([1, 2, 3, 7, 8, 40, 1024, 1025, 5000]))
    pair = st.tuples(st.integers(0, capacity - 1), st.integers(0, 9))
    return capacity, draw(st.lists(st.lists(pair, max_size=30), max_size=6))


@settings(max_examples=60, deadline=None)
@given(operations(), st.integers(0, 2**32))
def test_tree_agrees_with_the_naive_one_under_random_operations(case, seed):
    capacity, batches = case
    tree, naive = SumTree(capacity), NaiveSumTree(capacity)
    rng = np.random.default_rng(seed)
    for batch in batches:
        indices, priorities = [pair[0] for pair in batch], [pair[1] for pair in batch]
        tree.set(indices, priorities)
        naive.set(indices, priorities)
        assert tree.leaves.tolist() == naive.priorities
        assert tree.total == sum(naive.priorities)
        if tree.total:
            prefixes = rng.integers(int(tree.total), size=20) + rng.choice([0, 0.5], 20)
            assert tree.find(prefixes).tolist() == [naive.find(prefix) for prefix in prefixes]


def test_parents_are_the_sums_of_their_children_to_the_last_bit():
    rng = np.random.default_rng(0)
    tree = SumTree(5000)
    for _ in range(50):
        tree.set(rng.integers(5000, size=300), rng.random(300) * 10.0 ** rng.integers(-9, 9, 300))
    inner = np.arange(1024, tree.width)  # the tree is kept from its 1,024 nodes wide level down
    nodes = tree._nodes
    np.testing.assert_array_equal(nodes[inner], nodes[2 * inner] + nodes[2 * inner + 1])
    assert tree.total == pytest.approx(tree.leaves.sum(), rel=1e-14)


@pytest.mark.parametrize("capacity", [10, 3000])
def test_an_empty_leaf_is_never_found_even_past_the_end(capacity):
    tree = SumTree(capacity)
    tree.set([2, 6], [0.1, 0.7])
    assert tree.find([0.0, 0.1, tree.total, 2.0]).tolist() == [2, 6, 6, 6]
    with pytest.raises(ValueError, match="read-only"):
        tree.leaves[0] = 1.0
