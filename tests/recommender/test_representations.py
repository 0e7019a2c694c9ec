"""DRR-n, -p, -u and -ave: by hand, against loops, their sizes, and what they materialise."""

from typing import get_args

import numpy as np
import tensorflow as tf

import config
from recommender.representations import REPRESENTATIONS

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
