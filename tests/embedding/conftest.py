"""Toy ratings for the embedding tests."""

from dataclasses import replace

import numpy as np
import pytest

from data.ratings import Ratings


def make(seed: int = 0, n_users: int = 30, n_items: int = 20, share: float = 0.4) -> Ratings:
    """A share of all pairs, stars from two latent tastes; the last user and item have none."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((n_users - 1, n_items - 1)) < share)
    taste, style = rng.normal(size=(n_users, 2)), rng.normal(size=(n_items, 2))
    stars = 3.3 + (taste @ style.T)[users, items] + rng.normal(0, 0.3, len(users))
    return Ratings.from_events(
        "toy",
        users,
        items,
        np.clip(np.rint(stars), 1, 5),
        rng.integers(0, 10**6, len(users)),
        user_ids=np.arange(n_users),
        item_ids=np.arange(n_items),
    )


def flip(ratings: Ratings, user: int) -> Ratings:
    """The same ratings, but one user's stars upside down."""
    values = np.where(ratings.users == user, 6 - ratings.values, ratings.values)
    return replace(ratings, values=values)


@pytest.fixture(scope="session")
def random_ratings():
    """The generator above: call it for fresh ratings."""
    return make


@pytest.fixture(scope="session")
def flipped():
    """The function above."""
    return flip
