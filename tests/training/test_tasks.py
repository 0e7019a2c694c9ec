"""What a run may see: for known users, everybody's early ratings, cut into sessions."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import config as settings
from data.ratings import Ratings
from data.splits import split_by_time
from embedding.factorise import fit_svd
from envs.simulator import Simulator as RatingModel
from evaluation.protocols.known_users import SimulatorProtocol
from recommender.agent import DRRAgent
from recommender.drr_policy import DRRPolicy
from training.tasks import (
    CUTS,
    EngagementTask,
    KnownUserTask,
    NewUserTask,
    online_policy,
)

WINDOW, T = 3, 4


def task(ratings: Ratings, protocol: str) -> KnownUserTask:
    config = settings.preset("best", (protocol,))
    env = replace(config.env, window=WINDOW, episode_length=T)
    return KnownUserTask(replace(config, env=env), ratings, seed=0)


@pytest.fixture(scope="module")
def rerank(tiny) -> KnownUserTask:
    return task(tiny, "rerank")


@pytest.fixture(scope="module")
def simulator(tiny) -> KnownUserTask:
    return task(tiny, "simulator")


def pairs(ratings: Ratings) -> set[tuple[int, int]]:
    return set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))


def new_users(ratings: Ratings, known: int, random_start: float) -> NewUserTask:
    config = settings.preset("best")
    env = replace(config.env, window=WINDOW, episode_length=T, random_start=random_start)
    return NewUserTask(replace(config, known=known, env=env), ratings, seed=0)


@pytest.mark.parametrize("known", [0, 1, 2, WINDOW, WINDOW + 2])
def test_an_episode_of_a_new_user_begins_with_what_is_known_and_has_room_for_more(tiny, known):
    task = new_users(tiny, known, random_start=0.0)
    state = task.begin(np.random.default_rng(0), 32)
    shown = min(known or WINDOW // 2, WINDOW)
    for user, window in zip(state.users.numpy(), state.window_items.numpy(), strict=True):
        first = task.visible.items[task.visible.row(user)][:shown]
        assert window.tolist() == [-1] * (WINDOW - shown) + first.tolist()


def test_some_episodes_begin_with_less_than_is_known_and_some_with_nothing(tiny):
    task = new_users(tiny, known=2, random_start=1.0)
    state = task.begin(np.random.default_rng(0), 200)
    filled = (state.window_items.numpy() >= 0).sum(axis=1)
    for user, window in zip(state.users.numpy(), state.window_items.numpy(), strict=True):
        known = window[window >= 0].tolist()
        assert known == tiny.items[tiny.row(user)][: len(known)].tolist()
    assert set(filled) == {0, 1, 2}


def test_neither_the_test_part_nor_that_of_validation_is_visible(tiny, rerank):
    train, test = split_by_time(tiny)
    validation = rerank.validation()[0]
    asked = split_by_time(train.of_users(rerank.validation_users))[1]
    assert asked.n_ratings
    assert pairs(rerank.visible) == pairs(train) - pairs(asked)
    assert not pairs(rerank.visible) & pairs(test)
    assert validation.eval_users.tolist() == rerank.validation_users.tolist()
    assert not pairs(validation.visible) & pairs(asked)
    assert pairs(rerank.test("rerank").visible) == pairs(train)


def test_a_session_starts_from_its_latest_positives_and_is_asked_about_later_ratings(rerank):
    state = rerank.begin(np.random.default_rng(0), 64)
    legal = rerank.environment.legal(state).numpy()
    visible = rerank.visible
    for row, session in enumerate(state.users.numpy()):
        cut, user = divmod(int(session), visible.n_users)
        place = visible.row(user)
        end = place.start + int(CUTS[cut] * visible.lengths[user])
        liked = visible.items[place.start : end][visible.positive[place.start : end]]
        window = state.window_items.numpy()[row]
        assert window[window >= 0].tolist() == liked[-WINDOW:].tolist()
        assert np.flatnonzero(legal[row]).tolist() == sorted(visible.items[end : place.stop])


def test_in_the_simulator_the_log_answers_first_and_a_factorisation_of_the_visible_part_else(
    simulator,
):
    visible, model = simulator.visible, RatingModel(simulator.visible)
    session = 2 * visible.n_users + 7  # user 7, third cut
    items = np.arange(visible.n_items, dtype=np.int32)
    ratings = simulator.environment.answers(tf.constant([session]), tf.constant(items[None]))
    row = visible.row(7)
    logged = dict(zip(visible.items[row].tolist(), visible.values[row].tolist(), strict=True))
    guessed = model.rating(np.array([7]), items[None])[0]
    expected = [logged.get(item, guessed[item]) for item in items]
    np.testing.assert_allclose(ratings.numpy()[0], expected, atol=1e-4)
    rewards = simulator.environment.rewards(ratings)
    np.testing.assert_allclose(rewards.numpy()[0], (ratings.numpy()[0] - 3) / 2, atol=1e-6)


def test_a_simulated_session_leaves_out_what_is_known_unless_asked(simulator, tiny):
    rng = np.random.default_rng(0)
    state, visible = simulator.begin(rng, 8), simulator.visible
    legal = simulator.environment.legal(state).numpy()
    for row, session in enumerate(state.users.numpy()):
        cut, user = divmod(int(session), visible.n_users)
        known = visible.items[visible.row(user)][: int(CUTS[cut] * visible.lengths[user])]
        assert np.flatnonzero(~legal[row]).tolist() == sorted(known)
    config = replace(settings.preset("best", ("simulator",)), known_items=True)
    asked = KnownUserTask(config, tiny, seed=0)
    assert asked.test("simulator").known_items and not simulator.test("simulator").known_items
    assert asked.environment.legal(state).numpy().sum() > legal.sum()


@pytest.mark.parametrize("user_vector", ["pretrained", "fold-in"])
def test_learning_within_sessions_asks_the_visible_part_alone(tiny, user_vector):
    protocol = SimulatorProtocol(tiny, RatingModel(tiny), ks=(3,), online=True)
    config = settings.preset("paper", ("simulator",))
    agent = replace(config.agent, user_vector=user_vector, actor_hidden=8, critic_hidden=8)
    table = fit_svd(protocol.visible, 4)
    frozen = DRRPolicy(DRRAgent(agent, table, tiny, window=5), "mine")
    policy = online_policy(frozen, config, protocol)
    log = policy.learner.log
    assert policy.name == "mine"
    assert log.ratings is protocol.visible and log.episode_length == 3
    users = np.arange(4)
    hidden = np.array([[next(iter(hidden_items(tiny, protocol.visible, user)))] for user in users])
    guess = log.answers(users, hidden)
    expected = RatingModel(protocol.visible).rating(users, hidden)
    np.testing.assert_allclose(guess, expected, rtol=1e-5)
    assert not np.array_equal(guess, RatingModel(tiny).rating(users, hidden))


def hidden_items(ratings, visible, user):
    everything = set(ratings.items[ratings.row(user)].tolist())
    return sorted(everything - set(visible.items[visible.row(user)].tolist()))


def test_training_answers_come_from_the_training_users_alone(tiny):
    """What the others said answers the validation, and theirs the test, not an episode."""
    config = settings.preset("best", ("engagement",))
    first = EngagementTask(config, tiny, seed=0)
    others = ~np.isin(tiny.users, first.users)
    flipped = replace(tiny, values=np.where(others, 6 - tiny.values, tiny.values))
    second = EngagementTask(config, flipped, seed=0)
    users, items = np.arange(60), np.tile(np.arange(80), (60, 1))
    answers = [task.environment.answers(users, items).numpy() for task in (first, second)]
    assert np.isfinite(answers[0]).all()
    np.testing.assert_array_equal(*answers)
    (validation,), test = first.validation(), first.test("engagement")
    assert validation.eval_users.tolist() == first.validation_users.tolist()
    hidden = ~np.isin(tiny.users, np.append(first.users, first.validation_users))
    unseen = replace(tiny, values=np.where(hidden, 6 - tiny.values, tiny.values))
    (again,) = EngagementTask(config, unseen, seed=0).validation()
    mine, theirs = (p._log(p.eval_users, items[: p.n_users]) for p in (validation, again))
    np.testing.assert_array_equal(mine, theirs)
    assert (test.boredom.window, test.boredom.most, test.steps) == (10, 0, 30)
