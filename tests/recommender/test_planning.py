"""The planner: its users in closed form, what it learns of the rule, and a run that comes back."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import Shop

from config import Boredom, EmbeddingConfig, preset, to_json
from data.ratings import Ratings
from embedding.factorise import fit_with_genres
from embedding.table import EmbeddingError, EmbeddingTable
from envs.simulator import Simulator
from envs.vector import VectorOfflineEnv
from recommender import DRRAgent, export
from recommender.collector import Collector, Exploration, transition_spec
from recommender.planning import HEARD_NOISE, KNOWN_NOISE, RIDGE
from replay_buffer.buffers import UniformReplay

pytestmark = pytest.mark.slow

N_ITEMS, N_USERS, N_GENRES, T = 40, 30, 8, 6
BORED = preset("best", ("engagement",))
CONFIG = replace(BORED.agent, batch_size=32, counterfactual=7)
WINDOW = 12


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    """30 users of two kinds, who rated 15 of 40 items in 8 genres."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(N_USERS), 15)
    items = np.concatenate([rng.permutation(N_ITEMS)[:15] for _ in range(N_USERS)])
    stars = np.clip(
        np.round(3.5 + (-1.0) ** (users + items) + rng.normal(0, 0.5, len(users))), 1, 5
    )
    genres = rng.random((N_ITEMS, N_GENRES)) < 0.15
    genres[np.arange(N_ITEMS), rng.integers(N_GENRES, size=N_ITEMS)] = True
    return Ratings.from_events(
        *("toy", users, items, stars, np.arange(len(users))),
        item_ids=np.arange(N_ITEMS),
        genres=genres,
        genre_names=tuple("abcdefgh"),
        demographics=np.eye(2, dtype=np.float32)[np.arange(N_USERS) % 2],
        demographic_names=("F", "M"),
    )


def trained(ratings: Ratings, rounds: int, updates: int = 20) -> Collector:
    """A planner after some rounds of episodes and updates."""
    env = VectorOfflineEnv(
        ratings,
        window=WINDOW,
        episode_length=T,
        simulator=Simulator(ratings).table,
        boredom=Boredom(3, 0),
    )
    table, rng = fit_with_genres(ratings, 4), np.random.default_rng(0)
    replay = UniformReplay(10_000, transition_spec(CONFIG, WINDOW, T, table.k))
    made = Collector(
        *(CONFIG, table, ratings),
        window=WINDOW,
        environment=env,
        replay=replay,
        total_updates=rounds * updates,
        seed=0,
    )
    for turn in range(rounds):
        users = rng.integers(N_USERS, size=32)
        made.collect(env.reset(users, np.full(32, 5)), Exploration(0.05, 0.0), (1, 100 * turn))
        made.learn(updates, rng, (2, 100 * turn), turn / rounds)
    return made


@pytest.fixture(scope="module")
def planner(ratings: Ratings) -> Collector:
    return trained(ratings, 12)


def test_vectors_of_items_and_users_predict_as_the_factorisation_and_come_back(ratings, tmp_path):
    table = fit_with_genres(ratings, 4)
    np.testing.assert_array_equal(table.items[:, 4:], ratings.genres)
    table.save(tmp_path / "embedding.weights.h5")
    loaded = EmbeddingTable.load(tmp_path / "embedding.weights.h5")
    assert loaded.genres == N_GENRES
    rated = loaded.predict(ratings.users, ratings.items[:, None])[:, 0]
    assert np.abs(rated - ratings.values).mean() < np.abs(ratings.values - table.mean).mean()
    bare = replace(ratings, genres=np.zeros((N_ITEMS, 0), bool), genre_names=())
    with pytest.raises(EmbeddingError, match="have no genres"):
        fit_with_genres(bare, 4)


def test_the_users_vector_is_the_posterior_mean_of_a_regression(ratings, planner):
    env, state = planner.environment, planner.learner.online.actor_state
    now = env.reset(np.array([0, 3]), np.array([5, 0]))
    for items in ([1, 2], [7, 11]):
        now = env.step(now, tf.constant(items))[0]
    found = state(now).user.numpy()

    table = planner.agent.table
    people, vectors = ratings.demographics.astype(float), table.users[:, :4].astype(float)
    vectors[:, 3] = table.user_bias
    centred = people - people.mean(axis=0)
    gram = centred.T @ centred + RIDGE * np.eye(2)
    slopes = np.linalg.solve(gram, centred.T @ (vectors - vectors.mean(axis=0)))
    means = vectors.mean(axis=0) + centred @ slopes
    prior = np.linalg.inv(np.cov((vectors - means).T) + 1e-4 * np.eye(4))
    for row, user in enumerate((0, 3)):
        start = ratings.offsets[user]
        known = ratings.items[start : start + (5, 0)[row]]
        shown = now.shown_items.numpy()[row, :2]
        heard = env.answers(tf.constant([user]), tf.constant(shown[None])).numpy()[0]
        stars = np.append(ratings.values[start : start + len(known)], heard)
        items = np.append(known, shown)
        noise = np.append(np.full(len(known), KNOWN_NOISE), np.full(2, HEARD_NOISE))
        rows = np.hstack([table.items[items, :3], np.ones((len(items), 1))])
        residual = (stars - table.mean - table.items[items, 3]) / noise
        expected = np.linalg.solve(
            prior + rows.T @ (rows / noise[:, None]), prior @ means[user] + rows.T @ residual
        )
        np.testing.assert_allclose(found[row], expected, rtol=2e-3, atol=2e-3)


def test_q_adds_to_the_reward_the_value_of_the_state_after_the_item(ratings, planner):
    env, networks = planner.environment, planner.learner.online
    module, critic = networks.actor_state, networks.critic
    now = env.reset(np.array([0, 3]), np.array([5, 5]))
    for steps in range(T):
        state = module(now)
        values = networks.item_values(state).numpy()
        rewards = module.rewards(state.user).numpy()
        leave = tf.sigmoid(networks.leaving(state, tf.constant(ratings.genres, tf.float32)))
        for item in (2, 30):
            after = module(env.step(now, tf.constant([item, item]))[0])
            heard_nothing = after._replace(user=state.user)
            follows = critic.expected(module.of_user(heard_nothing)).numpy()
            staying = CONFIG.discount * (1 - leave[:, item].numpy()) * (steps < T - 1)
            np.testing.assert_allclose(
                values[:, item], rewards[:, item] + staying * follows, rtol=1e-4, atol=1e-4
            )
        now = env.step(now, tf.constant([steps + 3, steps + 12]))[0]


def test_it_learns_when_users_leave_and_keeps_them(ratings, planner):
    learner, env = planner.learner, planner.environment
    states = planner.replay.sample_many(1, 200, np.random.default_rng(5), 1.0).data
    now = env.observation({name: tf.constant(value[0]) for name, value in states.items()})
    everything = tf.repeat(tf.range(N_ITEMS)[None], 200, axis=0)
    leaves = env.leaves(now, everything).numpy()
    genres = tf.constant(ratings.genres.astype(np.float32))
    logit = learner.online.leaving(learner.online.actor_state(now), genres).numpy()
    assert ((logit > 0) == leaves).mean() > 0.97
    start = env.reset(np.arange(N_USERS), np.full(N_USERS, 5))
    lengths = {}
    for name, networks in (("trained", learner.target), ("greedy", None)):
        observation, alive, length = start, np.ones(N_USERS, bool), np.zeros(N_USERS)
        for _ in range(T):
            state = learner.online.actor_state(observation)
            action = networks.act(observation) if networks else state_action(learner, state)
            scores = tf.matmul(action, planner.features.items, transpose_b=True)
            scores = tf.where(env.legal(observation, 0, N_ITEMS), scores, -1e9)
            observation, _, left, _ = env.step(observation, tf.argmax(scores, 1, tf.int32))
            length += alive
            alive &= ~left.numpy()
        lengths[name] = length.mean()
    assert lengths["trained"] > lengths["greedy"] + 1


def state_action(learner, state) -> tf.Tensor:
    return learner.online.actor_state.action(state.user)


def test_a_run_comes_back_and_serves_one_person_as_a_batch(ratings, planner, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    settings = replace(
        BORED,
        agent=CONFIG,
        embedding=EmbeddingConfig(kind="mf-genres", dim=4),
        env=replace(BORED.env, window=WINDOW),
    )
    (run / "config.json").write_text(to_json(settings))
    planner.agent.save(run)
    shop = Shop(ratings.item_ids, (), ratings.demographics, (("gender", "F"), ("gender", "M")))
    loaded = DRRAgent.load(run, shop)
    now = planner.environment.reset(np.arange(4), np.full(4, 5))
    numpy = now._replace(**{name: np.asarray(value) for name, value in now._asdict().items()})
    np.testing.assert_array_equal(loaded.scores(numpy), planner.agent.scores(numpy))

    first = ratings.offsets[1]
    history = [
        (int(item), float(stars))
        for item, stars in zip(ratings.items[first:][:5], ratings.values[first:][:5], strict=True)
    ]
    session = loaded.session(history, {"gender": "M"})
    best = session.recommend(1)[0]
    scores = planner.agent.scores(numpy)[1]
    scores[[item for item, _ in history]] = -np.inf
    assert best.item_id == scores.argmax()
    assert best.score == pytest.approx(scores.max(), abs=1e-3)
    session.feedback(best.item_id, 5)
    after = session.recommend(3)
    assert export.main(["--weights", str(run), "--out", str(tmp_path / "served")]) == 0
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    items, stars = (np.array([column]) for column in zip(*history, strict=True))
    found = served(
        window_items=tf.constant(np.append(items, [[best.item_id]], axis=1)),
        window_ratings=tf.constant(np.append(stars, [[5]], axis=1), tf.float32),
        shown_items=tf.constant([[best.item_id]], tf.int64),
        shown_rewards=tf.constant([[1.0]]),
        exclude=tf.zeros([1, 0], tf.int64),
        demographics=tf.constant([[0.0, 1.0]]),
        k=tf.constant(3),
    )
    assert found["item_ids"].numpy()[0].tolist() == [each.item_id for each in after]
