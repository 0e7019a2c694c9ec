"""Actor and critics: shapes, NumPy forward passes, and built from the start."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from recommender.networks import Actor, BilinearCritic, Critic

K, H, S = 4, 8, 10


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense(layer, x: np.ndarray, relu: bool = False) -> np.ndarray:
    y = x @ layer.kernel.numpy() + (0 if layer.bias is None else layer.bias.numpy())
    return np.maximum(y, 0) if relu else y


def test_the_papers_shapes_are_the_defaults():
    actor, critic = Actor(), Critic()  # built in their constructors
    assert [tuple(w.shape) for w in actor.weights[::2]] == [(300, 128), (128, 128), (128, 100)]
    shapes = [tuple(w.shape) for w in critic.weights[::2]]
    assert shapes == [(300, 100), (200, 128), (128, 128), (128, 1)]
    assert actor(tf.zeros([7, 300])).shape == (7, 100)
    assert critic(tf.zeros([7, 300]), tf.zeros([7, 100])).shape == (7, 1)


@pytest.mark.parametrize("output", ["tanh", "linear-skip"])
def test_an_actor_is_its_formula(output):
    model = toys.randomise(Actor(K, H, state_dim=S, output=output))
    state = normal(5, S)
    hidden = dense(model.hidden_2, dense(model.hidden_1, state, relu=True), relu=True)
    expected = dense(model.action, hidden)
    expected = np.tanh(expected) if output == "tanh" else expected + dense(model.skip, state)
    np.testing.assert_allclose(model(state), expected, rtol=1e-4, atol=1e-5)


def gradient_at(model, state, slopes):
    """d (slopes . pi(s)) by the biases of the last layer, and the actions: [B, K] each, B one."""
    with tf.GradientTape() as tape:
        action = model(state)
        loss = tf.reduce_sum(slopes * action)
    return tape.gradient(loss, model.action.bias).numpy(), action.numpy()[0]


def test_an_inverted_gradient_shrinks_towards_the_bounds_and_turns_beyond():
    model = Actor(K, H, state_dim=S, output="inverted", start_at_zero=True)
    model.action.bias.assign([0.5, 0.5, -2.0, 2.0])
    found, action = gradient_at(model, normal(1, S), [[-1.0, 1.0, 1.0, -1.0]])
    assert action.tolist() == [0.5, 0.5, -2.0, 2.0]  # linear
    # up has (1 - a) / 2 of its slope, down (1 + a) / 2; beyond the bounds it pulls back
    assert found.tolist() == [-0.25, 0.75, -0.5, 0.5]


def test_a_penalty_adds_the_mean_square_of_what_tanh_is_given():
    state, slopes, gradients = normal(1, S), normal(1, K, seed=3), []
    for penalty in (0.0, 0.3):
        model = toys.randomise(Actor(K, H, state_dim=S, penalty=penalty))
        gradients.append(gradient_at(model, state, slopes)[0])
    hidden = dense(model.hidden_2, dense(model.hidden_1, state, relu=True), relu=True)
    given = dense(model.action, hidden)[0]
    np.testing.assert_allclose(gradients[1] - gradients[0], 0.6 * given / K, rtol=1e-3, atol=1e-4)


def test_the_papers_critic_is_its_formula():
    model = toys.randomise(Critic(K, H, state_dim=S))
    state, action = normal(5, S), normal(5, K, seed=2)
    joined = np.concatenate([action, dense(model.hidden_state, state, relu=True)], axis=1)
    hidden = dense(model.hidden_2, dense(model.hidden_1, joined, relu=True), relu=True)
    expected = dense(model.q_value, hidden)
    np.testing.assert_allclose(model(state, action), expected, rtol=1e-4, atol=1e-4)


def test_the_bilinear_critic_is_its_formula():
    model = toys.randomise(BilinearCritic(K, H, state_dim=S))
    state, action = normal(5, S), normal(5, K, seed=2)
    hidden = dense(model.hidden_2, dense(model.hidden_1, state, relu=True), relu=True)
    direction = dense(model.direction, hidden) + dense(model.direction_skip, state)
    expected = (direction * action).sum(axis=1, keepdims=True) + dense(model.baseline, hidden)
    np.testing.assert_allclose(model(state, action), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [Critic, BilinearCritic])
def test_q_of_many_items_is_the_q_of_each(kind):
    model = toys.randomise(kind(K, H, state_dim=S))
    state, items = normal(5, S), normal(5, 6, K, seed=2)
    together = model.q_items(state, items)
    assert together.shape == (5, 6)
    for place in range(6):
        of_one = model(state, items[:, place])[:, 0]
        np.testing.assert_allclose(together[:, place], of_one, rtol=1e-4, atol=1e-4)
