"""The critics' half of an update against a few lines of NumPy: target, loss, counterfactual items."""

from dataclasses import replace

import numpy as np
import pytest
import toys
from oracles import BEST, PAPER, RESIDUAL, SEED, recorded, scrambled, stored_action, td_target

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
    target, continuation = learner._td_target(batch, learner.log.observation(batch))
    expected, expected_continuation = td_target(learner, batch)
    assert target.shape == (16,)
    np.testing.assert_allclose(target, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(continuation, expected_continuation, rtol=1e-4, atol=1e-5)
    assert np.all(continuation.numpy()[batch["terminated"].numpy() == 1] == 0)


@pytest.mark.parametrize("critics", [1, 2])
@pytest.mark.parametrize("config", [PAPER, replace(BEST, counterfactual=0)], ids=["paper", "best"])
def test_the_critics_loss_is_the_weighted_squared_td_error(config, critics):
    config = replace(config, critics=critics)
    learner, batch = recorded(scrambled(config)), toys.batch(config)
    expected, _ = td_target(learner, batch)
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


def test_counterfactual_items_are_legal_and_rewarded_by_the_log():
    learner, batch = recorded(scrambled(replace(BEST, critics=1))), toys.batch(BEST)
    observation = learner.log.observation(batch)
    legal = learner.log.legal(observation).numpy()
    others = learner._act(observation, SEED)[1].sample(3, SEED).numpy()
    ratings = toys.log()
    target, continuation = td_target(learner, batch)
    vectors, wanted = learner.features.items.numpy(), []
    for row, user in enumerate(batch["users"].numpy()):
        assert all(legal[row, others[row]])
        mine = ratings.row(user)
        stars = dict(zip(ratings.items[mine], ratings.values[mine], strict=True))
        rewards = [(stars[item] - 3) / 2 if item in stars else -0.5 for item in others[row]]
        wanted.append([target[row], *(rewards + continuation[row])])
    items = np.concatenate([batch["item"].numpy()[:, None], others], axis=1)
    q = learner.online.critics[0].q_items(learner.online.critic_state(observation), vectors[items])
    loss = np.mean(batch["weights"].numpy() * np.mean((wanted - q.numpy()) ** 2, axis=1))
    assert float(learner.update(batch, SEED)[1]["critic_loss"]) == pytest.approx(loss, rel=1e-3)
