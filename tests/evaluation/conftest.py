"""Small ratings full of ties, and policies that exercise the protocols."""

import numpy as np
import pytest

from data.policy import scores_at
from data.ratings import Ratings


def toy_ratings(seed: int = 0, n_users: int = 30, n_items: int = 40) -> Ratings:
    """Users with 1 to 30 ratings, at times that repeat; demographics of one feature."""
    rng = np.random.default_rng(seed)
    users, items = [], []
    for user in range(n_users):
        chosen = rng.choice(n_items, size=rng.integers(1, 31), replace=False)
        users += [user + 1] * len(chosen)
        items += list(chosen + 101)
    return Ratings.from_events(
        "toy",
        users,
        items,
        rng.integers(1, 6, len(users)),
        rng.integers(0, 9, len(users)),
        user_ids=np.arange(1, n_users + 1),
        item_ids=np.arange(101, 101 + n_items),
        titles=tuple(f"Film {i}" for i in range(n_items)),
        genres=np.eye(n_items, 2, dtype=bool),
        genre_names=("Drama", "Comedy"),
        demographics=np.arange(n_users, dtype=np.float32)[:, None],
        demographic_names=("number",),
    )


class Tied:
    """Scores with many ties that depend on the user, the window and the answers."""

    def __init__(self, adaptive: bool = False, n_items: int = 40, name: str = "tied") -> None:
        self.adaptive, self.n_items, self.name = adaptive, n_items, name
        self.asked: list[tuple] = []

    def scores(self, observation, candidates):
        self.asked.append((observation, candidates))
        shown = observation.shown_items.sum(axis=1)
        context = observation.users + observation.window_items.sum(axis=1) + 3 * shown
        scores = (context[:, None] + 7 * np.arange(self.n_items)) % 5
        taken = scores_at(scores.astype(np.float32), candidates)
        return np.where(taken >= 0, taken, np.nan)  # what stands at padding is ignored


@pytest.fixture
def toy() -> Ratings:
    return toy_ratings()


@pytest.fixture
def make_toy():
    return toy_ratings


@pytest.fixture
def tied():
    return Tied
