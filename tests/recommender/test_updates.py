"""The compiled update against a few lines of NumPy, term by term of Algorithm 1."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

from envs.vector import VectorOfflineEnv
from recommender.networks import SHARPNESS, Networks
from recommender.softmax import softmax_policy
from recommender.state import Observation
from recommender.updates import Learner, among, imitation_loss, soft_update

SEED = tf.constant([3, 5])
PLAIN = {"dropout": 0.0, "item_dropout": 0.0}
BEST = replace(toys.BEST, **PLAIN)
PAPER = toys.PAPER


def scrambled(config, seed: int = 0):
    """A learner whose online and target networks have nothing in common."""
    learner, rng = toys.learner(config), np.random.default_rng(seed)
    for variable in [*learner.online.variables, *learner.target.variables]:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return learner


def recorded(learner):
    learner.actor_optimizer, learner.critic_optimizer = toys.Recorder(), toys.Recorder()
    return learner


def arrays(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def equal(first: list, second: list) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


def observed(batch) -> Observation:
    return Observation.of(batch)


def next_observation(batch) -> Observation:
    """Equation 1, row by row."""
    rows = {name: value.numpy() for name, value in batch.items()}
    items, ratings = rows["items"].copy(), rows["ratings"].copy()
    for row in np.flatnonzero(rows["reward"] > 0):
        items[row] = [*items[row][1:], rows["item"][row]]
        ratings[row] = [*ratings[row][1:], rows["rating"][row]]
    seen, rewards = rows["seen"].copy(), rows["seen_rewards"].copy()
    seen[:, toys.WINDOW], rewards[:, toys.WINDOW] = rows["item"], rows["reward"]
    arrays = (rows["users"], items, ratings, seen, rewards)
    return Observation(*(tf.constant(array) for array in arrays))


def td_target(learner, batch) -> tuple[np.ndarray, np.ndarray]:
    """y = r + gamma (1 - terminated) min_j Q'_j(s', a') -> y [B], its second term [B]."""
    config, networks, following = learner.config, learner.target, next_observation(batch)
    action = networks.actor(networks.actor_state(following)).numpy()
    if config.critic_action == "item":
        vectors = learner.features.items.numpy()
        scores = action @ vectors.T
        for row, shown in enumerate(following.seen.numpy()):
            scores[row, shown[shown >= 0]] = -np.inf
        action = vectors[scores.argmax(axis=1)]
    state = networks.critic_state(following)
    value = np.min([critic(state, action).numpy()[:, 0] for critic in networks.critics], axis=0)
    continuation = config.discount * (1 - batch["terminated"].numpy()) * value
    target = batch["reward"].numpy() + continuation
    bound = 1 / (1 - config.discount) if config.clip_target else np.inf
    return np.clip(target, -bound, bound), continuation


def stored_action(learner, batch) -> np.ndarray:
    if learner.config.critic_action == "proto":
        return batch["action"].numpy().astype(np.float32)
    return learner.features.items.numpy()[batch["item"].numpy()]


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


@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("config", [PAPER, replace(BEST, counterfactual=0)], ids=["paper", "best"])
def test_the_critics_loss_is_the_weighted_squared_td_error(config, critics):
    config = replace(config, critics=critics)
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    expected, _ = td_target(learner, batch)
    state = learner.online.critic_state(observed(batch))
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
    observation = observed(batch)
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
    observation = observed(batch)
    legal = learner.log.legal(observation.users, observation.seen)
    others = learner._draw_items(observation, SEED)[0].numpy()
    assert others.shape[1] == learner.features.n_items - observation.seen.shape[1]
    assert np.take_along_axis(legal.numpy(), others, axis=1).all()


def test_the_actors_gradient_is_taken_where_the_policy_is_now():
    """Equation 3: grad_a Q(s, a) at a = pi(s), times grad_theta pi(s)."""
    learner, batch = recorded(scrambled(PAPER)), toys.batch(PAPER)
    online, observation = learner.online, observed(batch)
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
        observation, actor = observed(batch), online.actor
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


@pytest.mark.parametrize("separate", [True, False])
def test_a_frozen_state_representation_does_not_learn(separate):
    config = replace(BEST, separate_states=separate, train_state=False)
    learner = toys.learner(config)
    states = [v for module in learner.online.states for v in module.variables]
    heads = [*learner.online.actor.variables, *learner.online.critics[0].variables]
    before = arrays(states), arrays(heads)
    learner.update(toys.batch(config), SEED)
    assert all(equal(before[0], arrays(states)))
    assert not any(equal(before[1], arrays(heads)))


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


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("config", [PAPER, BEST], ids=["paper", "best"])
def test_every_network_is_trained_the_state_module_included(config, separate):
    config = replace(config, separate_states=separate)
    learner = toys.learner(config)
    before = arrays(learner.online.variables), arrays(learner.target.variables)
    for step in range(3):
        learner.update(toys.batch(config, seed=step), SEED)
    for old, now in zip(before, (learner.online.variables, learner.target.variables), strict=True):
        changed = {
            variable.path: not same
            for variable, same in zip(now, equal(old, arrays(now)), strict=True)
        }
        # nothing was refused in these batches, so the levels of refusal have no part
        assert all(done for path, done in changed.items() if "refused" not in path), changed


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


@pytest.mark.parametrize("config", [PAPER, BEST], ids=["paper", "best"])
def test_target_networks_start_as_copies_and_not_as_the_same_networks(config):
    learner = toys.learner(config)
    online, target = learner.online.variables, learner.target.variables
    assert all(equal(arrays(online), arrays(target)))
    assert not {id(variable) for variable in online} & {id(variable) for variable in target}
    other = toys.learner(config, seed=1).online.variables
    assert not all(equal(arrays(online), arrays(other)))
    assert all(equal(arrays(online), arrays(toys.learner(config).online.variables)))


@pytest.mark.parametrize("tau", [0.0, 1.0, 0.1])
def test_the_soft_update_mixes_online_into_target(tau):
    online = [tf.Variable([1.0, 2.0]), tf.Variable([[3.0]])]
    target = [tf.Variable([-1.0, 0.0]), tf.Variable([[5.0]])]
    soft_update(target, online, tau)
    np.testing.assert_allclose(target[0], [-1 + 2 * tau, 2 * tau], rtol=1e-6)
    np.testing.assert_allclose(target[1], [[5 - 2 * tau]], rtol=1e-6)
    np.testing.assert_array_equal(online[0], [1, 2])


def test_the_soft_update_refuses_networks_that_do_not_match():
    with pytest.raises(ValueError, match="shorter"):
        soft_update([tf.Variable(1.0), tf.Variable(2.0)], [tf.Variable(1.0)], 0.1)
    with pytest.raises(ValueError, match="shape"):
        soft_update([tf.Variable([1.0])], [tf.Variable([1.0, 2.0])], 0.1)


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


def test_the_learning_rate_falls_to_zero_over_the_run_or_stays():
    for schedule, expected in (("cosine", [2e-3, 1e-3, 0]), ("constant", [2e-3] * 3)):
        optimizer = toys.learner(replace(BEST, lr_schedule=schedule)).actor_optimizer
        rates = []
        for step in (0, 50, 100):
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
        assert rates == pytest.approx(expected, abs=1e-9)


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


TD3 = replace(PAPER, algorithm="td3", critics=2)


def test_the_actor_and_the_targets_of_td3_move_with_every_second_update():
    learner, moved = toys.learner(TD3), []
    parts = (learner.online.actor, learner.online.critics[1], learner.target)
    for step in range(4):
        before = [arrays(part.variables) for part in parts]
        learner.update_many(toys.stacked([toys.batch(TD3, seed=step)]), SEED)
        now = [arrays(part.variables) for part in parts]
        moved.append([not all(equal(*pair)) for pair in zip(before, now, strict=True)])
    assert moved == [[False, True, False], [True, True, True]] * 2


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


RESIDUAL = replace(BEST, user_vector="pretrained", residual=True)


def test_a_residual_agent_starts_as_its_factorisation():
    vectors = np.random.default_rng(5).normal(size=(5, toys.K)).astype(np.float32)
    networks = Networks(RESIDUAL, toys.WINDOW, toys.features(), seed=0)
    seen = toys.random_observation()._replace(profile=tf.constant(vectors))
    np.testing.assert_allclose(networks.act(seen), SHARPNESS * vectors, rtol=1e-6)
    actions = np.random.default_rng(6).normal(size=(5, 2, toys.K)).astype(np.float32)
    for critic in networks.critics:
        state = networks.critic_state(seen)
        values = networks.values(critic, seen, state, tf.constant(actions))
        expected = np.einsum("bk,bck->bc", vectors, actions) / 2  # one star is half a reward
        np.testing.assert_allclose(values, expected, atol=1e-5)
        alone = networks.value(critic, seen, state, tf.constant(actions[:, 0]))
        np.testing.assert_allclose(alone[:, 0], expected[:, 0], atol=1e-5)


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


def test_xla_computes_the_same_update():
    compiled, plain = toys.learner(PAPER, jit_compile=True), toys.learner(PAPER)
    batches = toys.stacked([toys.batch(PAPER, seed=seed) for seed in range(3)])
    expected, found = plain.update_many(batches, SEED), compiled.update_many(batches, SEED)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-3, atol=1e-5)
    for name, value in expected[1].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-3, atol=1e-5)
    for one, other in zip(compiled.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_xla_takes_every_part_of_the_default_recipe():
    """A GPU gets it as it is: nothing has a shape or an operation that XLA refuses."""
    tf.random.set_seed(0)  # which TensorFlow asks for, and does not use
    update = toys.learner(toys.BEST, jit_compile=True).update_many
    lowered = update.experimental_get_compiler_ir(toys.stacked([toys.batch(toys.BEST)]), SEED)
    assert "ENTRY" in lowered(stage="hlo")
