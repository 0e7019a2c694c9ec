"""VectorOfflineEnv and OfflineEnv: same starts, same actions, same trajectories."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.ratings import Ratings
from envs.episodes import draw_starts
from envs.offline import OfflineEnv

pytest.importorskip("tensorflow")
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
    ratings = Ratings.from_events("game", users, items, stars, time, **ids)
    setting = {
        "window": draw(st.integers(1, 5)),
        "episode_length": draw(st.integers(1, 8)),
        "candidates": draw(st.sampled_from(["catalogue", "rated"])),
    }
    return ratings, setting, draw(st.sampled_from([0.0, 0.5, 1.0])), rng


def compare(state, observations, infos, legal):
    """One row per episode; the twin marks padding by -1, the observation space by I."""
    for row, (observation, info) in enumerate(zip(observations, infos, strict=True)):
        padding = len(info["action_mask"])
        items = np.where(state.items[row] < 0, padding, state.items[row])
        np.testing.assert_array_equal(observation["items"], items)
        np.testing.assert_array_equal(observation["ratings"], state.ratings[row])
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
        legal = vector.legal(state.users, state.seen).numpy()
        playing = np.flatnonzero(~over)
        rows = type(state)(*(value.numpy()[playing] for value in state))
        kept = [results[i] for i in playing]
        compare(rows, [r[0] for r in kept], [r[-1] for r in kept], legal[playing])
        items = [rng.choice(np.flatnonzero(row)) if row.any() else 0 for row in legal]
        state, rewards, terminated, truncated = vector.step(state, np.array(items, np.int32))
        for i in playing:
            results[i] = envs[i].step(items[i])
            expected = (float(rewards[i]), bool(terminated[i]), bool(truncated[i]))
            assert results[i][1:4] == expected
            over[i] = any(expected[1:])
