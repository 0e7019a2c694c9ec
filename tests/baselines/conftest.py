"""Tiny ratings, and the states of users a baseline may or may not have seen."""

from collections.abc import Callable

import numpy as np
import pytest

from data.ratings import Ratings
from evaluation.policy import States


def random_ratings(seed: int = 0, n_users: int = 40, n_items: int = 25) -> Ratings:
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


def states_of(ratings: Ratings, users: list[int], known: int | None = None) -> States:
    """States that know the users' first `known` ratings (None: all)."""
    rows = [ratings.row(user) for user in users]
    rows = [slice(row.start, row.stop if known is None else row.start + known) for row in rows]
    return States.begin(
        np.array(users),
        np.cumsum([0] + [row.stop - row.start for row in rows]),
        np.concatenate([ratings.items[row] for row in rows]),
        np.concatenate([ratings.values[row] for row in rows]),
        window=4,
        n_items=ratings.n_items,
    )


@pytest.fixture(scope="session")
def start_of() -> Callable[[Ratings, list[int]], States]:
    """`start_of(ratings, users)`: their states after five ratings."""
    return lambda ratings, users: states_of(ratings, users, known=5)


@pytest.fixture(scope="session")
def everybody() -> Ratings:
    return random_ratings()


@pytest.fixture(scope="session")
def ratings(everybody: Ratings) -> Ratings:
    """The visible part: users 0..29. Nothing of users 30..39 is in it."""
    return everybody.of_users(np.arange(30))


@pytest.fixture(scope="session")
def new_users(everybody: Ratings) -> States:
    """Users 30..39 by their first five ratings."""
    return states_of(everybody, list(range(30, 40)), known=5)


@pytest.fixture(scope="session")
def seen_user(ratings: Ratings) -> States:
    """User 3, by all of his visible ratings."""
    return states_of(ratings, [3])


@pytest.fixture(scope="session")
def answered(new_users: States) -> States:
    """The same after two recommendations: one liked by all, one refused by all but the first."""
    n = new_users.n_users
    first, second = free_items(new_users, 2).T
    liked = new_users.after(first, np.full(n, 5.0), np.ones(n, bool))
    refused = np.full(n, np.nan)
    refused[0] = 2.0
    return liked.after(second, refused, np.zeros(n, bool))


@pytest.fixture
def candidates(answered: States) -> np.ndarray:
    """Five unknown items of each user, three of the third one, padded with -1."""
    chosen = free_items(answered, 5)
    chosen[2, 3:] = -1
    return chosen


def free_items(states: States, count: int) -> np.ndarray:
    """The first `count` unknown items of each user [B, count]."""
    rows = [states.items[a:b] for a, b in zip(states.offsets, states.offsets[1:], strict=False)]
    everything = np.arange(states.n_items)
    return np.array([np.setdiff1d(everything, row)[:count] for row in rows])
