"""Users who leave when they are bored: the rule of CIRS (2022), DORL (2023) and EasyRL4Rec (2024)."""

import sys

import numpy as np

from config import Boredom
from data.errors import DataError
from data.observation import BoolArray, IntArray


def bored_of(categories: BoolArray, shown: IntArray, rule: Boredom) -> BoolArray:
    """Categories [I, G] that users do not want once more, after items [B, t] (-1 = none): [B, G]."""
    recent = shown[:, max(shown.shape[1] - rule.window, 0) :]
    met = categories[recent] & (recent >= 0)[:, :, None]
    tired: BoolArray = met.sum(axis=1) > rule.most
    return tired


def leaves(
    categories: BoolArray, shown: IntArray, items: IntArray | None, rule: Boredom
) -> BoolArray:
    """Whether users who were shown [B, t] would leave after each of items [B, C]: [B, C].

    Of the whole catalogue, [B, I], when items is None; padding (-1) keeps everybody.
    """
    tired = bored_of(categories, shown, rule).astype(np.float32)
    going: BoolArray = tired @ categories.T.astype(np.float32) > 0
    return going if items is None else np.take_along_axis(going, items, axis=1) & (items >= 0)


def check_categories(categories: BoolArray, name: str) -> None:
    """DataError if the data set has no categories of which anybody could tire."""
    if not categories.any():
        raise DataError(
            f"{name}: the items have no categories, of which users could tire; use a data set with "
            "genres, or a titles file with a column `genres` (docs/own-data.md)"
        )


def warn_of_short_sessions(categories: BoolArray, rule: Boredom, max_steps: int) -> None:
    """On stderr, where the categories are too few for a session of `max_steps`."""
    most = longest_session(categories, rule)
    if most is not None and most < max_steps:
        print(
            f"WARNING: {int(categories.any(axis=0).sum())} categories are too few for --boredom "
            f"{rule.window} {rule.most}: the best session has at most {most} steps",
            file=sys.stderr,
        )


def longest_session(categories: BoolArray, rule: Boredom) -> int | None:
    """The most items that anybody can be shown, the one that bores counted; None: no such limit.

    An upper bound: among N + 1 items in a row each category may occur M + 1 times.
    """
    fewest = int(categories.sum(axis=1).min())
    if fewest == 0:
        return None  # such an item bores nobody
    room = (rule.most + 1) * int(categories.any(axis=0).sum()) // fewest
    return None if room > rule.window else room + 1
