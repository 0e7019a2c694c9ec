"""The simulator: what it answers, and its published level on ml-1m."""

import os
from pathlib import Path

import numpy as np
import pytest

from data import Ratings, load_dataset
from data.observation import rating_to_reward
from data.splits import split_by_time
from embedding.factorise import fit_mf
from envs.simulator import SETTINGS, Simulator


def toy(flip_user=None):
    """40 users in two camps rate 60% of 30 items: the own half 5, the other 1."""
    users, items = np.nonzero(np.random.default_rng(0).random((40, 30)) < 0.6)
    stars = np.where(users % 2 == items % 2, 5, 1)
    stars = np.where(users == flip_user, 6 - stars, stars)
    return Ratings.from_events("toy", users, items, stars, np.arange(len(users)))


def test_answers_are_clipped_predictions_of_the_published_model():
    ratings = toy()
    users, items = np.arange(40), np.tile(np.arange(30), (40, 1))
    answers = Simulator(ratings).rating(users, items)
    predicted = fit_mf(ratings, **SETTINGS).predict(users, items)
    np.testing.assert_array_equal(answers, np.clip(predicted, 1, 5))
    assert answers.shape == (40, 30) and answers.dtype == np.float32
    assert answers.min() >= 1 and answers.max() <= 5


def test_equal_data_give_equal_answers_and_every_rating_counts():
    users, items = np.arange(40), np.tile(np.arange(30), (40, 1))
    first, again, other = (Simulator(toy(flip)).rating(users, items) for flip in (None, None, 3))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first[3], other[3])


ML_1M = Path(os.environ.get("DRR_DATA_ROOT", "/nonexistent")) / "ml-1m"


def total(simulator, ratings, items):
    """Total reward when the users get `items` [U, C], in the protocol's way: the log first."""
    answers = simulator.rating(np.arange(ratings.n_users), items)
    for user in range(ratings.n_users):
        row = ratings.row(user)
        stars = dict(zip(ratings.items[row], ratings.values[row], strict=True))
        answers[user] = [stars.get(i, a) for i, a in zip(items[user], answers[user], strict=True)]
    return rating_to_reward(answers, ratings.scale).sum()


@pytest.mark.realdata
@pytest.mark.skipif(not ML_1M.is_dir(), reason="needs ml-1m in DRR_DATA_ROOT")
def test_published_levels_on_ml_1m():
    """Shrunk item mean of the training part and random items get what the constants promise."""
    ratings = load_dataset("ml-1m", ML_1M.parent)
    simulator, train = Simulator(ratings), split_by_time(ratings)[0]
    counts = np.bincount(train.items, minlength=ratings.n_items)
    sums = np.bincount(train.items, train.values, minlength=ratings.n_items)
    means = (sums + 10 * train.values.mean()) / (counts + 10)
    best = np.argsort(-means, kind="stable")[:10]
    everybody = np.broadcast_to(best, (ratings.n_users, 10))
    assert total(simulator, ratings, everybody) == pytest.approx(44_005, abs=50)
    drawn = np.random.default_rng(0).integers(0, ratings.n_items, (ratings.n_users, 50))
    assert total(simulator, ratings, drawn) / 5 == pytest.approx(10_280, abs=250)
