"""Approximate retrieval: nearly all of the best, exact scores, and a clear message without faiss."""

import importlib.util
import sys

import numpy as np
import pytest
import toys

from recommender.agent import DRRAgent
from recommender.retrieval import Retrieval, RetrievalError, recall

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="needs pip install faiss-cpu"
)


@pytest.fixture(scope="module")
def vectors():
    """Item vectors [I, k] of very different lengths, as popularity makes them, and actions [B, k]."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(3000, 16)) * rng.lognormal(0, 1, (3000, 1))
    return items.astype(np.float32), rng.normal(size=(50, 16)).astype(np.float32)


@needs_faiss
@pytest.mark.parametrize("k", [1, 10, 100])
def test_nearly_all_of_the_best_items_are_found(vectors, k):
    items, actions = vectors
    found = Retrieval(items).nearest(actions, k)
    assert found.shape == (50, k)
    assert recall(found, actions, items) > 0.99


def test_recall_is_the_share_of_the_exact_best_and_ties_are_as_good():
    items = np.array([[3.0], [2.0], [2.0], [1.0], [0.0]], np.float32)
    actions = np.ones((1, 1), np.float32)
    for found, expected in (([0, 1], 1), ([0, 2], 1), ([1, 3], 0.5), ([0, -1], 0.5), ([3, 4], 0)):
        assert recall(np.array([found]), actions, items) == expected


class Whole:
    """Finds everything, best first."""

    def __init__(self, items):
        self.items, self.asked = items, []

    def nearest(self, actions, count):
        self.asked.append(count)
        return np.argsort(-(actions @ self.items.T), axis=1)[:, :count]


class Few:
    """Finds two items only."""

    def nearest(self, actions, count):
        return np.array([[3, 1] + [-1] * (count - 2)])


def test_with_retrieval_the_same_is_recommended_with_exact_scores():
    agent = DRRAgent(toys.BEST, toys.table(), toys.log(), window=toys.WINDOW)
    history, whole = [(2, 5.0), (7, 1.0)], Whole(toys.table().items)
    expected = agent.recommend(history, 4)
    found = agent.recommend(history, 4, retrieval=whole)
    assert whole.asked == [6]  # the history is among them
    assert [each.item_id for each in found] == [each.item_id for each in expected]
    assert [e.score for e in found] == pytest.approx([e.score for e in expected], rel=1e-4)
    few = agent.recommend(history, 2, retrieval=Few())
    assert {each.item_id for each in few} == {1, 3}
    assert agent.recommend(history, 4, retrieval=Few()) == expected  # too few: all are ranked


def test_without_the_library_the_message_says_what_to_install(vectors, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(RetrievalError, match="pip install faiss-cpu"):
        Retrieval(vectors[0])
