"""The agent that learns within a session: what it learns from, and that nothing of it stays."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

from data.observation import Observation, answer_rewards
from evaluation.protocols.known_users import SimulatorProtocol
from recommender.agent import DRRAgent
from recommender.drr_policy import DRRPolicy
from recommender.online_policy import OnlinePolicy

STEPS, BATCH = toys.T, toys.PAPER.batch_size
KNOWN = np.array([3, 1, 4, 2, 5], np.int32)
PRETRAINED = replace(toys.PAPER, user_vector="pretrained")


def begin(user: int = 0) -> Observation:
    stars, people = np.array([[5, 1, 4, 3, 2]]), toys.log().demographics[[user]]
    return Observation.start(np.array([user]), people, KNOWN[None], stars, window=toys.WINDOW)


def online(config=PRETRAINED, start: Observation | None = None) -> OnlinePolicy:
    agent = DRRAgent(config, toys.table(), toys.log(), window=toys.WINDOW, seed=3)
    return OnlinePolicy(agent, toys.environment(), start or begin(), STEPS)


def values(policy: OnlinePolicy) -> list[np.ndarray]:
    return [np.copy(variable.numpy()) for variable in policy.learner.variables]


def play(policy, observation: Observation, steps: int = STEPS) -> list[np.ndarray]:
    """Scores before each of `steps` items, which are 6, 7, ... rated 5, 2, 5, 2, ..."""
    found = []
    for step in range(steps):
        found.append(policy.scores(observation, None))
        item, rating = np.array([6 + step]), np.array([5.0 if step % 2 == 0 else 2.0])
        observation = observation.after(item, rating, answer_rewards(item, rating, (1, 5)))
    return found


@pytest.fixture(scope="module", autouse=True)
def eagerly():
    """Quicker for a few updates."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def policy(eagerly) -> OnlinePolicy:
    return online()


def test_learning_changes_the_weights_and_a_new_session_begins_with_the_trained_ones(policy):
    trained = [np.copy(v.numpy()) for v in online().agent.networks.variables]
    first = play(policy, begin())
    learned = values(policy)
    online_weights = [np.copy(v.numpy()) for v in policy.agent.networks.variables]
    for before, after in zip(trained, online_weights, strict=True):
        # all but biases of tanh units that see nothing: every matrix learns
        assert before.ndim < 2 or not np.array_equal(before, after)
    again = play(policy, begin(), steps=1)
    for before, after in zip(trained, policy.agent.networks.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    np.testing.assert_array_equal(again[0], first[0])
    for one, other in zip([*again, *play(policy, begin())[1:]], first, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(values(policy), learned, strict=True):  # targets and Adam as well
        np.testing.assert_array_equal(one, other)


def test_the_given_agent_is_not_changed():
    agent = DRRAgent(PRETRAINED, toys.table(), toys.log(), window=toys.WINDOW, seed=3)
    before = [np.copy(v.numpy()) for v in agent.networks.variables]
    play(OnlinePolicy(agent, toys.environment(), begin(), STEPS), begin())
    for one, other in zip(before, agent.networks.variables, strict=True):
        np.testing.assert_array_equal(one, other.numpy())


@pytest.mark.parametrize("config", [PRETRAINED, toys.BEST], ids=["paper", "best"])
def test_without_a_learning_rate_it_acts_as_the_frozen_agent(config):
    tiny = replace(config, actor_lr=1e-30, critic_lr=1e-30)  # lost in the rounding of any weight
    frozen = DRRPolicy(DRRAgent(tiny, toys.table(), toys.log(), window=toys.WINDOW, seed=3))
    expected = play(frozen, begin(), steps=2)
    for mine, theirs in zip(play(online(tiny), begin(), steps=2), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
        assert np.ptp(mine) > 0.01
    large = replace(config, actor_lr=0.1, critic_lr=0.1, tau=0.5)
    assert not np.allclose(play(online(large), begin(), steps=2)[1], expected[1], atol=1e-3)


def test_it_learns_from_the_transitions_of_the_session(policy, monkeypatch):
    batches = []
    monkeypatch.setattr(policy.learner, "update_many", lambda batch, _: batches.append(batch))
    scores = play(policy, begin())
    assert len(batches) == STEPS - 1
    last = {name: np.array(value)[0] for name, value in batches[-1].items()}
    turns = np.arange(BATCH) % (STEPS - 1)
    np.testing.assert_array_equal(last["item"], 6 + turns)
    np.testing.assert_array_equal(last["rating"], np.where(turns % 2 == 0, 5, 2))
    np.testing.assert_array_equal(last["reward"], np.where(turns % 2 == 0, 1, -0.5))
    np.testing.assert_array_equal(last["terminated"], 0)
    np.testing.assert_array_equal(last["weights"], 1)
    np.testing.assert_array_equal(last["items"][:3], [[4, 2, 5], [2, 5, 6], [2, 5, 6]])
    np.testing.assert_array_equal(last["seen"][2], [4, 2, 5, 6, 7, -1, -1])
    np.testing.assert_array_equal(last["seen_rewards"][2], [0, 0, 0, 1, -0.5, 0, 0])
    played = last["action"].astype(np.float32) @ toys.table().items.T
    np.testing.assert_allclose(played[1], scores[1][0], atol=0.01)  # actions are kept as float16


def test_the_simulator_asks_about_one_user_at_a_time():
    class Flat:
        def rating(self, users, items):
            return np.full(items.shape, 3.5, np.float32)

    protocol = SimulatorProtocol(toys.log(), Flat(), window=2, ks=(STEPS,), online=True)
    policy = online(start=protocol.start(np.arange(protocol.n_users)))
    asked = []
    scores = policy.scores
    policy.scores = lambda known, few: asked.append(known.users.tolist()) or scores(known, few)
    result = protocol.run(policy)
    assert sorted(asked) == [[user] for user in range(toys.N_USERS) for _ in range(STEPS)]
    assert (result.items >= 0).all() and np.isfinite(result.per_user["total_reward"]).all()
    assert (protocol.mode, protocol.label) == ("online", "simulator (online)")
