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
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EXACT = 12  # items up to which all 2 ** m windows are asked; above, about as many of random orders

Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]  # shown items [S, m] -> scores [S]


class Contribution(NamedTuple):
    """One item of the history: original id, title where known, rating, what it adds to the score."""

    item_id: int | str
    title: str | None
    rating: float
    contribution: float


class Explanation(NamedTuple):
    """The item's score, that of an empty history, and what makes the difference between the two.

    `base` and the contributions, one for each item that the state holds, oldest first, add up to
    `score`.
    """

    item_id: int | str
    title: str | None
    score: float
    base: float
    contributions: tuple[Contribution, ...]


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
