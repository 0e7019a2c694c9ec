"""VectorOfflineEnv and OfflineEnv: same starts, same actions, same trajectories; and equation 1."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from config import Boredom
from data.observation import Observation, answer_rewards
from data.ratings import Ratings
from envs.episodes import draw_starts, windows
from envs.offline import OfflineEnv
from envs.vector import VectorOfflineEnv


@st.composite
def games(draw):
    """A small log, the settings of an environment, and a seed for starts and actions."""
    n_users, n_items = draw(st.integers(1, 5)), draw(st.integers(6, 15))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lengths = rng.integers(2, n_items - 1, size=n_users)
    users = np.repeat(np.arange(n_users), lengths)
    items = np.concatenate([rng.permutation(n_items)[:length] for length in lengths])
    stars, time = rng.integers(1, 6, len(users)), rng.integers(0, 5, len(users))
    ids = {"user_ids": np.arange(n_users), "item_ids": np.arange(n_items)}
    categories = {"genres": rng.random((n_items, 4)) < 0.4, "genre_names": tuple("abcd")}
    categories["genres"][0, 0] = True
    ratings = Ratings.from_events("game", users, items, stars, time, **ids, **categories)
    setting = {
        "window": draw(st.integers(1, 5)),
        "episode_length": draw(st.integers(1, 8)),
        "candidates": draw(st.sampled_from(["catalogue", "rated"])),
        "boredom": draw(st.none() | st.builds(Boredom, st.integers(0, 5), st.integers(0, 2))),
        "misses": draw(st.integers(0, 3)),
    }
    return ratings, setting, draw(st.sampled_from([0.0, 0.5, 1.0])), rng


def numpy_of(observation):
    return Observation(*(value.numpy() for value in observation))


def compare(state, observations, infos, legal):
    """One row per episode; the twin marks padding by -1, the observation space by I."""
    for row, (observation, info) in enumerate(zip(observations, infos, strict=True)):
        padding = len(info["action_mask"])
        items = np.where(state.window_items[row] < 0, padding, state.window_items[row])
        np.testing.assert_array_equal(observation["items"], items)
        np.testing.assert_array_equal(observation["ratings"], state.window_ratings[row])
        np.testing.assert_array_equal(info["action_mask"].astype(bool), legal[row])
        assert observation["user"] == state.users[row]


@settings(max_examples=40, deadline=None)
@given(games())
def test_both_environments_play_the_same_episodes(game):
    ratings, setting, random_start, rng = game
    single = OfflineEnv(ratings, **setting)
    vector = VectorOfflineEnv(ratings, **setting)
    users, starts = draw_starts(rng, ratings, single.users, setting["window"], random_start, 6)
    envs = [OfflineEnv(ratings, **setting) for _ in users]
    options = [{"user": u, "start": s} for u, s in zip(users, starts, strict=True)]
    results = [env.reset(options=option) for env, option in zip(envs, options, strict=True)]
    state = vector.reset(users, starts)
    over = np.zeros(len(users), bool)
    for _ in range(setting["episode_length"]):
        legal = vector.legal(state).numpy()
        playing = np.flatnonzero(~over)
        kept = [results[i] for i in playing]
        rows = numpy_of(state).rows(playing)
        compare(rows, [r[0] for r in kept], [r[-1] for r in kept], legal[playing])
        items = [rng.choice(np.flatnonzero(row)) if row.any() else 0 for row in legal]
        everything = np.tile(np.arange(ratings.n_items), (len(users), 1))
        leaving = vector.leaves(state, everything).numpy()[np.arange(len(users)), items]
        state, rewards, terminated, truncated = vector.step(state, np.array(items, np.int32))
        for i in playing:
            results[i] = envs[i].step(items[i])
            expected = (float(rewards[i]), bool(terminated[i]), bool(truncated[i]))
            assert results[i][1:4] == expected
            over[i] = any(expected[1:])
            assert expected[1] == leaving[i] or not results[i][-1]["action_mask"].any()


@settings(max_examples=25, deadline=None)
@given(games())
def test_equation_1_in_numpy_is_the_compiled_one(game):
    """Three answers of everybody, whatever is shown: the same windows, answers and rewards."""
    ratings, setting, _, rng = game
    users = np.repeat(np.arange(ratings.n_users), 3)
    env = VectorOfflineEnv(ratings, **setting | {"episode_length": 3})
    starts = rng.integers(1, ratings.lengths[users] + 1)
    compiled = env.reset(users, starts)
    known, people = windows(ratings, users, starts, env.window), ratings.demographics[users]
    plain = Observation.start(users, people, *known, window=env.window)
    for step in range(3):
        items = rng.integers(0, ratings.n_items, len(users)).astype(np.int32)
        stars = env.answers(compiled.users, items[:, None]).numpy()[:, 0]
        rewards = answer_rewards(items, stars, ratings.scale)
        np.testing.assert_array_equal(env.rewards(tf.constant(stars)), rewards)
        plain, compiled = (
            plain.after(items, stars, rewards),
            env.after(compiled, items, stars, rewards),
        )
        found = numpy_of(compiled)
        for name in ("window_items", "window_ratings", "known_items", "known_ratings"):
            np.testing.assert_array_equal(getattr(found, name), getattr(plain, name), name)
        for name in ("shown_items", "shown_ratings", "shown_rewards"):
            shown = getattr(found, name)
            np.testing.assert_array_equal(shown[:, : step + 1], getattr(plain, name), name)
            empty = -1 if name == "shown_items" else 0
            assert np.all(shown[:, step + 1 :] == empty), name
