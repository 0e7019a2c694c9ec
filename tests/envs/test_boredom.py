"""When bored users leave: against a loop over the published rule."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import Boredom, ConfigError
from data import DataError
from data.ratings import Ratings
from envs.boredom import leaves, warn_of_short_sessions
from envs.offline import OfflineEnv
from envs.vector import VectorOfflineEnv


def leaves_by_loop(categories, shown, item, rule):
    """The rule, word by word, for one user."""
    before = shown[len(shown) - min(rule.window, len(shown)) :]
    met = Counter(
        category for earlier in before for category in np.flatnonzero(categories[earlier])
    )
    return any(met[category] > rule.most for category in np.flatnonzero(categories[item]))


def rated(categories, n_users=1):
    """Everybody rated item 0 first, with 5 stars, and nothing else."""
    users = np.arange(n_users)
    ids = {"user_ids": users, "item_ids": np.arange(len(categories))}
    names = tuple(f"g{column}" for column in range(categories.shape[1]))
    fields = {"genres": categories, "genre_names": names}
    return Ratings.from_events("log", users, 0 * users, 0 * users + 5, 0 * users, **ids, **fields)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(0, 3), st.integers(0, 8))
def test_both_forms_of_the_rule_agree_with_a_loop(seed, window, most, steps):
    rng, rule = np.random.default_rng(seed), Boredom(window, most)
    categories = rng.random((20, 5)) < 0.3
    categories[0] = True
    shown = np.array([rng.permutation(np.arange(1, 20))[:steps] for _ in range(3)])
    items = rng.integers(0, 20, (3, 4))
    expected = [
        [leaves_by_loop(categories, past, item, rule) for item in row]
        for past, row in zip(shown, items, strict=True)
    ]
    np.testing.assert_array_equal(leaves(categories, shown, items, rule), expected)
    env = VectorOfflineEnv(rated(categories, 3), window=2, episode_length=9, boredom=rule)
    state = env.reset(np.arange(3), np.ones(3, int))
    for step in range(steps):
        state = env.step(state, shown[:, step].astype(np.int32))[0]
    np.testing.assert_array_equal(env.leaves(state, items.astype(np.int32)), expected)


def test_leaving_is_terminal_the_step_limit_is_not_and_the_last_reward_counts():
    categories = np.eye(4, dtype=bool)[[0, 1, 2, 3, 1]]
    env = OfflineEnv(rated(categories), window=1, episode_length=2, boredom=Boredom(10, 0))
    env.reset(seed=0)
    assert env.step(1)[1:4] == (-0.5, False, False)
    assert env.step(2)[1:4] == (-0.5, False, True)
    env.reset(seed=0)
    env.step(1)
    assert env.step(4)[1:4] == (-0.5, True, True)


def test_too_few_categories_for_a_full_session_are_warned_of(capsys):
    single, pairs = np.eye(4, dtype=bool), np.ones((5, 2), bool)

    def warning(categories, *rule):
        warn_of_short_sessions(categories, Boredom(*rule), max_steps=30)
        return capsys.readouterr().err

    assert "at most 5 steps" in warning(single, 10, 0)  # four, and one that bores
    assert "at most 9 steps" in warning(single, 10, 1)
    assert "2 categories are too few for --boredom 10 0" in warning(pairs, 10, 0)
    assert warning(single, 3, 0) == ""  # each once in four, for ever
    assert warning(np.vstack([single, np.zeros(4, bool)]), 10, 0) == ""


def test_a_rule_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"boredom\.window is -1, expected 0 to 1000"):
        Boredom(-1, 0)
    with pytest.raises(DataError, match="log: the items have no categories"):
        OfflineEnv(rated(np.zeros((3, 0), bool)), window=1, boredom=Boredom())
