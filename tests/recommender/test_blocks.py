"""Training over a catalogue of several blocks: the same update, and no array of users x items."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import toys

from envs.vector import VectorOfflineEnv
from recommender import ranking
from recommender.collector import Collector, Exploration, transition_spec
from recommender.update import Learner
from replay_buffer.buffers import UniformReplay

SEED = tf.constant([3, 5])
B = 7
N_ITEMS = 211  # not the size of anything else


@pytest.fixture
def blocks_of(monkeypatch):
    """`blocks_of(4)`: a block has 4 items from now on."""
    return lambda size: monkeypatch.setattr(ranking, "BLOCK", size)


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


@pytest.mark.parametrize("config", [toys.BEST, toys.PAPER], ids=["best", "paper"])
def test_an_update_is_the_same_in_blocks(config, blocks_of):
    config = replace(config, counterfactual=0)  # those are drawn with a seed for every block
    whole, parts, batch = toys.learner(config), toys.learner(config), toys.batch(config)
    errors, scalars = whole.update(batch, SEED)
    blocks_of(4)
    in_blocks, same = parts.update(batch, SEED)
    np.testing.assert_allclose(in_blocks, errors, rtol=1e-4, atol=1e-5)
    for name, value in scalars.items():
        assert float(same[name]) == pytest.approx(float(value), rel=1e-4), name


@pytest.mark.slow
def test_no_array_of_an_update_has_a_row_of_all_items_for_every_user(blocks_of):
    arguments = toys.WINDOW, toys.features(n_items=N_ITEMS), wide_environment()
    learner, batch = (
        Learner(toys.BEST, *arguments, total_updates=9, seed=0),
        toys.batch(toys.BEST, B),
    )
    whole = tf.function(learner.update).get_concrete_function(batch, SEED).graph
    assert dense(whole)  # one block: the test can see
    blocks_of(50)
    assert not dense(tf.function(learner.update).get_concrete_function(batch, SEED).graph)


def test_no_array_of_an_episode_has_a_row_of_all_items_for_every_user(blocks_of):
    users, env = 5, wide_environment()
    collector = Collector(
        toys.BEST,
        toys.table(N_ITEMS),
        env.ratings,
        window=toys.WINDOW,
        environment=env,
        replay=UniformReplay(100, transition_spec(toys.BEST, toys.WINDOW, toys.T, toys.K)),
        total_updates=10,
        seed=0,
    )
    start = env.reset(np.arange(users), np.full(users, toys.WINDOW))
    exploration = Exploration(tf.constant(1.0), tf.constant(0.5))
    blocks_of(50)
    assert not dense(collector.play.get_concrete_function(start, exploration, SEED).graph)
    stored = collector.collect(start, Exploration(1.0, 0.5), (3, 5))
    played = stored["item"].reshape(toys.T, users).T
    shown = np.hstack([start.window_items.numpy(), played])
    assert all(len(set(row)) == len(row) for row in shown.tolist())
    assert played.max() > 60  # of blocks beyond the first
