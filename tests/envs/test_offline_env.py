"""OfflineEnv, rule by rule."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401  registers drr/Offline-v0
from data.ratings import Ratings
from envs.offline import OfflineEnv

N = 3


def small_log(n_users=6, n_items=12, lengths=(9, 7, 5, 3, 2, 1), seed=0):
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), lengths[:n_users])
    items = np.concatenate([rng.permutation(n_items)[:length] for length in lengths[:n_users]])
    stars, time = rng.integers(1, 6, len(users)), np.arange(len(users))
    ids = {"user_ids": np.arange(n_users) + 100, "item_ids": np.arange(n_items) * 10}
    titles = tuple(f"Film {i}" for i in range(n_items))
    return Ratings.from_events("small", users + 100, items * 10, stars, time, titles=titles, **ids)


LOG = small_log()


def one_user(stars):
    """User 0 rated items 0, 1, 2, ... in this order; ten more items are unrated."""
    count = len(stars)
    ids = {"user_ids": [0], "item_ids": np.arange(count + 10)}
    return Ratings.from_events("one", [0] * count, range(count), stars, range(count), **ids)


def started(env, **options):
    return env.reset(seed=0, options=options or None)


def test_the_window_shifts_on_positive_reward_only():
    env = OfflineEnv(one_user([5, 4, 3, 1, 2, 3, 4, 5]), window=3)
    started(env)
    for item, expected in ((3, -1.0), (4, -0.5), (5, 0.0), (12, -0.5)):  # 1 to 3 stars; unrated
        observation, reward, *_ = env.step(item)
        assert observation["items"].tolist() == [0, 1, 2] and reward == expected
    observation, reward, *_ = env.step(6)
    assert observation["items"].tolist() == [1, 2, 6] and reward == 0.5
    assert observation["ratings"].tolist() == [4, 3, 4]
    assert env.step(7)[1] == 1.0


def test_no_item_twice_and_none_of_the_starting_window_even_once_it_has_left_the_window():
    env = OfflineEnv(one_user([5, 4, 3, 5, 5, 5, 5, 5]), window=3)
    started(env)
    for item in (3, 4, 5, 6):
        _, _, _, _, info = env.step(item)
    assert info["action_mask"].tolist() == [0] * 7 + [1] * 11
    for item in (6, 0, 2):
        _, reward, *_, info = env.step(item)
        assert reward == -1 and info["legal"].tolist() == [False]
    with pytest.raises(ValueError, match="action 18 is not in Discrete"):
        env.step(18)


def test_a_list_is_judged_item_by_item():
    env = OfflineEnv(one_user([5, 4, 3, 1, 2, 3, 4, 5]), window=3, top_k=4)
    started(env)
    observation, reward, _, _, info = env.step(np.array([6, 3, 12, 7]))
    assert info["rewards"].tolist() == [0.5, -1, -0.5, 1] and reward == pytest.approx(0)
    assert observation["items"].tolist() == [2, 6, 7]  # one after the other


def test_what_is_illegal_costs_one_and_is_not_shown():
    env = OfflineEnv(one_user([5, 4, 3, 1, 5, 5, 5, 5]), window=3, top_k=4)
    started(env)
    observation, reward, *_, info = env.step(np.array([4, 0, 4, 5]))  # the window's, twice one
    assert info["legal"].tolist() == [True, False, False, True]
    assert info["rewards"].tolist() == [1, -1, -1, 1] and reward == 0
    assert observation["items"].tolist() == [2, 4, 5]
    assert env.action_masks().tolist() == [*info["action_mask"]] * 4


def test_what_is_illegal_is_an_error_where_that_is_asked_for():
    env = OfflineEnv(one_user([5] * 8), window=3, top_k=2, on_illegal="raise")
    started(env)
    for pair, illegal in (([4, 2], 2), ([4, 4], 4)):
        with pytest.raises(ValueError, match=f"item {illegal} is no candidate"):
            env.step(np.array(pair))
    assert env.action_masks()[3:].sum() == 15 + 15


def test_a_list_that_cannot_be_filled_ends_the_episode():
    env = OfflineEnv(one_user([5] * 8), window=3, top_k=2, candidates="rated", episode_length=9)
    started(env)
    assert env.step(np.array([3, 4]))[2] is False
    assert env.step(np.array([5, 6]))[2] is True  # one is left


class FixedModel:
    def rating(self, users, items):
        assert users.shape == (1,) and items.shape[0] == 1
        return items.astype(np.float32) - 6.5  # item 12 -> 5.5, clipped to 5


def test_a_simulator_answers_for_unrated_items_only():
    env = OfflineEnv(one_user([5, 4, 3, 1, 2, 3, 4, 5]), window=3, simulator=FixedModel())
    started(env)
    assert env.step(3)[1] == -1.0  # the log's
    assert env.step(10)[1] == pytest.approx((3.5 - 3) / 2)
    observation, reward, *_ = env.step(12)
    assert reward == 1.0 and observation["ratings"].tolist() == [3, 3.5, 5]


def test_equal_seeds_give_equal_episodes_and_users_are_drawn_from_the_given_ones():
    env = OfflineEnv(LOG, users=[0, 2], window=N, random_start=1.0)
    first = [env.reset(seed=5 if i == 0 else None)[0] for i in range(30)]
    again = [env.reset(seed=5 if i == 0 else None)[0] for i in range(30)]
    assert [o["items"].tolist() for o in first] == [o["items"].tolist() for o in again]
    assert {int(o["user"]) for o in first} == {0, 2}


def test_users_without_enough_ratings_never_start():
    assert OfflineEnv(LOG, window=N).users.tolist() == [0, 1, 2, 3, 4, 5]
    assert OfflineEnv(LOG, window=N, candidates="rated").users.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="user 5 has too few ratings: 1"):
        OfflineEnv(LOG, [5], window=N, candidates="rated")
    with pytest.raises(ValueError, match="no user of one has enough ratings"):
        OfflineEnv(one_user([5]), candidates="rated")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("candidates", ["catalogue", "rated"])
@pytest.mark.parametrize("settings", [{}, {"top_k": 3}, {"random_start": 0.7, "window": 5}])
def test_gymnasium_and_random_actions_find_nothing_to_complain_about(settings, candidates):
    settings = {**settings, "candidates": candidates, "users": [0, 1]}
    env = gymnasium.make("drr/Offline-v0", ratings=LOG, **settings)
    env.action_space.seed(0)
    check_env(env.unwrapped)
    env.reset(seed=0)
    for _ in range(60):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()


def test_a_data_set_is_loaded_by_its_name(monkeypatch):
    monkeypatch.setattr("envs.offline.load_dataset", {"ml-1m": LOG}.get)
    env = gymnasium.make("drr/Offline-v0", ratings="ml-1m")
    assert env.unwrapped.ratings is LOG and env.get_wrapper_attr("action_masks")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"episode_length": -1}, "episode_length must be at least 1, got -1"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"candidates": "all"}, "candidates must be .* got 'all'"),
        ({"on_illegal": "warn"}, "on_illegal must be .* got 'warn'"),
        ({"random_start": 2}, "random_start must lie in .* got 2"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        OfflineEnv(LOG, **settings)


def test_bad_calls_are_refused():
    env = OfflineEnv(LOG, users=[0, 1], window=N, candidates="rated")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    with pytest.raises(ValueError, match="user 3 is not among this environment's 2 users"):
        started(env, user=3)
    with pytest.raises(ValueError, match=r"start 10 is outside 0\.\.9, the ratings of user 0"):
        started(env, user=0, start=10)
    with pytest.raises(ValueError, match=r"unknown reset options \['usr'\]"):
        started(env, usr=3)
    with pytest.raises(ValueError, match="nothing to recommend to user 4 from start 2"):
        started(OfflineEnv(LOG, window=N, candidates="rated"), user=4, start=2)
