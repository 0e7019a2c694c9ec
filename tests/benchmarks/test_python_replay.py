"""The baseline of the replay does what ours does, so that comparing their times is fair."""

import numpy as np

from benchmarks.python_replay import PythonReplay, PythonSumTree
from benchmarks.replay import SPEC, fill
from replay_buffer.buffers import PrioritizedReplay
from replay_buffer.sum_tree import SumTree


def test_the_python_tree_finds_what_the_sum_tree_finds():
    rng = np.random.default_rng(0)
    priorities = rng.integers(0, 9, 3000).astype(float)  # whole numbers: sums are exact
    ours, plain = SumTree(3000), PythonSumTree(priorities.tolist())
    ours.load(priorities)
    for index, priority in zip(rng.integers(3000, size=50), rng.integers(9, size=50), strict=True):
        ours.set([index], [priority])
        plain.set(int(index), float(priority))
    assert plain.total == ours.total
    prefixes = rng.random(500) * ours.total
    assert [plain.find(prefix) for prefix in prefixes.tolist()] == ours.find(prefixes).tolist()


def test_the_python_replay_draws_the_same_batches():
    replays = [make(1000, SPEC, 0.6, 0.4, 1e-2) for make in (PrioritizedReplay, PythonReplay)]
    for replay in replays:
        fill(replay, 1000, np.random.default_rng(1))
    for round_ in range(3):
        ours, plain = (replay.sample(64, np.random.default_rng(round_)) for replay in replays)
        np.testing.assert_array_equal(ours.indices, plain.indices)
        np.testing.assert_allclose(ours.weights, plain.weights, rtol=1e-5)
        np.testing.assert_array_equal(ours.data["seen"], plain.data["seen"])
        for replay in replays:
            replay.update_priorities(ours.indices, np.linspace(0, 5, 64))
