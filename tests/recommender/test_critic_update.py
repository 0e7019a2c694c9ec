"""The critics' half of an update against a few lines of NumPy: target, loss, counterfactual items."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from oracles import (
    BEST,
    PAPER,
    SEED,
    TD3,
    next_observation,
    recorded,
    scrambled,
    stored_action,
    td_target,
)
from recommender.updates import Learner

from envs.vector import VectorOfflineEnv
from recommender.state import Observation

SETTINGS = {
    "paper": PAPER,
    "best": BEST,
    "one critic on items": replace(BEST, critics=1),
    "unclipped": replace(BEST, clip_target=False),
    "twins on actions": replace(PAPER, critics=2),
    "paper, clipped": replace(PAPER, clip_target=True, discount=0.1),
    "bandit": replace(BEST, discount=0.0),
}


@pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_td_target_is_its_formula(config):
    learner, batch = scrambled(config), toys.batch(config, 16)
    targets = learner._td_target(batch, SEED)
    expected, continuation = td_target(learner, batch)
    assert targets.target.shape == (16,)
    np.testing.assert_allclose(targets.target, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(targets.continuation, continuation, rtol=1e-4, atol=1e-5)
    assert np.all(continuation[batch["terminated"].numpy() == 1] == 0)


def test_the_clip_is_what_rewards_and_discount_allow():
    learner = scrambled(replace(BEST, discount=0.5))
    learner.target.critics[0].baseline.bias.assign([-100.0])
    batch = toys.batch(BEST) | {"terminated": tf.zeros([8])}
    target = learner._td_target(batch, SEED).target
    np.testing.assert_array_equal(target, np.full(8, -2.0))


def test_td3_smooths_the_target_action_within_limits(monkeypatch):
    actions = []
    learner, batch = scrambled(TD3), toys.batch(TD3, 64)
    value = learner.target.value
    monkeypatch.setattr(
        learner.target,
        "value",
        lambda critic, seen, state, action: (
            actions.append(action) or value(critic, seen, state, action)
        ),
    )
    smoothed = learner._td_target(batch, SEED).target
    noise = actions[0] - learner.target.act(next_observation(batch))
    assert np.abs(noise).max() == pytest.approx(0.5, abs=1e-5)
    assert 0.15 < np.std(noise) < 0.25 and abs(np.mean(noise)) < 0.05
    np.testing.assert_array_equal(learner._td_target(batch, SEED).target, smoothed)
    assert not np.allclose(learner._td_target(batch, SEED + 1).target, smoothed)
    monkeypatch.setattr("recommender.updates.SMOOTHING", 0.0)
    plain = scrambled(replace(TD3, algorithm="ddpg"))
    expected = plain._td_target(batch, SEED).target
    np.testing.assert_array_equal(learner._td_target(batch, SEED).target, expected)


@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("config", [PAPER, replace(BEST, counterfactual=0)], ids=["paper", "best"])
def test_the_critics_loss_is_the_weighted_squared_td_error(config, critics):
    config = replace(config, critics=critics)
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    expected, _ = td_target(learner, batch)
    state = learner.online.critic_state(Observation.of(batch))
    action, weights = stored_action(learner, batch), batch["weights"].numpy()
    errors = [expected - c(state, action).numpy()[:, 0] for c in learner.online.critics]
    loss = np.mean([np.mean(weights * error**2) for error in errors])
    td_error, scalars = learner.update(batch, SEED)
    np.testing.assert_allclose(td_error, errors[-1], rtol=1e-3, atol=1e-4)
    assert float(scalars["critic_loss"]) == pytest.approx(loss, rel=1e-3)
    q = expected - np.array(errors)  # [critics, B]
    assert float(scalars["q"]) == pytest.approx(q.mean(), rel=1e-3, abs=1e-4)
    assert float(scalars["q_max"]) == pytest.approx(np.abs(q).max(), rel=1e-3)


def test_a_transition_without_weight_teaches_the_critic_nothing():
    config = replace(PAPER, discount=0.0)  # else the second target differs: the networks moved
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    learner.update(batch | {"weights": tf.zeros([8])}, SEED)
    assert all(np.all(gradient == 0) for gradient in learner.critic_optimizer.gradients)
    learner.update(batch, SEED)
    once = learner.critic_optimizer.gradients
    learner.update(batch | {"weights": 2 * batch["weights"]}, SEED)
    for gradient, double in zip(once, learner.critic_optimizer.gradients, strict=True):
        np.testing.assert_allclose(2 * gradient, double, rtol=1e-4, atol=1e-6)


def test_counterfactual_items_are_legal_distinct_and_rewarded_by_the_log():
    learner, batch = recorded(scrambled(replace(BEST, critics=1))), toys.batch(BEST)
    observation = Observation.of(batch)
    legal = learner.log.legal(observation.users, observation.seen)
    others = learner._draw_items(observation, SEED)[0].numpy()
    ratings = toys.log()
    target, continuation = td_target(learner, batch)
    vectors, wanted = learner.features.items.numpy(), []
    for row, user in enumerate(batch["users"].numpy()):
        assert len(set(others[row])) == 3 and all(legal.numpy()[row, others[row]])
        mine = ratings.row(user)
        stars = dict(zip(ratings.items[mine], ratings.values[mine], strict=True))
        rewards = [(stars[item] - 3) / 2 if item in stars else -0.5 for item in others[row]]
        wanted.append([target[row], *(rewards + continuation[row])])
    items = np.concatenate([batch["item"].numpy()[:, None], others], axis=1)
    q = learner.online.critics[0].q_items(learner.online.critic_state(observation), vectors[items])
    loss = np.mean(batch["weights"].numpy() * np.mean((wanted - q.numpy()) ** 2, axis=1))
    assert float(learner.update(batch, SEED)[1]["critic_loss"]) == pytest.approx(loss, rel=1e-3)


def test_more_counterfactual_items_than_there_are_means_all_that_are_always_left():
    learner, batch = scrambled(replace(BEST, counterfactual=4096)), toys.batch(BEST)
    observation = Observation.of(batch)
    legal = learner.log.legal(observation.users, observation.seen)
    others = learner._draw_items(observation, SEED)[0].numpy()
    assert others.shape[1] == learner.features.n_items - observation.seen.shape[1]
    assert np.take_along_axis(legal.numpy(), others, axis=1).all()


def test_where_few_items_are_left_the_recommended_one_fills_up():
    window = {"window": toys.WINDOW, "episode_length": toys.T}
    log = VectorOfflineEnv(toys.log(), **window, candidates="rated")
    config = replace(BEST, counterfactual=toys.N_ITEMS)
    asked: list[list[int]] = []
    features, batch = toys.features(), toys.batch(config)
    subject = Learner(config, toys.WINDOW, features, Asked(log, asked), total_updates=9, seed=0)
    subject.update(batch, tf.constant([0, 0]))
    legal = log.legal(batch["users"], batch["seen"]).numpy()
    for row, items in enumerate(asked[0]):
        left = set(np.flatnonzero(legal[row]))
        assert set(items) <= left | {int(batch["item"][row])}


class Asked:
    """A log that keeps the items whose rewards were asked for."""

    def __init__(self, log, kept):
        self._log, self._kept = log, kept

    def rewards(self, users, items):
        self._kept.append(items.numpy().tolist())
        return self._log.rewards(users, items)

    def __getattr__(self, name):
        return getattr(self._log, name)
