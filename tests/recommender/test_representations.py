"""DRR-n, -p, -u and -ave: by hand, against loops, their sizes, and what they materialise."""

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
import toys

import config
from recommender import representations
from recommender.representations import REPRESENTATIONS
from recommender.state import StateRepresentation

NAMES = tuple(REPRESENTATIONS)


def test_drr_ave_by_hand():
    """u = (1, 2); items (1, 0), (3, 4), and an empty place; weights 1, .5 -> g = (1.25, 1)."""
    items = tf.constant([[[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]]])
    weights, user = tf.constant([[0.0, 1.0, 0.5]]), tf.constant([[1.0, 2.0]])
    mask = tf.constant([[0.0, 1.0, 1.0]])
    state = REPRESENTATIONS["drr-ave"]()(items, weights[..., None] * items, user, mask)
    np.testing.assert_array_equal(state, [[1, 2, 1.25, 2, 1.25, 1]])


def test_the_settings_list_every_representation():
    assert set(get_args(config.State)) == set(REPRESENTATIONS)


@pytest.fixture
def example():
    """The class that CONTRIBUTING.md shows, registered for one test."""
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    source = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1].replace("\n  ", "\n")
    exec(source.removeprefix("  "), dict(vars(representations)))
    yield "drr-last"
    del REPRESENTATIONS["drr-last"]


def test_the_example_for_contributors_is_complete(example):
    settings = config.AgentConfig(state=example, refused=False, item_weights="position")
    model = StateRepresentation(settings, toys.WINDOW, toys.features())
    observation = toys.random_observation(12)
    states = model(observation).numpy()
    assert states.shape == (12, model.size) == (12, 3 * toys.K)
    last = observation.window_items.numpy()[:, -1]
    latest = np.where(last[:, None] >= 0, toys.table().items[last], 0)
    np.testing.assert_array_equal(states[:, 2 * toys.K :], latest)
    np.testing.assert_array_equal(states[:, toys.K : 2 * toys.K], states[:, : toys.K] * latest)
