"""Updates as a whole: what they train, the target networks, many in one compiled call."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys
from oracles import BEST, PAPER, RESIDUAL, SEED, arrays, equal, scrambled

from recommender.networks import SHARPNESS, Networks


@pytest.mark.slow
@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("config", [PAPER, BEST], ids=["paper", "best"])
def test_every_network_is_trained_the_state_module_included(config, separate):
    config = replace(config, separate_states=separate)
    learner = toys.learner(config)
    before = arrays(learner.online.variables), arrays(learner.target.variables)
    for step in range(3):
        learner.update(toys.batch(config, seed=step), SEED)
    for old, now in zip(before, (learner.online.variables, learner.target.variables), strict=True):
        same = zip(now, equal(old, arrays(now)), strict=True)
        assert [variable.path for variable, is_same in same if is_same] == []


def test_an_update_moves_the_targets_by_tau():
    learner = scrambled(replace(BEST, tau=0.25))
    before = arrays(learner.target.variables)
    learner.update(toys.batch(BEST), SEED)
    rows = zip(learner.target.variables, before, arrays(learner.online.variables), strict=True)
    for now, old, online in rows:
        np.testing.assert_allclose(now, 0.75 * old + 0.25 * online, rtol=1e-5, atol=1e-6)


def test_dropout_hides_and_rescales_while_learning_only():
    learner = scrambled(replace(BEST, dropout=0.25))
    observation = toys.random_observation(200)
    clean = learner.online.actor_state(observation).numpy()
    noisy = learner._perturbed(learner.online.actor_state, observation, SEED).numpy()
    kept = noisy != 0
    np.testing.assert_allclose(noisy[kept], clean[kept] / 0.75, rtol=1e-5)
    assert kept[clean != 0].mean() == pytest.approx(0.75, abs=0.02)


@pytest.mark.slow
def test_the_learning_rate_falls_to_zero_over_the_run_or_stays():
    for schedule, expected in (("cosine", [2e-3, 1e-3, 0]), ("constant", [2e-3] * 3)):
        optimizer = toys.learner(replace(BEST, lr_schedule=schedule)).actor_optimizer
        rates = []
        for step in (0, 50, 100):
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
        assert rates == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_many_updates_in_one_call_are_those_updates_one_by_one_and_traced_once():
    config = replace(toys.BEST, counterfactual=2)
    batches = [toys.batch(config, seed=seed) for seed in range(3)]
    compiled, eager = toys.learner(config), toys.learner(config)
    errors, means = compiled.update_many(toys.stacked(batches), SEED)
    singles = [eager.update(b, SEED + [0, 16 * index]) for index, b in enumerate(batches)]
    np.testing.assert_allclose(errors, [error for error, _ in singles], rtol=1e-3, atol=1e-4)
    for name, mean in means.items():
        assert float(mean) == pytest.approx(np.mean([s[name] for _, s in singles]), rel=1e-3)
    for one, other in zip(compiled.variables, eager.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    compiled.update_many(toys.stacked(batches[::-1]), tf.constant([9, 9]))
    assert compiled.update_many.experimental_get_tracing_count() == 1


def test_a_residual_agent_starts_as_its_factorisation():
    networks, seen = Networks(RESIDUAL, toys.WINDOW, toys.features(), 0), toys.random_observation()
    vectors = seen.profile.numpy()
    np.testing.assert_allclose(networks.act(seen), SHARPNESS * vectors, rtol=1e-6)
    actions = np.random.default_rng(6).normal(size=(5, 2, toys.K)).astype(np.float32)
    for critic in networks.critics:
        state = networks.critic_state(seen)
        values = networks.values(critic, seen, state, tf.constant(actions))
        expected = np.einsum("bk,bck->bc", vectors, actions) / 2  # one star is half a reward
        np.testing.assert_allclose(values, expected, atol=1e-5)
        of_one = networks.value(critic, seen, state, tf.constant(actions[:, 0]))
        np.testing.assert_allclose(of_one[:, 0], expected[:, 0], atol=1e-5)


@pytest.mark.slow
def test_xla_computes_the_same_update():
    compiled, plain = toys.learner(PAPER, jit_compile=True), toys.learner(PAPER)
    batches = toys.stacked([toys.batch(PAPER, seed=seed) for seed in range(3)])
    expected, found = plain.update_many(batches, SEED), compiled.update_many(batches, SEED)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-3, atol=1e-5)
    for name, value in expected[1].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-3, atol=1e-5)
    for one, other in zip(compiled.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
