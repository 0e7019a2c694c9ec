"""What the vectorised environment offers beyond its twin: look-ups, rewards, positives, masks."""

import numpy as np
import tensorflow as tf
import toys
from scipy.stats import chisquare

from data.ratings import Ratings
from envs.vector import STORED, VectorOfflineEnv

N_ITEMS = 9


def log(rows: dict[int, dict[int, int]], n_users: int = 4) -> Ratings:
    """{user: {item: stars}}, in time order."""
    events = [(u, i, s) for u, row in rows.items() for i, s in row.items()]
    users, items, stars = zip(*events, strict=True)
    ids = {"user_ids": np.arange(n_users), "item_ids": np.arange(N_ITEMS)}
    return Ratings.from_events("log", users, items, stars, range(len(events)), **ids)


ROWS = {0: {4: 5, 2: 1, 8: 3}, 2: {0: 4}, 3: {i: 1 + i % 5 for i in (7, 1, 0, 8, 3, 5)}}
ENV = VectorOfflineEnv(log(ROWS), window=2, episode_length=3)  # user 1 has no rating


def known(users: list[int], items: list[list[int]]):
    """Episodes of users who know two items each."""
    return ENV.begin(np.array(users), np.array(items), np.zeros([len(users), 2]))


def test_a_simulator_answers_where_the_log_is_silent_within_the_scale():
    rng = np.random.default_rng(0)
    model = toys.table(
        N_ITEMS,
        users=3 * rng.normal(size=(4, toys.K)).astype(np.float32),
        item_bias=rng.normal(size=N_ITEMS).astype(np.float32),
        user_bias=rng.normal(size=4).astype(np.float32),
    )
    env = VectorOfflineEnv(log(ROWS), window=2, episode_length=3, simulator=model)
    users, items = np.arange(4), np.tile(np.arange(N_ITEMS), (4, 1))
    expected = np.clip(model.predict(users, items), 1, 5)
    assert {1, 5} < set(expected.ravel())  # some are clipped, others not
    for user, row in ROWS.items():
        expected[user, list(row)] = list(row.values())
    found = env.answers(tf.constant(users, tf.int32), tf.constant(items, tf.int32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_candidates_are_what_was_not_seen_and_in_reranking_what_was_rated():
    seen = known([0, 1, 3], [[4, 2], [-1, -1], [7, -1]])
    seen = ENV.after(seen, tf.constant([8, 0, 6]), tf.zeros([3]), tf.fill([3], -0.5))
    legal = ENV.legal(seen).numpy()
    assert [np.flatnonzero(~row).tolist() for row in legal] == [[2, 4, 8], [0], [6, 7]]
    rated = VectorOfflineEnv(log(ROWS), window=2, episode_length=3, candidates="rated")
    legal = rated.legal(seen).numpy()
    assert [np.flatnonzero(row).tolist() for row in legal] == [[], [], [0, 1, 3, 5, 8]]
    before = log({0: {1: 5}, 3: {0: 1, 6: 2}})
    fresh = VectorOfflineEnv(log(ROWS), window=2, episode_length=3, known=before)
    legal = fresh.legal(seen).numpy()
    assert [np.flatnonzero(~row).tolist() for row in legal] == [[1, 2, 4, 8], [0], [0, 6, 7]]
    for env in (ENV, rated, fresh):
        parts = [env.legal(seen, start, 3).numpy() for start in range(0, N_ITEMS, 3)]
        np.testing.assert_array_equal(np.hstack(parts), env.legal(seen))


def test_an_episode_ends_where_all_that_is_left_was_rated_before():
    env = VectorOfflineEnv(
        log(ROWS), window=2, episode_length=3, known=log({0: dict.fromkeys(range(7), 3)})
    )
    start = env.begin(np.array([0, 1]), np.array([[4, 6], [4, 6]]), np.zeros([2, 2]))
    after, _, left, _ = env.step(start, tf.constant([7, 7]))
    assert left.numpy().tolist() == [False, False]
    assert env.step(after, tf.constant([8, 8]))[2].numpy().tolist() == [True, False]


def test_positives_are_drawn_evenly_from_the_users_own():
    users = tf.constant([0, 1, 2, 3])
    drawn = ENV.sample_positives(users, 3000, tf.constant([1, 2])).numpy()
    assert set(drawn[0]) == {4} and set(drawn[1]) == {-1} and set(drawn[2]) == {0}
    positives = [item for item, stars in ROWS[3].items() if stars >= 4]
    assert len(positives) > 1
    counts = [np.sum(drawn[3] == item) for item in positives]
    assert sum(counts) == 3000 and chisquare(counts).pvalue > 1e-3
    again = ENV.sample_positives(users, 3000, tf.constant([1, 2])).numpy()
    np.testing.assert_array_equal(again, drawn)


def test_where_nobody_likes_anything_there_is_no_positive():
    env = VectorOfflineEnv(log({0: {1: 2, 2: 3}}), window=2, episode_length=3)
    drawn = env.sample_positives(tf.constant([0, 3]), 4, tf.constant([1, 2])).numpy()
    assert set(drawn.ravel()) == {-1}


def test_a_stored_observation_comes_back_with_what_is_known_of_its_user():
    env = VectorOfflineEnv(toys.log(), window=2, episode_length=3)
    vectors = np.random.default_rng(0).normal(size=(toys.N_USERS, 5)).astype(np.float32)
    env.set_profiles(vectors)
    start = env.reset(np.array([4, 1]), np.array([2, 2]))
    back = env.observation({name: getattr(start, name) for name in STORED})
    np.testing.assert_array_equal(back.profile, vectors[[4, 1]])
    np.testing.assert_array_equal(back.demographics, toys.log().demographics[[4, 1]])
    for name in STORED:
        np.testing.assert_array_equal(getattr(back, name), getattr(start, name))


def test_memory_grows_with_the_ratings_and_not_with_users_times_items():
    n_users, n_items = 20_000, 50_000  # a table of all pairs would take a gigabyte
    users = np.arange(n_users)
    ids = {"user_ids": users, "item_ids": np.arange(n_items)}
    ratings = Ratings.from_events("wide", users, users, users % 5 + 1, users, **ids)
    env = VectorOfflineEnv(ratings, window=2, episode_length=3)
    values = [*vars(env).values(), *vars(env._log).values()]
    held = [value for value in values if isinstance(value, tf.Tensor)]
    assert sum(int(tf.size(value)) for value in held) < 10 * n_users
    found = env.answers(tf.constant([7, 8]), tf.constant([[7, 8], [7, 8]])).numpy()
    np.testing.assert_array_equal(found, [[3, np.nan], [np.nan, 4]])
