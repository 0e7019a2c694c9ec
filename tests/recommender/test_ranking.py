"""Ranking in blocks: the best legal item, ties to the lower id, and never a whole row of scores."""

import numpy as np
import pytest
import tensorflow as tf

from recommender import ranking
from recommender.ranking import best_item, mask_scores, reduce_blocks, scorer

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


@pytest.mark.parametrize(("block", "widths"), [(4, [5, 4, 4]), (6, [7, 6]), (7, [13]), (13, [13])])
def test_every_item_is_in_one_block(block, widths, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    visited = []

    def note(seen_block):
        visited.append(seen_block)
        return tf.constant(0)

    reduce_blocks(N_ITEMS, note, lambda _, seen_block: note(seen_block))
    assert [b.width for b in visited] == widths
    assert [int(b.number) for b in visited] == list(range(len(widths)))
    places = [int(b.start) + i for b in visited for i in range(b.width)]
    assert places == list(range(N_ITEMS))


@pytest.mark.parametrize("block", [4, 100])
def test_scores_are_inner_products_and_illegal_items_never_win(block, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    rng = np.random.default_rng(1)
    action, items = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (N_ITEMS, 3)))
    legal = rng.random((5, N_ITEMS)) < 0.5
    found = best_item(scorer(tf.constant(action), tf.constant(items), of(legal)), N_ITEMS)
    expected = np.where(legal, action @ items.T, -np.inf).argmax(axis=1)
    np.testing.assert_array_equal(found, expected)


def test_an_illegal_item_has_no_probability_and_makes_no_nan():
    scores = mask_scores(tf.constant([[50.0, -80.0, 0.0]]), tf.constant([[False, True, True]]))
    probability = tf.nn.softmax(scores).numpy()[0]
    assert probability[0] == 0 and np.isfinite(tf.nn.log_softmax(scores)).all()
    assert probability.sum() == 1
