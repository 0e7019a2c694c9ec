"""The actor's half of an update against a few lines of NumPy: policy gradient and imitation."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from oracles import BEST, PAPER, RESIDUAL, SEED, recorded, scrambled

from recommender.update import imitation_loss, occur_in


def test_the_actors_gradient_is_taken_where_the_policy_is_now():
    """Equation 3: grad_a Q(s, a) at a = pi(s), times grad_theta pi(s)."""
    learner, batch = recorded(scrambled(PAPER)), toys.batch(PAPER)
    online = learner.online
    state = online.actor_state(learner.log.observation(batch))
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


@pytest.mark.parametrize("config", [BEST, RESIDUAL], ids=["best", "residual"])
def test_on_items_the_actor_climbs_the_mean_q_of_what_it_would_show(config):
    """Q is linear in the item: the gradient of the sum over legal items of pi(i | s) Q(s, i)."""
    config = replace(config, imitation=0.0)
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    online, observation = learner.online, learner.log.observation(batch)
    vectors, legal = learner.features.items, learner.log.legal(observation)
    every = tf.repeat(vectors[None], 8, axis=0)
    state = online.critic_state(observation)
    q = online.values(online.critics[0], observation, state, every)
    variables = [*online.actor_state.trainable_variables, *online.actor.trainable_variables]
    with tf.GradientTape() as tape:
        scores = tf.matmul(online.act(observation), vectors, transpose_b=True)
        chance = tf.nn.softmax(tf.where(legal, scores, -np.inf))
        loss = -config.policy_gradient * tf.reduce_mean(tf.reduce_sum(chance * q, axis=1))
    expected = tape.gradient(loss, variables)
    _, scalars = learner.update(batch, SEED)
    assert float(scalars["actor_loss"]) == pytest.approx(float(loss), rel=1e-3)
    for got, want in zip(learner.actor_optimizer.gradients, expected, strict=True):
        np.testing.assert_allclose(got, tf.convert_to_tensor(want), rtol=1e-3, atol=1e-4)


def test_without_policy_gradient_and_imitation_neither_term_acts():
    batch = toys.batch(BEST)
    losses = {}
    for name in ("imitation", "policy_gradient"):
        learner = recorded(scrambled(replace(BEST, **{name: 0.0})))
        losses[name] = float(learner.update(batch, SEED)[1]["actor_loss"])
    both = recorded(scrambled(BEST)).update(batch, SEED)[1]["actor_loss"]
    assert losses["imitation"] + losses["policy_gradient"] == pytest.approx(float(both), rel=1e-4)
    assert losses["policy_gradient"] > 0  # a cross-entropy alone


def test_the_imitation_loss_is_its_loop_over_positives_that_may_be_shown():
    rng = np.random.default_rng(0)
    log_policy = rng.normal(size=(9, 5)).astype(np.float32)
    positives, now = rng.integers(-1, toys.N_ITEMS, (9, 5)), toys.episodes(9)
    losses = [
        -log_policy[row, place]
        for row in range(9)
        for place in range(5)
        if positives[row, place] >= 0
        and positives[row, place] not in [*now.known_items[row], *now.shown_items[row]]
    ]
    usable = (positives >= 0) & ~occur_in(tf.constant(positives, tf.int32), now)
    assert 0 < len(losses) < np.sum(positives >= 0)
    assert float(imitation_loss(tf.constant(log_policy), usable)) == pytest.approx(np.mean(losses))
