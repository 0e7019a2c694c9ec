"""State representations by hand, and against loops over the paper's formulas."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
import toys

import config
from recommender.state import (
    REPRESENTATIONS,
    Features,
    StateRepresentation,
    fold_in,
)

NAMES = tuple(REPRESENTATIONS)


def module(name: str, **changes) -> StateRepresentation:
    agent = replace(toys.BEST, state=name, **({"context": "none"} | changes))
    return StateRepresentation(agent, toys.WINDOW, toys.features())


def test_the_settings_list_every_representation():
    assert set(get_args(config.State)) == set(REPRESENTATIONS)


@pytest.mark.parametrize("by_rating", ["position", "position-rating"])
@pytest.mark.parametrize("name", NAMES)
def test_states_agree_with_loops_over_the_formulas(name, by_rating):
    model = module(name, item_weights=by_rating)
    toys.randomise(model)
    observation = toys.random_observation(12)
    items, ratings = observation.window_items.numpy(), observation.window_ratings.numpy()
    table, people = toys.table(), observation.demographics.numpy()
    weights = [w.numpy() for w in model.item_weights.weights] if model.item_weights else []
    states = model(observation).numpy()
    for row, state in enumerate(states):
        filled = items[row] >= 0
        scalars = weights[0].copy() if weights else np.ones(toys.WINDOW)
        if weights and by_rating == "position-rating":
            scalars *= [weights[1][max(int(r), 1) - 1] for r in ratings[row]]
        vectors = table.items[items[row]]
        user = None
        if model.user_vector:
            kernel, bias = (w.numpy() for w in model.user_vector.weights)
            used = zip(scalars, vectors, filled, strict=True)
            mean = sum((w * v for w, v, f in used if f), np.zeros(toys.K)) / max(1, filled.sum())
            user = np.concatenate([mean, people[row]]) @ kernel + bias
        expected = toys.state_by_loops(name, vectors, scalars, user, filled)
        np.testing.assert_allclose(state, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("user_vector", ["learned", "fold-in"])
@pytest.mark.parametrize("name", NAMES)
def test_ratings_in_empty_places_change_nothing(name, user_vector):
    model = module(name, user_vector=user_vector)
    toys.randomise(model)
    items = [[-1, 4, 7], [-1, -1, 2], [-1, -1, -1]]
    clean = model(toys.observation(items, [[0, 5, 1], [0, 0, 3], [0, 0, 0]]))
    dirty = model(toys.observation(items, [[4, 5, 1], [1, 5, 3], [2, 5, 4]]))
    np.testing.assert_array_equal(clean, dirty)
    assert np.isfinite(clean).all()


@pytest.mark.parametrize("user_vector", ["learned", "fold-in"])
@pytest.mark.parametrize("name", NAMES)
def test_hidden_items_are_as_good_as_absent(name, user_vector):
    model = module(name, user_vector=user_vector)
    toys.randomise(model)
    hidden = model(toys.observation([[3, 4, 7]], [[2, 5, 1]]), tf.constant([[0.0, 1.0, 1.0]]))
    absent = model(toys.observation([[-1, 4, 7]], [[0, 5, 1]]))
    np.testing.assert_array_equal(hidden, absent)


FOLDS = {
    "ridge": {},
    "per rating": {"per_rating": 0.3},
    "item bias": {"item_bias": np.linspace(-1, 1, toys.N_ITEMS, dtype=np.float32)},
    "user bias": {"bias_regularisation": 2.0, "per_rating": 0.1},
}


@pytest.mark.parametrize("fields", FOLDS.values(), ids=FOLDS.keys())
@pytest.mark.parametrize("window", [3, 6])  # n < k and n > k: the table solves them differently
def test_fold_in_is_the_tables(fields, window):
    table = toys.table(**fields)
    observation = toys.random_observation(20, window=window)
    items, ratings = observation.window_items, observation.window_ratings
    mask, expected = tf.cast(items >= 0, tf.float32), table.fold_in(items.numpy(), ratings.numpy())
    features = Features(table, toys.SCALE, 0)
    solved = fold_in(features, observation, mask)
    np.testing.assert_allclose(solved, expected, rtol=1e-3, atol=1e-5)


def test_the_mean_of_similar_items_by_hand():
    similar = np.random.default_rng(1).normal(size=(toys.N_ITEMS, toys.K)).astype(np.float32)
    features = Features(toys.table(similar=similar), toys.SCALE, 2)
    asked = {"context": "session", "low_rating": 0.3, "item_weights": "position"}
    model = StateRepresentation(replace(toys.BEST, **asked), 3, features)
    assert model.blocks == 7 and model.size == 7 * toys.K + 2 + 2
    observation = toys.observation([[-1, 4, 7]], [[0, 5, 1]])
    expected = (0.9 * similar[4] + similar[7]) / 2  # the age of the items alone weighs them
    block = model(observation).numpy()[0, 3 * toys.K : 4 * toys.K]
    np.testing.assert_allclose(block, expected, rtol=1e-5)
    hidden = model(observation, tf.constant([[1.0, 1.0, 0.0]])).numpy()[0, 3 * toys.K : 4 * toys.K]
    np.testing.assert_allclose(hidden, 0.9 * similar[4], rtol=1e-5)


def test_what_was_refused_in_the_episode_by_hand():
    """Shown since: 5 (reward -1), 7 (+.5), 2 (0), nothing. Refused: 5 and 2, two of them."""
    model = module("drr-ave", context="refused")
    model.refused.set_weights([np.array([0.5, 7.0, 3.0])])  # of the rewards 0, -.5, -1
    observation = toys.observation(
        [[1, 3, 4]], [[5, 5, 5]], None, [[5, 7, 2, -1]], [[-1, 0.5, 0, 0]]
    )
    state = model(observation).numpy()[0]
    vectors = toys.table().items
    expected = (3.0 * vectors[5] + 0.5 * vectors[2]) / 5
    np.testing.assert_allclose(state[3 * toys.K : 4 * toys.K], expected, rtol=1e-5)
    assert state[4 * toys.K :] == pytest.approx([0.2])
    assert model.size == len(state) == 4 * toys.K + 1
    start = model(toys.observation([[1, 3, 4]], [[1, 1, 1]])).numpy()[0]
    np.testing.assert_array_equal(start[3 * toys.K :], 0)  # what was known at the start was not
