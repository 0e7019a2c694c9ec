"""Exploration: what is drawn, how often, and how it fades."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import chisquare

from config import AgentConfig
from recommender import ranking
from recommender.collector import Exploration, explore, schedule

ITEMS = tf.constant(np.eye(5, dtype=np.float32))  # so that an action is the items' scores
SCORES = np.array([0.5, 2.0, -1.0, 1.0, 0.0], np.float32)
N = 8000
KINDS = ("softmax", "gaussian")


def played(kind, noise, epsilon, legal=(True,) * 5, seed=(1, 2)):
    """N users in the same situation: the actions [N, 5] and the items they are shown [N]."""
    action = tf.constant(np.tile(SCORES, (N, 1)))
    mask = tf.constant(np.tile(legal, (N, 1)))

    def allowed(block):
        return mask[:, block.start : block.start + block.width]

    found = explore(kind, action, ITEMS, allowed, Exploration(noise, epsilon), tf.constant(seed))
    return [tensor.numpy() for tensor in found]


@pytest.fixture(params=[1000, 2], ids=["one block", "two blocks"], autouse=True)
def _block(request, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", request.param)


def assert_shares(items, expected):
    """Chi-square of how often each item was shown; those with no share never."""
    counts, share = np.bincount(items, minlength=5), np.array(expected, float)
    assert not counts[share == 0].any()
    assert chisquare(counts[share > 0], N * share[share > 0] / share.sum()).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_the_best_item_is_shown(kind):
    action, items = played(kind, 0.0, 0.0)
    assert set(items) == {1}
    if kind == "gaussian":
        np.testing.assert_array_equal(action, np.tile(SCORES, (N, 1)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_noise_of_the_softmax_is_its_temperature(temperature):
    items = played("softmax", temperature, 0.0)[1]
    assert_shares(items, np.exp(SCORES.astype(float) / temperature))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0])
def test_epsilon_is_the_share_of_uniformly_random_items(kind, epsilon):
    assert_shares(played(kind, 0.0, epsilon)[1], epsilon / 5 + (1 - epsilon) * np.eye(5)[1])


def test_among_legal_items_the_softmax_draws_by_score_and_gambles_evenly():
    legal = np.array([True, False, True, True, True])
    assert_shares(played("softmax", 1.0, 0.0, legal)[1], np.exp(SCORES.astype(float)) * legal)
    assert_shares(played("softmax", 1.0, 1.0, legal)[1], legal)


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0])
def test_a_gaussian_action_always_is_the_one_that_chose_the_item(epsilon):
    """Also when it gambles: the critic is told of the action that earned the reward."""
    action, items = played("gaussian", 0.5, epsilon)
    np.testing.assert_array_equal(items, action.argmax(axis=1))


def test_schedules_start_and_end_where_the_settings_say():
    fade = {"noise": 2.0, "noise_end": 1.0, "epsilon": 0.8, "epsilon_end": 0.2}
    config = replace(AgentConfig(), **fade, epsilon_decay=0.5)
    assert schedule(config, 0.0) == (2.0, 0.8)
    assert schedule(config, 0.25) == pytest.approx((1.75, 0.5))
    assert schedule(config, 0.5) == pytest.approx((1.5, 0.2))
    assert schedule(config, 1.0) == pytest.approx((1.0, 0.2))
    assert schedule(replace(config, epsilon_decay=0.0), 0.0).epsilon == pytest.approx(0.2)
