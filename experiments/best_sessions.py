"""How much a session can earn where bored users leave: a beam search that knows every answer."""

import numpy as np

from config import Boredom
from data.observation import FloatArray, IntArray, answer_rewards
from envs.boredom import bored_of
from evaluation.protocols.engagement import EngagementProtocol

WIDTH = 300  # sessions that are followed at once


def best_rewards(protocol: EngagementProtocol, rows: IntArray, width: int = WIDTH) -> FloatArray:
    """The best total reward found for evaluated users number `rows` [B]; see `beam_search`."""
    users, everything = protocol.eval_users[rows], np.arange(protocol.visible.n_items)
    items = np.tile(everything, (len(rows), 1))
    ratings = protocol._answer(users, items)
    rewards = answer_rewards(items, ratings, protocol.visible.scale)
    known = protocol.start(rows).known_items
    for row, seen in zip(rewards, known, strict=True):
        row[seen[seen >= 0]] = -np.inf
    genres, rule, steps = protocol.visible.genres, protocol.boredom, protocol.steps
    found = [beam_search(row, genres, rule, steps, width) for row in rewards]
    return np.array(found)


def beam_search(
    rewards: FloatArray,
    categories: np.ndarray,
    rule: Boredom,
    steps: int,
    width: int = WIDTH,
) -> float:
    """The best total of rewards [I] (-inf: no candidate) in a session of at most `steps` items.

    Items with the same categories [I, G] differ in their reward only, so a session is a sequence of
    kinds, and each kind gives its best items first. Of sessions with the same kinds in another
    order one is kept, of all others the `width` best. A lower bound of the optimum, close to it.
    """
    kinds, kind_of = np.unique(categories, axis=0, return_inverse=True)
    best = np.full((len(kinds), steps), -np.inf)
    for kind in range(len(kinds)):
        own = np.sort(rewards[kind_of.ravel() == kind])[::-1][:steps]
        best[kind, : len(own)] = own
    key = np.random.default_rng(0).integers(1, 2**62, len(kinds))  # of a multiset: their sum
    history, totals = np.zeros((1, 0), int), np.zeros(1)
    used, most, columns = np.zeros((1, len(kinds)), int), -np.inf, np.arange(len(kinds))
    for _ in range(steps):
        after = totals[:, None] + best[columns, used]  # [W, K]
        most = max(most, float(after.max()))  # whoever leaves now has earned this
        tired = bored_of(kinds, history, rule)
        after[(tired @ kinds.T.astype(int)) > 0] = -np.inf
        places = np.argsort(-after, axis=None)[: 4 * width]
        places = places[np.isfinite(after.ravel()[places])]
        rows, chosen = np.unravel_index(places, after.shape)
        _, first = np.unique((used @ key)[rows] + key[chosen], return_index=True)
        kept = np.sort(first)[:width]  # the best come first
        rows, chosen = rows[kept], chosen[kept]
        if not len(rows):
            break
        history = np.column_stack([history[rows], chosen])
        totals, used = after[rows, chosen], used[rows]
        used[np.arange(len(rows)), chosen] += 1
    return most
