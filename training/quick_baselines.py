"""The best of three baselines that take seconds: what a run is compared with at its end."""

import numpy as np

from baselines import registry
from data.errors import DataError
from data.ratings import Ratings
from evaluation.protocols.base import EvaluationProtocol
from evaluation.report import Report

QUICK = ("ridge", "user-knn", "ease")
QUICK_WHERE_USERS_LEAVE = ("ridge", "mf", "mf-mmr-price")
MOST_RATINGS, MOST_ITEMS = 2_000_000, 20_000  # above, they would take minutes
MOST_USERS_OR_ITEMS = 6_000  # the fewer of both: EASE inverts a matrix of that size


def best_quick(protocol: EvaluationProtocol, seed: int) -> tuple[str, dict[str, float]] | None:
    """The name of the best by the protocol's first metric, and its means over users.

    Each in the form that follows the answers, where it has one. None where they would be slow.
    """
    defined, found = registry.names(protocol.name), dict[str, dict[str, float]]()
    quick = QUICK_WHERE_USERS_LEAVE if protocol.name == "engagement" else QUICK
    for plain in quick if are_quick(protocol.visible) else ():
        name = plain + registry.SUFFIX if plain + registry.SUFFIX in defined else plain
        try:
            policy = registry.build(name, protocol.name, protocol.visible, seed=seed)
        except DataError:  # it needs more than there is
            continue
        measured = protocol.evaluate(policy).items()
        found[name] = {key: float(values.mean()) for key, values in measured}
    key = protocol.headline_keys[0]
    return max(found.items(), key=lambda row: row[1][key], default=None)


def are_quick(visible: Ratings) -> bool:
    """Whether all three are fitted to these ratings, and played, in seconds."""
    fewer = min(visible.n_users, visible.n_items)
    small = visible.n_ratings <= MOST_RATINGS and visible.n_items <= MOST_ITEMS
    return small and fewer <= MOST_USERS_OR_ITEMS


def verdict(report: Report) -> str:
    """In plain words, whether DRR is ahead of the best baseline in its table."""
    baseline, differences = report.differences["drr"]
    difference = differences[report.keys[0]]
    side = {1: "ahead of", 0: "level with", -1: "BELOW"}[int(np.sign(difference.mean))]
    text = f"In {report.protocol} DRR is {side} {baseline}, by {report.keys[0]}"
    if difference.low <= 0 <= difference.high:
        text += "; so few users cannot tell that from chance"
    return f"{text}." if difference.mean > 0 else f"{text}. What to try: docs/own-data.md"
