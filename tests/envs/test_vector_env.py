"""What the vectorised environment offers beyond its twin: look-ups, rewards, positives, masks."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from data.ratings import Ratings
from envs.vector import VectorOfflineEnv, mark

N_ITEMS = 9


def log(rows: dict[int, dict[int, int]], n_users: int = 4) -> Ratings:
    """{user: {item: stars}}, in time order."""
    events = [(u, i, s) for u, row in rows.items() for i, s in row.items()]
    users, items, stars = zip(*events, strict=True)
    ids = {"user_ids": np.arange(n_users), "item_ids": np.arange(N_ITEMS)}
    return Ratings.from_events("log", users, items, stars, range(len(events)), **ids)


ROWS = {0: {4: 5, 2: 1, 8: 3}, 2: {0: 4}, 3: {i: 1 + i % 5 for i in (7, 1, 0, 8, 3, 5)}}
ENV = VectorOfflineEnv(log(ROWS), window=2, episode_length=3)  # user 1 has no rating


@pytest.mark.parametrize("user", range(4))
def test_every_rating_is_found_and_nothing_else(user):
    items = tf.range(N_ITEMS)[None]
    ratings, known = (value.numpy()[0] for value in ENV.lookup(tf.constant([user]), items))
    row = ROWS.get(user, {})
    assert known.tolist() == [item in row for item in range(N_ITEMS)]
    assert ratings.tolist() == [row.get(item, 0) for item in range(N_ITEMS)]
    rewards = ENV.rewards(tf.constant([user]), items).numpy()[0]
    expected = [(row[item] - 3) / 2 if item in row else -0.5 for item in range(N_ITEMS)]
    assert rewards.tolist() == expected


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_look_ups_agree_with_a_dictionary(data):
    rows = data.draw(
        st.dictionaries(
            st.integers(0, 3),
            st.dictionaries(st.integers(0, N_ITEMS - 1), st.integers(1, 5), min_size=1),
            min_size=1,
        )
    )
    users = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5)))
    items = np.random.default_rng(0).integers(0, N_ITEMS, (len(users), 7))
    env = VectorOfflineEnv(log(rows), window=2, episode_length=3)
    ratings, known = env.lookup(tf.constant(users, tf.int32), tf.constant(items, tf.int32))
    for row, user in enumerate(users):
        mine = rows.get(user, {})
        assert known.numpy()[row].tolist() == [item in mine for item in items[row]]
        assert ratings.numpy()[row].tolist() == [mine.get(item, 0) for item in items[row]]


def test_the_items_shown_are_marked_and_empty_places_are_not():
    items = tf.constant([[3, -1, 0, 3], [-1, -1, -1, -1]])
    assert mark(items, 0, 5).numpy().tolist() == [[True, False, False, True, False], [False] * 5]
    assert mark(items, 1, 2).numpy().tolist() == [[False] * 2] * 2
    assert mark(items, tf.constant(2), 3).numpy().tolist() == [[False, True, False], [False] * 3]


def test_candidates_are_what_was_not_shown_and_in_reranking_what_was_rated():
    users, seen = tf.constant([0, 1, 3]), tf.constant([[4, 2, -1], [-1, -1, -1], [7, 6, -1]])
    legal = ENV.legal(users, seen).numpy()
    assert [np.flatnonzero(~row).tolist() for row in legal] == [[2, 4], [], [6, 7]]
    rated = VectorOfflineEnv(log(ROWS), window=2, episode_length=3, candidates="rated")
    legal = rated.legal(users, seen).numpy()
    assert [np.flatnonzero(row).tolist() for row in legal] == [[8], [], [0, 1, 3, 5, 8]]
    for env in (ENV, rated):
        parts = [env.legal(users, seen, start, 3).numpy() for start in range(0, N_ITEMS, 3)]
        np.testing.assert_array_equal(np.hstack(parts), env.legal(users, seen))


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


def test_a_step_remembers_what_was_shown_and_how_it_was_received():
    state = ENV.reset(np.array([3, 0]), np.array([2, 2]))
    assert state.seen.numpy().tolist() == [[7, 1, -1, -1, -1], [4, 2, -1, -1, -1]]
    assert state.seen_rewards.numpy().tolist() == [[0, -0.5, 0, 0, 0], [1, -1, 0, 0, 0]]
    state, rewards, _, truncated = ENV.step(state, tf.constant([8, 0]))
    assert rewards.numpy().tolist() == [0.5, -0.5] and not truncated.numpy().any()
    assert state.seen.numpy()[:, 2].tolist() == [8, 0]
    assert state.seen_rewards.numpy()[:, 2].tolist() == [0.5, -0.5]
    assert state.items.numpy().tolist() == [[1, 8], [4, 2]]
    assert state.step.numpy().tolist() == [1, 1]


def test_memory_grows_with_the_ratings_and_not_with_users_times_items():
    n_users, n_items = 20_000, 50_000  # a table of all pairs would take a gigabyte
    users = np.arange(n_users)
    ids = {"user_ids": users, "item_ids": np.arange(n_items)}
    ratings = Ratings.from_events("wide", users, users, users % 5 + 1, users, **ids)
    env = VectorOfflineEnv(ratings, window=2, episode_length=3)
    held = [value for value in vars(env).values() if isinstance(value, tf.Tensor)]
    assert sum(int(tf.size(value)) for value in held) < 10 * n_users
    found, known = env.lookup(tf.constant([7, 8]), tf.constant([[7, 8], [7, 8]]))
    assert known.numpy().tolist() == [[True, False], [False, True]]
    assert found.numpy().tolist() == [[3, 0], [0, 4]]
