"""Contributions add up, agree with the definition, and are the linear terms where there are such."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import toys

from config import AgentConfig
from recommender import DRRAgent, explain

HISTORY = [(150, 2), (110, 5), (200, 1), (120, 4)]  # one more than the window of 3 holds


def agent(config: AgentConfig = toys.BEST) -> DRRAgent:
    return toys.randomised(DRRAgent(config, toys.table(), toys.shop(), window=toys.WINDOW))


def score(made: DRRAgent, shown: list[tuple[int, float] | None], item_id: int) -> float:
    """The score of an item for a window with holes: through `DRRAgent.scores`, one at a time."""
    window = [(-1, 0.0)] * (made.window - len(shown))
    window += [(-1, 0.0) if pair is None else ((pair[0] - 100) // 10, pair[1]) for pair in shown]
    items, ratings = zip(*window, strict=True)
    now = toys.observation([items], [ratings], users=[-1])
    return float(made.scores(now)[0, (item_id - 100) // 10])


def by_definition(made: DRRAgent, history: list, item_id: int) -> list[float]:
    """Each item's gain on arrival, averaged over all orders of arrival."""
    gains = np.zeros(len(history))
    orders = list(permutations(range(len(history))))
    for order in orders:
        shown: list = [None] * len(history)
        for place in order:
            before = score(made, shown, item_id)
            shown[place] = history[place]
            gains[place] += score(made, shown, item_id) - before
    return (gains / len(orders)).tolist()


CONFIGS = {
    "best": toys.BEST,
    "paper": toys.PAPER,
    "drr-n": replace(toys.PAPER, state="drr-n"),
    "drr-p": replace(toys.PAPER, state="drr-p"),
    "drr-u": replace(toys.PAPER, state="drr-u"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_contributions_are_those_of_the_definition_and_add_up(name):
    made = agent(CONFIGS[name])
    found = made.explain(HISTORY, 170)
    shares = [part.contribution for part in found.contributions]
    np.testing.assert_allclose(shares, by_definition(made, HISTORY[1:], 170), atol=2e-4)
    assert min(np.abs(shares)) > 1e-3
    assert found.score == pytest.approx(score(made, HISTORY[1:], 170), rel=1e-4)
    assert found.base == pytest.approx(score(made, [], 170), rel=1e-4)
    assert found.base + sum(shares) == pytest.approx(found.score, rel=1e-5)


def test_the_score_is_the_one_of_the_recommendation():
    made = agent()
    for item in made.recommend(HISTORY, k=8):
        found = made.explain(HISTORY, item.item_id)
        assert (found.item_id, found.title) == (item.item_id, item.title)
        assert found.score == pytest.approx(item.score, rel=1e-5)


def test_shapley_values_of_a_known_game():
    """Players 0 and 1 earn 1 together, player 2 earns 2 alone, player 3 nothing."""

    def value(shown):
        return (shown[:, 0] & shown[:, 1]) + 2.0 * shown[:, 2]

    np.testing.assert_allclose(explain.shapley(value, 4), [0.5, 0.5, 2, 0], atol=1e-12)


def test_many_items_are_explained_by_random_orders_that_still_add_up():
    rng = np.random.default_rng(0)
    single, pairs = rng.normal(size=8), np.triu(rng.normal(size=(8, 8)), k=1)

    def value(shown):
        return shown @ single + np.einsum("sa,ab,sb->s", shown, pairs, shown)

    exact = explain.shapley(value, 8)
    np.testing.assert_allclose(exact, single + (pairs + pairs.T).sum(axis=1) / 2, atol=1e-12)
    sampled = explain._over_orders(value, 8)
    # an order and its reverse together are exact for effects of pairs
    np.testing.assert_allclose(sampled, exact, atol=1e-12)

    def cubic(shown):
        return value(shown) + 3.0 * (shown[:, 0] & shown[:, 3] & shown[:, 5])

    exact, sampled = explain.shapley(cubic, 8), explain._over_orders(cubic, 8)
    assert sampled.sum() == pytest.approx(exact.sum(), abs=1e-9)
    assert 0 < np.abs(sampled - exact).max() < 0.2
    np.testing.assert_array_equal(sampled, explain._over_orders(cubic, 8))


def test_where_the_whole_history_counts_older_items_contribute_too():
    made = agent(replace(toys.PAPER, user_vector="pretrained"))
    found = made.explain(HISTORY, 170)
    shares = [part.contribution for part in found.contributions]
    assert min(np.abs(shares)) > 1e-4
    assert found.base + sum(shares) == pytest.approx(found.score, rel=1e-5)
    (best,) = made.recommend(HISTORY, k=1)
    assert made.explain(HISTORY, best.item_id).score == pytest.approx(best.score, rel=1e-5)
