"""The softmax policy: two ways of computing it, one result, and a NumPy oracle for both."""

from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
from recommender.softmax import softmax_policy

from recommender import ranking

B, N_ITEMS, K, P = 5, 23, 4, 3
RNG = np.random.default_rng(0)
ACTION = tf.constant(2 * RNG.normal(size=(B, K)), tf.float32)
ITEMS = tf.constant(RNG.normal(size=(N_ITEMS, K)), tf.float32)
LEGAL = RNG.random((B, N_ITEMS)) < 0.7
LEGAL[0], LEGAL[1, :12] = True, False  # a user without a candidate in the first blocks
IDS = np.stack([RNG.choice(np.flatnonzero(row), P) for row in LEGAL])
SLOPES = [RNG.normal(size=(B, P)), RNG.normal(size=(B, K))]


def legal(block):
    return tf.constant(LEGAL)[:, block.start : block.start + block.width]


def policy(block, action=ACTION):
    with patch.object(ranking, "BLOCK", block):
        return softmax_policy(action, ITEMS, legal, tf.constant(IDS, tf.int32))


def gradient(block):
    """Of a weighted sum of everything, with respect to the action."""
    with tf.GradientTape() as tape:
        tape.watch(ACTION)
        parts = zip(policy(block), SLOPES, strict=True)
        total = sum(tf.reduce_sum(part * tf.constant(slope, tf.float32)) for part, slope in parts)
    return tape.gradient(total, ACTION).numpy()


@pytest.mark.parametrize("block", [4, 6, 11, 1000])
def test_log_probabilities_and_the_mean_item_are_their_formulas(block):
    log_policy, mean = policy(block)
    scores = np.where(LEGAL, ACTION.numpy().astype(float) @ ITEMS.numpy().T, -np.inf)
    probability = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        log_policy, np.log(np.take_along_axis(probability, IDS, axis=1)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(mean, probability @ ITEMS.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [4, 6, 11])
def test_the_gradient_block_by_block_is_that_of_the_whole(block):
    whole = gradient(1000)
    assert np.abs(whole).max() > 0.1
    np.testing.assert_allclose(gradient(block), whole, rtol=1e-3, atol=1e-5)


def test_large_scores_do_not_overflow():
    log_policy, mean = policy(4, 200 * ACTION)
    dense, mean_of_all = policy(1000, 200 * ACTION)
    assert np.isfinite(log_policy).all()
    np.testing.assert_allclose(log_policy, dense, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(mean, mean_of_all, rtol=1e-4, atol=1e-4)
