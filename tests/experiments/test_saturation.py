"""How alike lists and actions are, against loops and by hand."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest

from data.observation import Observation
from experiments import saturation


def test_overlap_is_the_mean_over_all_pairs_of_lists():
    lists = np.array([[0, 1, 2], [2, 1, 5], [7, 8, 9], [0, 1, 2]])
    shares = [len(set(a) & set(b)) / 3 for a, b in permutations(lists.tolist(), 2)]
    assert saturation.overlap(lists, n_items=10) == pytest.approx(np.mean(shares))
    assert saturation.overlap(lists[[0, 3]], n_items=10) == 1
    assert saturation.overlap(lists[[0, 2]], n_items=10) == 0


def test_an_actor_in_the_corners_is_saturated_and_one_that_moves_is_not(monkeypatch):
    agent = SimpleNamespace(table=SimpleNamespace(items=np.eye(20)[:, :4]))
    nothing = np.zeros((2, 0))
    known = Observation.start(np.arange(2), nothing, nothing, nothing, window=2)
    corner, moving = (
        np.array([[1.0, -1, 1, 0.9995]] * 2),
        np.array([[0.5, 0, 1, 0], [-0.5, 0, 1, 0]]),
    )
    monkeypatch.setattr(saturation, "acted", lambda *_: corner)
    assert saturation.measure(agent, known) == (1.0, 0.0, 1.0)
    monkeypatch.setattr(saturation, "acted", lambda *_: moving)
    saturated, spread, _ = saturation.measure(agent, known)
    assert (saturated, spread) == (0.25, 0.125)
