"""The session's context in the state, and the closed-form start."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from toys import N_ITEMS, N_USERS, WINDOW, K, T

from envs.vector import VectorOfflineEnv
from recommender import ridge_start
from recommender.networks import Networks
from recommender.ridge_start import RidgeStart
from recommender.state import REFUSED, REFUSED_SCALE, SHARPNESS, Features, similar_users

SESSION = replace(toys.BEST, context="session", start="ridge", low_rating=0.3)
PENALTY = 0.1
USERS = np.random.default_rng(4).normal(size=(N_USERS, K)).astype(np.float32)
FEATURES = Features(toys.table(users=USERS), toys.SCALE, 2)


@pytest.fixture
def environment():
    return VectorOfflineEnv(toys.log(), window=WINDOW, episode_length=T)


def observed(environment, steps=3):
    """Everybody after some recommendations."""
    observation = environment.reset(np.arange(N_USERS), np.full(N_USERS, 2))
    for _ in range(steps):
        item = tf.argmax(environment.legal(observation), axis=1, output_type=tf.int32)
        observation = environment.step(observation, item)[0]
    return observation


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def test_the_context_is_what_a_loop_finds(environment):
    observation = observed(environment)
    model = Networks(SESSION, WINDOW, FEATURES, seed=0).actor_state
    vectors, context = FEATURES.items.numpy(), model(observation).numpy()[:, 3 * K :]
    for user in range(N_USERS):
        shown = zip(observation.shown_items[user], observation.shown_rewards[user], strict=True)
        sums, counts = np.zeros((2, K)), np.zeros(2)
        for item, reward in [(int(i), float(r)) for i, r in shown if i >= 0 and r <= 0]:
            kind = 0 if reward == -0.5 else 1
            sums[kind] += vectors[item] / REFUSED_SCALE
            counts[kind] += 1 / (2 * REFUSED_SCALE)
        window, stars = observation.window_items[user], observation.window_ratings[user]
        weights = model.item_weights(stars[None])[0].numpy() * (window.numpy() >= 0)
        profile = weights @ FEATURES.vectors(window).numpy() + REFUSED * REFUSED_SCALE * sums.sum(0)
        others = np.delete(USERS, user, axis=0)
        likeness = others @ profile / np.linalg.norm(others, axis=1) / np.linalg.norm(profile)
        similar = softmax(SHARPNESS * likeness) @ others
        expected = np.concatenate([*sums, similar, counts, toys.PEOPLE[user]])
        np.testing.assert_allclose(context[user], expected, atol=1e-5)


def test_nobody_is_his_own_neighbour():
    stranger, own = (
        similar_users(FEATURES, tf.constant([user]), tf.constant(USERS[:1])).numpy()
        for user in (-1, 0)
    )
    assert np.linalg.norm(stranger - USERS[0]) < np.linalg.norm(own - USERS[0])


def test_the_start_solves_the_regression_of_rewards_on_first_states(environment, monkeypatch):
    monkeypatch.setattr(ridge_start, "ROUNDS", 0)
    monkeypatch.setattr(ridge_start, "USERS_AT_ONCE", N_USERS)
    first = environment.reset(np.arange(N_USERS), np.full(N_USERS, 2))
    networks = Networks(SESSION, WINDOW, FEATURES, seed=0)
    state = networks.actor_state
    policy = RidgeStart(state, FEATURES, environment, PENALTY).fit(lambda _: first, N_USERS)
    rows = np.hstack([networks.actor_state(first).numpy(), np.ones((N_USERS, 1))]).astype(float)
    everything = np.tile(np.arange(N_ITEMS, dtype=np.int32), (N_USERS, 1))
    rewards = environment.rewards(environment.answers(first.users, everything)).numpy() + 0.5
    np.put_along_axis(rewards, np.maximum(first.window_items.numpy(), 0)[:, 1:], 0.0, axis=1)
    gram = rows.T @ rows
    weights = np.diag(gram) + 1e-4 * N_USERS
    weights[-1] = 0.0
    items = FEATURES.items.numpy().astype(float)
    target = rows.T @ rewards @ items @ np.linalg.inv(items.T @ items)
    simple = np.zeros_like(target)
    for part in range(K):  # component by component, each from its own features
        own = [*range(part, 6 * K, K), len(gram) - 1]
        system = gram[own][:, own] + np.diag(ridge_start.SIMPLE_PENALTY * weights[own])
        simple[own, part] = np.linalg.solve(system, target[own, part])
    system = gram + np.diag(PENALTY * weights)
    wanted = np.linalg.solve(system, target + PENALTY * weights[:, None] * simple)
    np.testing.assert_allclose(policy.kernel, wanted[:-1], atol=2e-3)
    np.testing.assert_allclose(policy.bias, wanted[-1], atol=2e-3)


def test_first_states_count_more_and_those_of_early_policies_less(environment, monkeypatch):
    monkeypatch.setattr(ridge_start, "ROUNDS", 2)
    given, counts = [], []
    monkeypatch.setattr(
        ridge_start, "solve", lambda gram, *_: given.append(gram[-1, -1]) or nothing
    )
    state = Networks(SESSION, WINDOW, FEATURES, seed=0).actor_state
    nothing = ridge_start.Linear(*(np.zeros(n, np.float32) for n in ([state.size, K], K)))
    start = RidgeStart(state, FEATURES, environment, PENALTY)
    start.fit(lambda n: counts.append(n) or environment.reset(np.arange(n), np.full(n, 2)), N_USERS)
    episode = sum(1 + 3 * 0.7**step for step in range(T))  # the last feature is 1
    first = N_USERS * 4.0
    second = first / 2 + N_USERS * episode
    assert given == pytest.approx([first, second, second / 2 + N_USERS * episode], rel=1e-5)
    assert counts == [N_USERS] * 3


def test_targets_are_gains_of_what_is_left_and_predictions_of_what_was_shown(environment):
    observation, items = observed(environment), FEATURES.items.numpy()
    action = np.random.default_rng(1).normal(size=(N_USERS, K)).astype(np.float32)
    start = RidgeStart(Networks(SESSION, WINDOW, FEATURES, seed=0), FEATURES, environment, 0.01)
    everything = np.tile(np.arange(N_ITEMS, dtype=np.int32), (N_USERS, 1))
    gains = environment.rewards(environment.answers(observation.users, everything)).numpy() + 0.5
    for user in range(N_USERS):
        known, shown = (
            seen[user].numpy() for seen in (observation.known_items, observation.shown_items)
        )
        gains[user, known[known >= 0]] = 0.0
        gains[user, shown[shown >= 0]] = items[shown[shown >= 0]] @ action[user]
    found = start._gains_left(observation, tf.constant(action))
    np.testing.assert_allclose(found, gains @ items, rtol=1e-4, atol=1e-4)


def test_actor_and_critics_start_at_the_policy(environment):
    networks = Networks(SESSION, WINDOW, FEATURES, seed=0)
    start = RidgeStart(networks.actor_state, FEATURES, environment, PENALTY)
    policy = start.fit(lambda n: environment.reset(np.arange(n) % N_USERS, np.full(n, 2)), N_USERS)
    ridge_start.start_at(policy, networks)
    observation = observed(environment)
    state = networks.actor_state(observation)
    action = tf.matmul(state, policy.kernel) + policy.bias
    np.testing.assert_allclose(
        networks.act(observation), ridge_start.SHARPNESS * action, rtol=1e-4, atol=1e-4
    )
    q = networks.value(networks.critics[0], observation, state, FEATURES.items[:N_USERS])
    expected = tf.reduce_sum(action * FEATURES.items[:N_USERS], axis=1, keepdims=True) - 0.5
    np.testing.assert_allclose(q, expected, rtol=1e-4, atol=1e-4)
