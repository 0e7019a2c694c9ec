"""The agent as a policy: what it scores by, and what it learns within a session and then forgets."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

from data.observation import Observation, answer_rewards
from data.policy import Policy
from recommender.agent import DRRAgent
from recommender.drr_policy import DRRPolicy, OnlinePolicy

STEPS, BATCH = toys.T, toys.PAPER.batch_size
PRETRAINED = replace(toys.PAPER, user_vector="pretrained")


def agent(config=PRETRAINED) -> DRRAgent:
    return DRRAgent(config, toys.table(), toys.log(), window=toys.WINDOW, seed=3)


def known(window: int = toys.WINDOW) -> Observation:
    """Users 0 and 2, of whom five and two ratings are known."""
    items, stars = [[3, 1, 4, 2, 5], [-1, -1, -1, 8, 7]], [[5, 1, 4, 3, 2], [0, 0, 0, 2, 5]]
    users = np.array([0, 2])
    demographics = toys.demographics(users)
    return Observation.start(users, demographics, np.array(items), np.array(stars), window=window)


@pytest.mark.parametrize("config", [PRETRAINED, toys.BEST], ids=["paper", "best"])
def test_candidates_are_scored_as_in_the_whole_catalogue(config):
    policy, candidates = DRRPolicy(agent(config)), np.array([[0, 9, 11], [2, 6, -1]], np.int32)
    assert isinstance(policy, Policy) and policy.adaptive and policy.min_window == toys.WINDOW
    everything, found = policy.scores(known(), None), policy.scores(known(), candidates)
    assert everything.shape == (2, toys.N_ITEMS) and found.shape == (2, 3)
    np.testing.assert_allclose(found[0], everything[0, [0, 9, 11]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1, :2], everything[1, [2, 6]], rtol=1e-5, atol=1e-6)
    assert np.ptp(found[0]) > 0.01


def test_a_pretrained_user_is_the_factorisations_by_all_that_is_known_at_the_start():
    table = toys.table()
    fitted = DRRPolicy(agent()).fitted(known())
    expected = [table.fold_in(known().known_items[[0]], known().known_ratings[[0]])[0]]
    expected.append(table.fold_in(np.array([[8, 7]]), np.float32([[2, 5]]))[0])
    np.testing.assert_allclose(fitted.profile, expected, rtol=1e-4, atol=1e-5)
    assert DRRPolicy(agent(toys.BEST)).fitted(known()).profile is None


def one_user() -> Observation:
    return known().rows(np.array([0]))


def online(config=PRETRAINED) -> OnlinePolicy:
    return OnlinePolicy(agent(config), toys.environment(), STEPS)


def arrays(variables) -> list[np.ndarray]:
    return [np.copy(variable.numpy()) for variable in variables]


def assert_equal(some: list, others: list) -> None:
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def play(policy, steps: int = STEPS) -> list[np.ndarray]:
    """Scores before each of `steps` items, which are 6, 7, ... rated 5, not at all, 5, ..."""
    found, now = [], one_user()
    for step in range(steps):
        found.append(policy.scores(now, None))
        items, stars = np.array([6 + step]), np.array([5.0 if step % 2 == 0 else np.nan])
        now = now.after(items, stars, answer_rewards(items, stars, toys.SCALE))
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


@pytest.mark.slow
def test_learning_changes_the_weights_and_a_new_session_begins_with_the_trained_ones(policy):
    trained = arrays(agent().networks.variables)
    session, learned = play(policy), arrays(policy.learner.variables)
    for before, after in zip(trained, arrays(policy.agent.networks.variables), strict=True):
        # all but biases of tanh units that see nothing: every matrix learns
        assert before.ndim < 2 or not np.array_equal(before, after)
    assert_equal(play(policy, steps=1), session[:1])
    assert_equal(arrays(policy.agent.networks.variables), trained)
    assert_equal(play(policy), session)
    assert_equal(arrays(policy.learner.variables), learned)  # targets and Adam as well


@pytest.mark.slow
@pytest.mark.parametrize("config", [PRETRAINED, toys.BEST], ids=["paper", "best"])
def test_without_a_learning_rate_it_acts_as_the_frozen_agent(config):
    tiny = replace(config, actor_lr=1e-30, critic_lr=1e-30)  # lost in the rounding of any weight
    expected = play(DRRPolicy(agent(tiny)), steps=3)
    for mine, theirs in zip(play(online(tiny), steps=3), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
        assert np.ptp(mine) > 0.01
    large = replace(config, actor_lr=0.1, critic_lr=0.1, tau=0.5)
    assert not np.allclose(play(online(large), steps=2)[1], expected[1], atol=1e-3)


def test_it_learns_from_the_transitions_of_the_session(policy, monkeypatch):
    batches = []
    monkeypatch.setattr(policy.learner, "update_many", lambda batch, _: batches.append(batch))
    scores = play(policy)
    assert len(batches) == STEPS - 1 and policy.users_per_batch == 1
    last = {name: np.array(value)[0] for name, value in batches[-1].items()}
    turns = np.arange(BATCH) % (STEPS - 1)
    np.testing.assert_array_equal(last["item"], 6 + turns)
    np.testing.assert_array_equal(last["rating"], np.where(turns % 2 == 0, 5, np.nan))
    np.testing.assert_array_equal(last["reward"], np.where(turns % 2 == 0, 1, -0.5))
    np.testing.assert_array_equal(last["terminated"], 0)
    np.testing.assert_array_equal(last["weights"], 1)
    np.testing.assert_array_equal(last["window_items"][:3], [[4, 2, 5], [2, 5, 6], [2, 5, 6]])
    np.testing.assert_array_equal(last["known_items"], [[4, 2, 5]] * BATCH)
    np.testing.assert_array_equal(last["shown_items"][2], [6, 7, -1, -1])
    np.testing.assert_array_equal(last["shown_ratings"][2], [5, np.nan, 0, 0])
    np.testing.assert_array_equal(last["shown_rewards"][2], [1, -0.5, 0, 0])
    played = last["action"].astype(np.float32) @ toys.table().items.T
    np.testing.assert_allclose(played[1], scores[1][0], atol=0.01)  # actions are kept as float16
