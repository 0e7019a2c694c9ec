"""The operations of an update: the formula against the graphs that are run."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from benchmarks.products import _products_alone, layers, update_flops


def matmul_flops(function, *inputs) -> int:
    """2 m k n of every MatMul that a result or a variable's new value depends on."""
    graph = tf.function(function, autograph=False).get_concrete_function(*inputs).graph
    waiting = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    needed, flops = set(), 0
    while waiting:
        operation = waiting.pop()
        if operation in needed:
            continue
        needed.add(operation)
        waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
        if operation.type == "MatMul":
            inner = operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
            flops += 2 * operation.outputs[0].shape.num_elements() * inner
    return flops


@pytest.mark.parametrize("size", [1, 8])
def test_the_formula_is_the_updates_graph(size):
    learner, batch = toys.learner(toys.PAPER), toys.batch(toys.PAPER, size)
    state, hidden = learner.online.actor_state.size, toys.PAPER.actor_hidden
    counted = matmul_flops(learner.update, batch, tf.constant([1, 2]))
    assert counted == update_flops(size, state, hidden, toys.K)


def test_the_formula_by_hand():
    # 1 state, 1 hidden unit, 1 action: the actor's layers have 1 weight each, the critic's 1, 2, 1, 1
    target, critic = 3 + 5, 5 + 5 + 5
    actor = 3 + 5 + (2 + 1 + 1) + 3 + 2
    assert update_flops(7, 1, 1, 1) == 2 * 7 * (target + critic + actor)


def test_the_products_alone_are_those_of_the_formula(monkeypatch):
    actor, critic = ([tf.ones(shape) for shape in sizes] for sizes in layers(12, 8, 4))
    monkeypatch.setattr(tf, "range", range)  # one round, unrolled
    counted = matmul_flops(_products_alone, actor, critic, tf.ones([1, 5, 12]), tf.ones([1, 5, 4]))
    assert counted == update_flops(5, 12, 8, 4)


def test_the_products_alone_are_gradients():
    """The critic's: of its squared TD error, in networks without activations."""
    rng = np.random.default_rng(0)
    actor, critic = (
        [tf.constant(rng.normal(size=shape), tf.float32) for shape in sizes]
        for sizes in layers(6, 5, 2)
    )
    states = tf.constant(rng.normal(size=(1, 3, 6)), tf.float32)
    actions = tf.constant(rng.normal(size=(1, 3, 2)), tf.float32)
    found = _products_alone(actor, critic, states, actions)

    def q(state, action):
        values = tf.concat([action, state @ critic[0]], axis=1)
        return values @ critic[1] @ critic[2] @ critic[3]

    def pi(state):
        return state @ actor[0] @ actor[1] @ actor[2]

    state = states[0]
    with tf.GradientTape() as tape:
        tape.watch(critic)
        target = tf.stop_gradient(q(state, pi(state)))
        loss = tf.reduce_sum(tf.square(q(state, actions[0]) - target)) / 2
    for one, other in zip(tape.gradient(loss, critic), found[:4], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
