"""Exploration: what is drawn, how often, and how it fades."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

from config import AgentConfig
from recommender import ranking
from recommender.exploration import Exploration, explore, schedule

ITEMS = tf.constant(np.eye(5, dtype=np.float32))  # so that an action is the items' scores
SCORES = np.array([0.5, 2.0, -1.0, 1.0, 0.0], np.float32)
N = 8000


def draw(kind, noise, epsilon, legal=(True,) * 5, seed=(1, 2)):
    """N users in the same situation: the items they are shown [N]."""
    action = tf.constant(np.tile(SCORES, (N, 1)))
    mask = tf.constant(np.tile(legal, (N, 1)))
    exploration = Exploration(noise, epsilon)

    def allowed(block):
        return mask[:, block.start : block.start + block.width]

    played, items = explore(kind, action, ITEMS, allowed, exploration, tf.constant(seed))
    return played.numpy(), items.numpy()


@pytest.fixture(params=[1000, 2], ids=["one block", "two blocks"], autouse=True)
def _block(request, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", request.param)


def counts(items):
    return np.bincount(items, minlength=5)


@pytest.mark.parametrize("kind", ["gumbel", "gaussian"])
def test_without_noise_the_best_item_is_shown(kind):
    action, items = draw(kind, 0.0, 0.0)
    assert set(items) == {1}
    np.testing.assert_array_equal(action, np.tile(SCORES, (N, 1)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_gumbel_noise_draws_from_the_softmax(temperature):
    weights = np.exp(SCORES.astype(float) / temperature)
    items = draw("gumbel", temperature, 0.0)[1]
    assert chisquare(counts(items), N * weights / weights.sum()).pvalue > 1e-3


def test_gumbel_noise_draws_from_the_softmax_of_the_legal_items():
    weights = np.exp(SCORES.astype(float)) * [1, 0, 1, 1, 1]
    drawn = counts(draw("gumbel", 1.0, 0.0, (True, False, True, True, True))[1])
    assert drawn[1] == 0
    expected = N * weights / weights.sum()
    assert chisquare(drawn[[0, 2, 3, 4]], expected[[0, 2, 3, 4]]).pvalue > 1e-3


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0])
def test_epsilon_is_the_share_of_uniformly_random_items(epsilon):
    expected = np.full(5, N * epsilon / 5)
    expected[1] += N * (1 - epsilon)
    assert chisquare(counts(draw("gaussian", 0.0, epsilon)[1]), expected).pvalue > 1e-3


def test_gaussian_noise_is_on_the_action_and_the_item_follows_it():
    action, items = draw("gaussian", 0.5, 0.0)
    noise = action - SCORES
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    np.testing.assert_array_equal(items, action.argmax(axis=1))


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0])
def test_a_gaussian_action_always_is_the_one_that_chose_the_item(epsilon):
    """Also when it gambles: the critic is told of the action that earned the reward."""
    action, items = draw("gaussian", 0.5, epsilon)
    np.testing.assert_array_equal(items, action.argmax(axis=1))


@pytest.mark.parametrize("kind", ["gumbel", "gaussian"])
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_an_illegal_item_is_never_shown(kind, epsilon):
    items = draw(kind, 10.0, epsilon, (True, False, False, True, True))[1]
    assert set(items) == {0, 3, 4}


@pytest.mark.parametrize("kind", ["gumbel", "gaussian"])
def test_one_seed_draws_the_same_and_another_something_else(kind):
    first, again = draw(kind, 1.0, 0.3)[1], draw(kind, 1.0, 0.3)[1]
    np.testing.assert_array_equal(first, again)
    assert np.any(first != draw(kind, 1.0, 0.3, seed=(1, 6))[1])


def test_schedules_start_and_end_where_the_settings_say():
    config = replace(
        AgentConfig(), noise=2.0, noise_end=1.0, epsilon=0.8, epsilon_end=0.2, epsilon_decay=0.5
    )
    assert schedule(config, 0.0) == (2.0, 0.8)
    assert schedule(config, 0.25) == pytest.approx((1.75, 0.5))
    assert schedule(config, 0.5) == pytest.approx((1.5, 0.2))
    assert schedule(config, 1.0) == pytest.approx((1.0, 0.2))
    assert schedule(replace(config, epsilon_decay=0.0), 0.0).epsilon == pytest.approx(0.2)
