"""Ranking in one block and in several: the best legal item, ties to the lower id; the softmax policy
as in NumPy, and draws that follow it."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

from recommender import ranking
from recommender.ranking import SoftmaxPolicy, best_item, draw, scorer

B, N_ITEMS, K, P = 5, 23, 4, 3
RNG = np.random.default_rng(0)
ACTION = tf.constant(RNG.normal(size=(B, K)), tf.float32)
ITEMS = tf.constant(RNG.normal(size=(N_ITEMS, K)), tf.float32)
LEGAL = RNG.random((B, N_ITEMS)) < 0.7
LEGAL[0], LEGAL[1, :12] = True, False  # the second user has no candidate in the first blocks
LEGAL[2, 6:], LEGAL[3, 4:19] = False, False  # others have none in the last ones, or in the middle
IDS = np.stack([RNG.choice(np.flatnonzero(row), P) for row in LEGAL])
SLOPES = [tf.constant(RNG.normal(size=shape), tf.float32) for shape in ((B, P), (B, K), (B,))]
DIRECTION = tf.constant(RNG.normal(size=(B, K)), tf.float32)
SEED = tf.constant([3, 5])
CANDIDATES = 13  # of the ranking


@pytest.fixture(params=[4, 6, 11, 1000], ids="blocks of {}".format)
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(ranking, "BLOCK", request.param)
    return request.param


def legal(block):
    return tf.constant(LEGAL)[:, block.start : block.start + block.width]


def probabilities(action) -> np.ndarray:
    scores = np.where(LEGAL, action.numpy().astype(float) @ ITEMS.numpy().T, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("sharpness", [1, 200])  # the largest scores would overflow
def test_probabilities_and_expectations_are_their_formulas(block, sharpness):
    action = sharpness * ACTION
    policy, expected = SoftmaxPolicy(action, ITEMS, legal), probabilities(action)
    with np.errstate(divide="ignore"):
        logs = np.log(np.take_along_axis(expected, IDS, axis=1))
    found = np.where(np.isfinite(logs), policy.log_probabilities(tf.constant(IDS)), logs)
    np.testing.assert_allclose(found, logs, rtol=1e-4, atol=1e-4 * sharpness)
    mean = expected @ ITEMS.numpy()
    np.testing.assert_allclose(policy.mean_item(), mean, rtol=1e-3, atol=1e-4)
    along = np.sum(mean * DIRECTION.numpy(), axis=1)
    np.testing.assert_allclose(policy.expected(DIRECTION), along, rtol=1e-3, atol=1e-4)


def test_their_gradients_are_those_of_a_plain_softmax(block):
    def weighted(parts):
        return sum(tf.reduce_sum(p * slope) for p, slope in zip(parts, SLOPES, strict=True))

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(ACTION)
        policy = SoftmaxPolicy(ACTION, ITEMS, legal)
        parts = policy.log_probabilities(IDS), policy.mean_item(), policy.expected(DIRECTION)
        found = weighted(parts)
        scores = tf.where(LEGAL, tf.matmul(ACTION, ITEMS, transpose_b=True), -1e9)
        logs, mean = tf.nn.log_softmax(scores), tf.matmul(tf.nn.softmax(scores), ITEMS)
        along = tf.reduce_sum(mean * DIRECTION, axis=1)
        plain = weighted((tf.gather(logs, IDS, batch_dims=1), mean, along))
    expected = tape.gradient(plain, ACTION).numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(tape.gradient(found, ACTION), expected, rtol=1e-3, atol=1e-5)


def assert_drawn_from(counts: np.ndarray, expected: np.ndarray) -> None:
    """Chi-square, with what is expected less than five times as one more class."""
    often = expected >= 5
    pairs = [[*row[often], row[~often].sum()] for row in (counts, expected)]
    if pairs[1][-1] < 5:
        pairs = [row[:-1] for row in pairs]
    found, wanted = (np.array(row) for row in pairs)
    assert chisquare(found, wanted * found.sum() / wanted.sum()).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_items_are_drawn_from_the_softmax_of_the_legal_ones(block, temperature):
    count, action = 20_000, ACTION / temperature
    drawn = SoftmaxPolicy(action, ITEMS, legal).sample(count, SEED).numpy()
    assert drawn.shape == (B, count) and drawn.dtype == np.int32
    for row, expected in enumerate(count * probabilities(action)):
        counts = np.bincount(drawn[row], minlength=N_ITEMS)
        assert not counts[~LEGAL[row]].any()
        assert_drawn_from(counts, expected)


def test_a_draw_is_the_column_where_a_share_of_the_sum_falls():
    weights = np.random.default_rng(1).integers(0, 4, (6, 150)).astype(np.float32)
    weights[0, :140], weights[1, 3:] = 0, 0  # nothing but the last ones, and the first ones
    columns, totals = draw(tf.constant(weights), 1000, SEED)
    np.testing.assert_array_equal(totals, weights.sum(axis=1))
    shares = tf.random.stateless_uniform([6, 1000], SEED).numpy()
    for row, share in zip(weights, zip(columns.numpy(), shares, strict=True), strict=True):
        expected = np.searchsorted(np.cumsum(row), share[1] * row.sum(), side="right")
        near = np.abs(np.cumsum(row)[expected] - share[1] * row.sum()) < 1e-3  # rounding decides
        np.testing.assert_array_equal(np.where(near, expected, share[0]), expected)
        assert (row[share[0]] > 0).all()


def of(scores):
    """The score function of an array [B, I]."""
    whole = tf.constant(scores)
    return lambda block: whole[:, block.start : block.start + block.width]


@pytest.mark.parametrize("block", [3, 4, 5, 100])  # of 13 items: four blocks, three, two, one
def test_the_best_item_is_found_as_a_loop_finds_it(block, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    few = np.array([-2.0, -0.0, 0.0, 1.0, 3.5], np.float32)  # few values: many ties
    scores = np.random.default_rng(0).choice(few, (500, CANDIDATES))
    scores[:100] = np.minimum(scores[:100], 0)
    expected = []
    for row in scores:
        best = 0
        for item in range(1, CANDIDATES):
            if row[item] > row[best]:
                best = item
        expected.append(best)
    np.testing.assert_array_equal(best_item(of(scores), CANDIDATES), expected)


@pytest.mark.parametrize("block", [4, 100])
def test_scores_are_inner_products_and_illegal_items_never_win(block, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", block)
    rng = np.random.default_rng(1)
    action, items = (
        rng.normal(size=shape).astype(np.float32) for shape in ((5, 3), (CANDIDATES, 3))
    )
    legal = rng.random((5, CANDIDATES)) < 0.5
    found = best_item(scorer(tf.constant(action), tf.constant(items), of(legal)), CANDIDATES)
    expected = np.where(legal, action @ items.T, -np.inf).argmax(axis=1)
    np.testing.assert_array_equal(found, expected)
