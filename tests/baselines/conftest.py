"""Tiny ratings, and what is known of users a baseline may or may not have seen."""

import numpy as np
import pytest

from data.observation import observation_of
from data.ratings import Ratings


def random_ratings(seed: int = 0, n_users: int = 40, n_items: int = 25):
    """Each user rates 8 to 15 items; taste has two groups, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    users, items, values = [], [], []
    for user in range(n_users):
        rated = rng.permutation(n_items)[: rng.integers(8, 16)]
        mine = (rated % 2) == (user % 2)
        users += [user] * len(rated)
        items += list(rated)
        values += list(
            np.where(mine, rng.integers(3, 6, len(rated)), rng.integers(1, 5, len(rated)))
        )
    demographics = np.eye(2, dtype=np.float32)[np.arange(n_users) % 2]
    return Ratings.from_events(
        "tiny",
        users,
        items,
        np.array(values, float),
        np.arange(len(users)),
        user_ids=np.arange(n_users),
        item_ids=np.arange(n_items),
        demographics=demographics,
        demographic_names=("even", "odd"),
    )


def known_by(ratings, users, known):
    """Users who are known by their first `known` ratings: a number, or one for each rating."""
    position = np.arange(ratings.n_ratings) - ratings.offsets[ratings.users]
    return observation_of(ratings.keep(position < known), np.array(users), window=4)


@pytest.fixture(scope="session")
def start_of():
    """`start_of(ratings, users)`: what is known of them after five ratings."""
    return lambda ratings, users: known_by(ratings, users, known=5)


@pytest.fixture(scope="session")
def everybody():
    return random_ratings()


@pytest.fixture(scope="session")
def ratings(everybody):
    """The visible part: users 0..29. Nothing of users 30..39 is in it."""
    return everybody.of_users(np.arange(30))


@pytest.fixture(scope="session")
def new_users(everybody):
    """Users 30..39 by their first five ratings."""
    return known_by(everybody, list(range(30, 40)), known=5)


@pytest.fixture(scope="session")
def answered(everybody):
    """Ten new users of unequal histories, after two recommendations.

    One was liked by all, one refused by all but the first. The last user had rated it before.
    """
    start = known_by(everybody, list(range(30, 40)), 3 + everybody.users % 5)
    n = start.n_users
    shown = free_items(start, 2)
    shown[-1, 0] = start.known_items[-1, -1]
    liked = start.after(shown[:, 0], np.full(n, 5.0), np.ones(n))
    refused = np.full(n, np.nan)
    refused[0] = 2.0
    return liked.after(shown[:, 1], refused, np.full(n, -0.5))


@pytest.fixture
def candidates(answered):
    """Five unknown items of each user, three of the third one, padded with -1."""
    chosen = free_items(answered, 5)
    chosen[2, 3:] = -1
    return chosen


def free_items(observation, count):
    """The first `count` unknown items of each user [B, count]."""
    everything = np.arange(25)
    return np.array([np.setdiff1d(everything, row)[:count] for row in observation.known_items])
