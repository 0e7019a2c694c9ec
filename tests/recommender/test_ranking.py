"""Ranking in blocks: the best legal item, ties to the lower id, and never a whole row of scores."""

import numpy as np
import pytest
import tensorflow as tf

from recommender import ranking
from recommender.ranking import best_item, scorer

N_ITEMS = 13


def of(scores):
    """The score function of an array [B, I]."""
    whole = tf.constant(scores)
    return lambda block: whole[:, block.start : block.start + block.width]


@pytest.mark.parametrize("block", [3, 4, 5, 100])  # of 13 items: four blocks, three, two, one
def test_the_best_item_is_found_as_a_loop_finds_it(block, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    few = np.array([-2.0, -0.0, 0.0, 1.0, 3.5], np.float32)  # few values: many ties
    scores = np.random.default_rng(0).choice(few, (500, N_ITEMS))
    scores[:100] = np.minimum(scores[:100], 0)
    expected = []
    for row in scores:
        best = 0
        for item in range(1, N_ITEMS):
            if row[item] > row[best]:
                best = item
        expected.append(best)
    np.testing.assert_array_equal(best_item(of(scores), N_ITEMS), expected)


@pytest.mark.parametrize("block", [4, 100])
def test_scores_are_inner_products_and_illegal_items_never_win(block, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    rng = np.random.default_rng(1)
    action, items = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (N_ITEMS, 3)))
    legal = rng.random((5, N_ITEMS)) < 0.5
    found = best_item(scorer(tf.constant(action), tf.constant(items), of(legal)), N_ITEMS)
    expected = np.where(legal, action @ items.T, -np.inf).argmax(axis=1)
    np.testing.assert_array_equal(found, expected)
