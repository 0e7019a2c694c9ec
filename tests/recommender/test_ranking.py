"""Ranking: the best legal item, ties to the lower id."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recommender.ranking import best_item, mask_scores

FEW = st.sampled_from([-2.0, -0.0, 0.0, 1.0, 3.5])  # few values: many ties


@settings(max_examples=100, deadline=None)
@given(arrays(np.float32, (4, 6), elements=FEW), arrays(bool, (4, 6)))
def test_the_best_legal_item_is_found_as_a_loop_finds_it(scores, legal):
    legal[:, 3] |= ~legal.any(axis=1)
    found = best_item(tf.constant(scores), tf.constant(legal)).numpy()
    for row in range(len(scores)):
        best = -1
        for item in range(scores.shape[1]):
            if legal[row, item] and (best < 0 or scores[row, item] > scores[row, best]):
                best = item
        assert found[row] == best


def test_ties_go_to_the_lower_id():
    scores = tf.constant([[1.0, 2.0, 2.0, 2.0]])
    everything = tf.ones([1, 4], tf.bool)
    assert best_item(scores, everything).numpy().tolist() == [1]
    assert best_item(scores, tf.constant([[True, False, True, True]])).numpy().tolist() == [2]


def test_an_illegal_item_has_no_probability_and_makes_no_nan():
    scores = mask_scores(tf.constant([[50.0, -80.0, 0.0]]), tf.constant([[False, True, True]]))
    probability = tf.nn.softmax(scores).numpy()[0]
    assert probability[0] == 0 and np.isfinite(tf.nn.log_softmax(scores)).all()
    assert probability.sum() == 1
