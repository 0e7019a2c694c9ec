"""The simulator: what it answers."""

import numpy as np

from data import Ratings
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
