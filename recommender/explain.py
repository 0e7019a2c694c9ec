"""Why this item: what each item of a history adds to its score.

No exact share can be read off the weights: the actor bends (ReLU), DRR-ave divides by the number of
items, DRR-p multiplies them. So the score is asked again with items of the history hidden, each in
its place, as item dropout hides them in training, and the difference to the score of no history
is divided by Shapley values: an item's mean effect over all orders in which the items could arrive.
Where the score is linear in an item that is exactly its linear term; always the contributions add
up, which the effects of leaving out one item at a time do not.

A score means something beside other items' scores only: what raises all of them changes no order.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recommender.agent import DRRAgent

EXACT = 12  # items up to which all 2 ** m windows are asked; above, about as many of random orders
GATHERED = 1 << 24  # most numbers in the item vectors of one batch of windows

Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]  # shown items [S, m] -> scores [S]


class Contribution(NamedTuple):
    """One item of the history: original id, title where known, rating, what it adds to the score."""

    item_id: int | str
    title: str | None
    rating: float
    contribution: float


class Explanation(NamedTuple):
    """The item's score, that of an empty history, and what makes the difference between the two.

    `base` and the contributions, one for each pair of the history in its order, add up to `score`.
    """

    item_id: int | str
    title: str | None
    score: float
    base: float
    contributions: tuple[Contribution, ...]


def explain(
    agent: "DRRAgent", history: Sequence[tuple[int | str, float]], item_id: int | str
) -> Explanation:
    """See `DRRAgent.explain`. Items that have left the window add 0, unless the agent solves its
    user's vector from all of them."""
    items, ratings = agent._parse(history)
    item = agent._place(item_id)
    n = len(items) if agent.needs_profile else min(agent.window, len(items))
    value = _scores(agent, items[-n:], ratings[-n:], item)
    score, base = value(np.array([[True] * n, [False] * n])).tolist()
    added = [0.0] * (len(items) - n) + shapley(value, n).tolist()
    parts = [
        Contribution(*agent._named(place), rating, share)
        for place, rating, share in zip(items, ratings, added, strict=True)
    ]
    return Explanation(*agent._named(item), score, base, tuple(parts))


def _scores(agent: "DRRAgent", items: list[int], ratings: list[float], item: int) -> Value:
    """Scores of one item for S histories, each the shown part of the same one [m]."""
    vector, stars = agent.features.items[item][:, None], np.array(ratings, np.float32)
    rows = max(1, GATHERED // (agent.window * agent.table.k))

    def value(shown: NDArray[np.bool_]) -> NDArray[np.float64]:
        parts = [shown[start : start + rows] for start in range(0, len(shown), rows)]
        known = [(np.where(part, items, -1), np.where(part, stars, 0)) for part in parts]
        scores = [tf.matmul(agent.act(agent.observe(*pair)), vector) for pair in known]
        return np.concatenate(scores).astype(np.float64)[:, 0]

    return value


def shapley(value: Value, n: int) -> NDArray[np.float64]:
    """Shapley values [n] of a game of n players; they add up to value(all) - value(none).

    Exact for up to EXACT players, else the mean over random orders, each with its reverse.
    """
    return _over_subsets(value, n) if n <= EXACT else _over_orders(value, n)


def _over_subsets(value: Value, n: int) -> NDArray[np.float64]:
    """sum over S without i of |S|! (n - |S| - 1)! / n! * (value(S with i) - value(S))."""
    subsets = np.arange(1 << n)
    shown = (subsets[:, None] >> np.arange(n)) & 1 == 1  # [2 ** n, n]
    values, size = value(shown), shown.sum(axis=1)
    weight = np.array([1 / (n * math.comb(n - 1, s)) for s in range(n)])
    found = np.zeros(n)
    for player in range(n):
        without = subsets[~shown[:, player]]
        gain = values[without | 1 << player] - values[without]
        found[player] = weight[size[without]] @ gain
    return found


def _over_orders(value: Value, n: int) -> NDArray[np.float64]:
    """Mean gain of each player on arrival, over random orders that ask 2 ** EXACT windows in all."""
    rng = np.random.default_rng(n)  # the same question, the same answer
    half = max(1, (1 << EXACT) // (2 * (n + 1)))
    orders = np.array([rng.permutation(n) for _ in range(half)])
    orders = np.concatenate([orders, orders[:, ::-1]])  # [P, n]
    arrival = np.argsort(orders, axis=1)[:, None]  # [P, 1, n]: each player's place in the order
    shown = arrival < np.arange(n + 1)[:, None]  # [P, n + 1, n]: the first 0, 1, ... n have arrived
    gains = np.diff(value(shown.reshape(-1, n)).reshape(-1, n + 1), axis=1)
    return np.take_along_axis(gains, arrival[:, 0], axis=1).mean(axis=0)
