"""Training over a catalogue of several blocks: the same update, and no array of users x items."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
import toys
from recommender.updates import Learner

from envs.vector import VectorOfflineEnv
from recommender import ranking
from recommender.collector import transition_spec
from recommender.exploration import Exploration
from recommender.state import Observation
from replay_buffer.buffers import UniformReplay

SEED = tf.constant([3, 5])
B = 7
BEST = replace(toys.BEST, batch_size=B)


N_ITEMS = 211  # not the size of anything else


@contextmanager
def blocks_of(size: int) -> Iterator[None]:
    with patch.object(ranking, "BLOCK", size):
        yield


def wide_environment() -> VectorOfflineEnv:
    """The toy log among 211 items."""
    log = replace(toys.log(), item_ids=np.arange(N_ITEMS))
    return VectorOfflineEnv(log, window=toys.WINDOW, episode_length=toys.T)


def dense(graph: tf.Graph) -> set[tuple[int | None, ...]]:
    """Shapes, in a graph and its loops, of arrays with a row of all items for every user."""
    found = {tuple(t.shape) for op in graph.get_operations() for t in op.outputs if t.shape.rank}
    bodies = (function.graph for function in graph._functions.values())
    mine = {shape for shape in found if {N_ITEMS, N_ITEMS + 1} & {*shape[1:]}}  # not [I, k]
    return mine.union(*(dense(body) for body in bodies))


@pytest.mark.parametrize("config", [BEST, toys.PAPER], ids=["best", "paper"])
def test_an_update_is_the_same_in_blocks(config):
    config = replace(config, counterfactual=0)  # those are drawn with a seed for every block
    whole, parts, batch = toys.learner(config), toys.learner(config), toys.batch(config)
    errors, scalars = whole.update(batch, SEED)
    with blocks_of(4):
        in_blocks, same = parts.update(batch, SEED)
    np.testing.assert_allclose(in_blocks, errors, rtol=1e-4, atol=1e-5)
    for name, value in scalars.items():
        assert float(same[name]) == pytest.approx(float(value), rel=1e-4), name


def test_counterfactual_items_of_all_blocks_are_drawn_from_the_softmax_without_repeats():
    learner, batch = toys.learner(replace(BEST, counterfactual=3)), toys.batch(BEST, 1)
    many = {name: tf.repeat(value, 6000, axis=0) for name, value in batch.items()}
    with blocks_of(4):
        items, scores = learner._draw_items(Observation.of(many), SEED)
    items = items.numpy()
    assert all(len(set(row)) == 3 for row in items)
    first = np.take_along_axis(items, scores.numpy().argmax(axis=1)[:, None], axis=1)[:, 0]
    action = learner.online.act(Observation.of(batch)).numpy()
    weights = np.exp(action @ learner.features.items.numpy().T)[0]
    weights[batch["seen"].numpy()[0][batch["seen"].numpy()[0] >= 0]] = 0
    share = np.bincount(first, minlength=toys.N_ITEMS) / len(first)
    np.testing.assert_allclose(share, weights / weights.sum(), atol=0.03)


def test_no_array_of_an_update_has_a_row_of_all_items_for_every_user():
    features = toys.features(n_items=N_ITEMS)
    settings = {"total_updates": 9, "seed": 0}
    learner = Learner(BEST, toys.WINDOW, features, wide_environment(), **settings)
    batch = toys.batch(BEST, B)
    with blocks_of(50):
        assert not dense(tf.function(learner.update).get_concrete_function(batch, SEED).graph)
    draw = tf.function(lambda b: learner._draw_items(Observation.of(b), SEED))
    assert dense(draw.get_concrete_function(batch).graph)  # one block: the test can see


def test_no_array_of_an_episode_has_a_row_of_all_items_for_every_user():
    users, env = 5, wide_environment()
    spec = transition_spec(BEST, toys.WINDOW, toys.T, toys.K)
    agent = Collector(
        BEST,
        toys.table(N_ITEMS),
        env.ratings,
        window=toys.WINDOW,
        environment=env,
        replay=UniformReplay(100, spec),
        total_updates=10,
        seed=0,
    )
    start = env.reset(np.arange(users), np.full(users, toys.WINDOW))
    exploration = Exploration(tf.constant(1.0), tf.constant(0.5))
    with blocks_of(50):
        graph = agent.play.get_concrete_function(start, exploration, SEED).graph
        stored = agent.collect(start, Exploration(1.0, 0.5), (3, 5))
    assert not dense(graph)
    played = stored["item"].reshape(toys.T, users).T
    shown = np.hstack([start.items.numpy(), played])
    assert all(len(set(row)) == len(row) for row in shown.tolist())
    assert played.max() > 60  # of blocks beyond the first
