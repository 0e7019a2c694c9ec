"""Ranking in blocks: the best legal items, ties to the lower id, and never a whole row of scores."""

from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender import ranking
from recommender.ranking import best_item, mask_scores, scorer, top_items, visit

FEW = st.sampled_from([-2.0, -0.0, 0.0, 1.0, 3.5])  # few values: many ties
BLOCKS = st.sampled_from([3, 4, 5, 100])  # of 13 items: four blocks, three, two, one
N_ITEMS = 13


def of(scores):
    """The score function of an array [B, I]."""
    whole = tf.constant(scores)
    return lambda block: whole[:, block.start : block.start + block.width]


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (4, N_ITEMS), elements=FEW), BLOCKS)
def test_the_best_item_is_found_as_a_loop_finds_it(scores, block):
    with patch.object(ranking, "BLOCK", block):
        found = best_item(of(scores), N_ITEMS).numpy()
    for row in range(len(scores)):
        best = 0
        for item in range(1, N_ITEMS):
            if scores[row, item] > scores[row, best]:
                best = item
        assert found[row] == best


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (4, N_ITEMS), elements=FEW), BLOCKS, st.integers(1, 3))
def test_the_best_items_are_those_of_a_stable_sort(scores, block, k):
    with patch.object(ranking, "BLOCK", block):
        items, values = (tensor.numpy() for tensor in top_items(of(scores), N_ITEMS, k))
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(items, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(scores, expected, axis=1))


@pytest.mark.parametrize("block", [3, 100])
def test_without_order_the_same_items_are_found(block):
    scores = np.random.default_rng(0).normal(size=(6, N_ITEMS)).astype(np.float32)
    with patch.object(ranking, "BLOCK", block):
        items, values = top_items(of(scores), N_ITEMS, 3, ordered=False)
    np.testing.assert_array_equal(np.sort(items), np.sort(np.argsort(-scores)[:, :3]))
    np.testing.assert_array_equal(values, np.take_along_axis(scores, items.numpy(), axis=1))


@pytest.mark.parametrize(("block", "widths"), [(4, [5, 4, 4]), (6, [7, 6]), (7, [13]), (13, [13])])
def test_every_item_is_in_one_block(block, widths):
    visited = []

    def note(seen_block):
        visited.append(seen_block)
        return tf.constant(0)

    with patch.object(ranking, "BLOCK", block):
        visit(N_ITEMS, note, lambda _, seen_block: note(seen_block))
    assert [b.width for b in visited] == widths
    assert [int(b.number) for b in visited] == list(range(len(widths)))
    places = [int(b.start) + i for b in visited for i in range(b.width)]
    assert places == list(range(N_ITEMS))


@pytest.mark.parametrize("block", [4, 100])
def test_scores_are_inner_products_and_illegal_items_never_win(block):
    rng = np.random.default_rng(1)
    action, items = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (N_ITEMS, 3)))
    legal = rng.random((5, N_ITEMS)) < 0.5
    score = scorer(tf.constant(action), tf.constant(items), of(legal))
    with patch.object(ranking, "BLOCK", block):
        found = best_item(score, N_ITEMS).numpy()
    expected = np.where(legal, action @ items.T, -np.inf).argmax(axis=1)
    np.testing.assert_array_equal(found, expected)


def test_an_illegal_item_has_no_probability_and_makes_no_nan():
    scores = mask_scores(tf.constant([[50.0, -80.0, 0.0]]), tf.constant([[False, True, True]]))
    probability = tf.nn.softmax(scores).numpy()[0]
    assert probability[0] == 0 and np.isfinite(tf.nn.log_softmax(scores)).all()
    assert probability.sum() == 1
