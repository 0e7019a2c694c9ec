"""The actor's half of an update against a few lines of NumPy: policy gradient and imitation."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from oracles import BEST, PAPER, SEED, equal, recorded, scrambled, stored_action
from recommender.softmax import softmax_policy
from recommender.updates import among, imitation_loss

from recommender.state import Observation


def test_the_actors_gradient_is_taken_where_the_policy_is_now():
    """Equation 3: grad_a Q(s, a) at a = pi(s), times grad_theta pi(s)."""
    learner, batch = recorded(scrambled(PAPER)), toys.batch(PAPER)
    online, observation = learner.online, Observation.of(batch)
    state = online.actor_state(observation)
    with tf.GradientTape() as outer:
        action = online.actor(state)
    with tf.GradientTape() as inner:
        inner.watch(action)
        q = online.critics[0](state, action)
    slope = inner.gradient(q, action) * (-PAPER.policy_gradient / 8)  # ascent on the batch's mean
    expected = outer.gradient(action, online.actor.trainable_variables, output_gradients=slope)
    learner.update(batch, SEED)
    for got, want in zip(learner.actor_optimizer.gradients, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


def test_the_ablation_takes_the_gradient_at_the_stored_action():
    for config in (PAPER, replace(BEST, imitation=0.0)):
        learner = recorded(scrambled(replace(config, actor_gradient="stored")))
        batch, online = toys.batch(config), learner.online
        observation, actor = Observation.of(batch), online.actor
        state = online.critic_state(observation)
        at = tf.constant(stored_action(learner, batch))
        with tf.GradientTape() as inner:
            inner.watch(at)
            q = online.critics[0](state, at)
        slope = inner.gradient(q, at) * (-config.policy_gradient / 8)
        with tf.GradientTape() as outer:
            action = online.act(observation)
            if config.critic_action == "item":
                legal = learner._legal(observation)
                _, action = softmax_policy(
                    action, learner.features.items, legal, batch["users"][:, None]
                )
        expected = outer.gradient(action, actor.trainable_variables, output_gradients=slope)
        learner.update(batch, SEED)
        found = learner.actor_optimizer.gradients[-len(expected) :]
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("config", [PAPER, BEST], ids=["paper", "best"])
def test_the_stored_action_does_not_move_the_actor(config):
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    learner.update(batch, SEED)
    before = learner.actor_optimizer.gradients
    other = toys.batch(config, seed=1)
    names = {"item", "action", "reward", "rating"} & set(batch)
    learner.update(batch | {name: other[name] for name in names}, SEED)
    assert all(equal(before, learner.actor_optimizer.gradients))
    assert any(np.any(gradient != 0) for gradient in before)


def test_without_policy_gradient_and_imitation_neither_term_acts():
    batch = toys.batch(BEST)
    losses = {}
    for name in ("imitation", "policy_gradient"):
        learner = recorded(scrambled(replace(BEST, **{name: 0.0})))
        losses[name] = float(learner.update(batch, SEED)[1]["actor_loss"])
    both = recorded(scrambled(BEST)).update(batch, SEED)[1]["actor_loss"]
    assert losses["imitation"] + losses["policy_gradient"] == pytest.approx(float(both), rel=1e-4)
    assert losses["policy_gradient"] > 0  # a cross-entropy alone


def test_the_imitation_loss_is_its_loop():
    rng = np.random.default_rng(0)
    log_policy = rng.normal(size=(4, 5)).astype(np.float32)
    positives, seen = rng.integers(-1, 6, (4, 5)), rng.integers(-1, 6, (4, 2))
    losses = [
        -log_policy[row, place]
        for row in range(4)
        for place in range(5)
        if positives[row, place] >= 0 and positives[row, place] not in seen[row]
    ]
    usable = (positives >= 0) & ~among(tf.constant(positives), tf.constant(seen))
    assert 0 < len(losses) < np.sum(positives >= 0)
    assert float(imitation_loss(tf.constant(log_policy), usable)) == pytest.approx(np.mean(losses))


def test_the_imitation_loss_of_nothing_is_zero():
    assert float(imitation_loss(tf.math.log([[0.5, 0.5]]), tf.zeros([1, 2], tf.bool))) == 0
