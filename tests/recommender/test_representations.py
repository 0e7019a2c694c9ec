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


def inputs(batch: int, n: int, k: int) -> list[np.ndarray]:
    """Item vectors [B, n, k], weights w_a [n], users [B, k] and masks [B, n], some of them empty."""
    rng = np.random.default_rng(n)
    mask = (rng.random((batch, n)) < 0.6).astype(np.float32)
    mask[0], mask[1] = 0, 1
    shapes = ((batch, n, k), (n,), (batch, k))
    items, weights, users = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return [items * mask[..., None], weights, users, mask]


def test_drr_ave_by_hand():
    """u = (1, 2); items (1, 0), (3, 4), and an empty place; weights 1, .5 -> g = (1.25, 1)."""
    items = tf.constant([[[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]]])
    weights, user = tf.constant([[0.0, 1.0, 0.5]]), tf.constant([[1.0, 2.0]])
    mask = tf.constant([[0.0, 1.0, 1.0]])
    state = REPRESENTATIONS["drr-ave"]()(items, weights[..., None] * items, user, mask)
    np.testing.assert_array_equal(state, [[1, 2, 1.25, 2, 1.25, 1]])


@pytest.mark.parametrize(("n", "k"), [(5, 100), (10, 100), (1, 2)])
def test_sizes(n, k):
    sizes = {name: represent().size(n, k) for name, represent in REPRESENTATIONS.items()}
    pairs = k * (n + n * (n - 1) // 2)
    assert sizes == {"drr-n": n * k, "drr-p": pairs, "drr-u": pairs, "drr-ave": 3 * k}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_state_is_larger_than_the_window(name):
    batch, n, k = 3, 10, 7
    items, weights, users, mask = inputs(batch, n, k)
    tensors = [tf.constant(x) for x in (items, weights[:, None] * items, users, mask)]
    represent = REPRESENTATIONS[name]()
    graph = tf.function(represent).get_concrete_function(*tensors).graph
    sizes = [
        tensor.shape.num_elements()
        for operation in graph.get_operations()
        if operation.type not in ("Placeholder", "Identity")
        for tensor in operation.outputs
    ]
    state = batch * represent.size(n, k)
    assert state in sizes and None not in sizes
    assert {size for size in sizes if size > batch * n * k} <= {state}
    assert sizes.count(state) == 1


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
