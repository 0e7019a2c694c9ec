"""The beam search finds the best session of a small catalogue."""

import itertools

import numpy as np
import pytest

from config import Boredom
from experiments.best_sessions import beam_search


def best_by_trying(rewards, categories, rule, steps):
    """Every sequence of items: the highest total until the user leaves."""
    totals = []
    for order in itertools.permutations(np.flatnonzero(np.isfinite(rewards)), steps):
        total = 0.0
        for place, item in enumerate(order):
            total += rewards[item]
            totals.append(total)
            before = categories[list(order[max(place - rule.window, 0) : place])].sum(axis=0)
            if (before[categories[item]] > rule.most).any():
                break
    return max(totals)


@pytest.mark.parametrize("rule", [Boredom(10, 0), Boredom(2, 0), Boredom(3, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_no_order_of_the_items_earns_more(rule, seed):
    rng = np.random.default_rng(seed)
    categories = rng.random((8, 4)) < 0.4
    rewards = rng.uniform(-0.2, 1, 8)
    rewards[2] = -np.inf
    found = beam_search(rewards, categories, rule, 4)
    assert found == pytest.approx(best_by_trying(rewards, categories, rule, 4))
