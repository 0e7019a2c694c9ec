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
    return np.asarray(met.sum(axis=1) > rule.most)


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
    """On stderr, where the categories are too few for a session of `max_steps`.

    Among `window` + 1 items in a row a category can occur `most` + 1 times; the item that bores
    counts, too. Where an item has no category nothing limits a session.
    """
    n_categories, fewest = int(categories.any(axis=0).sum()), int(categories.sum(axis=1).min())
    room = (rule.most + 1) * n_categories // fewest if fewest else max_steps
    if room <= rule.window and room + 1 < max_steps:
        print(
            f"WARNING: {n_categories} categories are too few for --boredom {rule.window} "
            f"{rule.most}: the best session has at most {room + 1} steps",
            file=sys.stderr,
        )
