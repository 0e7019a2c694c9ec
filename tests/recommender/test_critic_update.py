"""The critics' half of an update against a few lines of NumPy: target, loss, counterfactual items."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from oracles import BEST, PAPER, RESIDUAL, SEED, recorded, scrambled, stored_action, td_target

from envs.vector import VectorOfflineEnv

SETTINGS = {
    "paper": PAPER,
    "best": BEST,
    "one critic on items": replace(BEST, critics=1),
    "unclipped": replace(BEST, clip_target=False),
    "twins on actions": replace(PAPER, critics=2),
    "paper, clipped": replace(PAPER, clip_target=True, discount=0.1),
    "bandit": replace(BEST, discount=0.0),
    "residual": RESIDUAL,
}


@pytest.mark.parametrize("config", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_td_target_is_its_formula(config):
    learner, batch = scrambled(config), toys.batch(config, 16)
    observation = learner.log.observation(batch)
    target = learner._td_targets(batch, observation, *shown_only(batch))[:, 0]
    np.testing.assert_allclose(target, td_target(learner, batch), rtol=1e-4, atol=1e-5)
    ended = batch["terminated"].numpy() == 1
    np.testing.assert_array_equal(target.numpy()[ended], batch["reward"].numpy()[ended])


def shown_only(batch):
    return batch["item"][:, None], batch["rating"][:, None]


@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("config", [PAPER, replace(BEST, counterfactual=0)], ids=["paper", "best"])
def test_the_critics_loss_is_the_weighted_squared_td_error(config, critics):
    config = replace(config, critics=critics)
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    expected = td_target(learner, batch)
    state = learner.online.critic_state(learner.log.observation(batch))
    action, weights = stored_action(learner, batch), batch["weights"].numpy()
    errors = [expected - c(state, action).numpy()[:, 0] for c in learner.online.critics]
    loss = np.mean([np.mean(weights * error**2) for error in errors])
    td_error, scalars = learner.update(batch, SEED)
    np.testing.assert_allclose(td_error, errors[-1], rtol=1e-3, atol=1e-4)
    assert float(scalars["critic_loss"]) == pytest.approx(loss, rel=1e-3)
    q = expected - np.array(errors)  # [critics, B]
    assert float(scalars["q"]) == pytest.approx(q.mean(), rel=1e-3, abs=1e-4)
    assert float(scalars["q_max"]) == pytest.approx(np.abs(q).max(), rel=1e-3)


def test_counterfactual_items_are_legal_rewarded_by_the_log_and_go_on_in_their_own_way():
    learner, batch = recorded(scrambled(replace(BEST, critics=1))), toys.batch(BEST)
    observation = learner.log.observation(batch)
    legal = learner.log.legal(observation).numpy()
    others = learner._act(observation, SEED)[1].sample(3, SEED).numpy()
    assert np.take_along_axis(legal, others, axis=1).all()
    wanted = [td_target(learner, batch)]
    for items in others.T:
        ratings = np.array(
            [stars(user, item) for user, item in zip(batch["users"].numpy(), items, strict=True)]
        )
        rewards = np.where(np.isnan(ratings), -0.5, (ratings - 3) / 2)
        answers = {"item": items, "rating": ratings, "reward": rewards}
        answers = {name: tf.constant(value, batch[name].dtype) for name, value in answers.items()}
        wanted.append(td_target(learner, batch | answers))
    items = np.concatenate([batch["item"].numpy()[:, None], others], axis=1)
    vectors = learner.features.items.numpy()[items]
    q = learner.online.critics[0].q_items(learner.online.critic_state(observation), vectors)
    loss = np.mean(batch["weights"].numpy() * np.mean((np.array(wanted).T - q) ** 2, axis=1))
    assert float(learner.update(batch, SEED)[1]["critic_loss"]) == pytest.approx(loss, rel=1e-3)


def stars(user, item):
    """In the toy log; NaN where not rated."""
    ratings = toys.log()
    found = ratings.values[(ratings.users == user) & (ratings.items == item)]
    return found[0] if len(found) else np.nan


def test_nothing_follows_an_item_after_which_the_user_leaves():
    learner, batch = scrambled(BEST), toys.batch(BEST)
    learner.log = VectorOfflineEnv(toys.log(), window=toys.WINDOW, episode_length=toys.T, misses=1)
    learner.log.set_profiles(toys.PROFILES)
    batch |= {"terminated": tf.zeros_like(batch["reward"])}
    observation = learner.log.observation(batch)
    items = tf.tile(tf.range(toys.N_ITEMS)[None], [8, 1])
    items = tf.concat([batch["item"][:, None], items], axis=1)
    ratings = learner.log.answers(observation.users, items)
    target = learner._td_targets(batch, observation, items, ratings).numpy()[:, 1:]
    rewards = learner.log.rewards(ratings).numpy()[:, 1:]
    np.testing.assert_array_equal(target[rewards <= 0], rewards[rewards <= 0])
    assert (target[rewards > 0] != rewards[rewards > 0]).all() and (rewards > 0).any()
