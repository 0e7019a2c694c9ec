"""Small ratings full of ties, and policies that exercise the protocols."""

import numpy as np
import pytest

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
        demographics=np.ones((n_users, 1), np.float32),
        demographic_names=("anyone",),
    )


class Tied:
    """Scores with many ties that depend on the user, the window and the feedback."""

    name = "tied"

    def __init__(self, adaptive: bool = False) -> None:
        self.adaptive = adaptive
        self.asked: list[tuple] = []

    def scores(self, states, candidates):
        self.asked.append((states, candidates))
        context = (
            states.users + states.window_items.sum(axis=1) + 3 * states.feedback_items.sum(axis=1)
        )
        scores = ((context[:, None] + 7 * np.arange(states.n_items)) % 5).astype(np.float32)
        if candidates is None:
            return scores
        taken = np.take_along_axis(scores, np.maximum(candidates, 0), axis=1)
        return np.where(candidates >= 0, taken, np.nan)


@pytest.fixture
def toy() -> Ratings:
    return toy_ratings()


@pytest.fixture
def make_toy():
    return toy_ratings


@pytest.fixture
def tied():
    return Tied
