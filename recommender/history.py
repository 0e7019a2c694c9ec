"""A user's history as people give it, original ids and ratings, checked and numbered."""

import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from data.ratings import Catalogue

PAIRS = "give (item id, rating) pairs, oldest first"


def parse(history: Iterable[Any], catalogue: Catalogue) -> tuple[list[int], list[float]]:
    """Items, by their numbers, and ratings, oldest first.

    An item that is given twice counts once, as it was rated last. Raises ValueError, quoting the
    value, for no history, anything but pairs, an unknown item, or a rating that is no number or off
    the scale.
    """
    try:
        entries = list(history)
    except TypeError:
        raise ValueError(f"the history is {reprlib.repr(history)}: {PAIRS}") from None
    if not entries:
        raise ValueError("the history is empty: give at least one (item id, rating) pair")
    latest: dict[int, float] = {}
    for entry in entries:
        item_id, rating = _pair(entry)
        item = item_number(item_id, catalogue)
        _check_rating(rating, item_id, catalogue.scale)
        latest.pop(item, None)
        latest[item] = float(rating)
    return list(latest), list(latest.values())


def item_number(item_id: Any, catalogue: Catalogue) -> int:
    """Where an original id stands in the catalogue; ids are all numbers or all text."""
    ids = catalogue.item_ids
    if isinstance(item_id, str) if ids.dtype.kind == "U" else is_number(item_id):
        found = int(np.searchsorted(ids, item_id))
        if found < len(ids) and ids[found] == item_id:
            return found
    raise ValueError(
        f"item {reprlib.repr(item_id)} is not among the {len(ids)} items of the catalogue"
    )


def is_number(value: Any) -> bool:
    """Python's and NumPy's numbers; True and False are none, though Python counts with them."""
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not isinstance(value, bool)


def _pair(entry: Any) -> tuple[Any, Any]:
    try:
        item_id, rating = entry
    except (TypeError, ValueError):
        raise ValueError(f"the history holds {reprlib.repr(entry)}: {PAIRS}") from None
    return item_id, rating


def _check_rating(rating: Any, item_id: Any, scale: tuple[float, float]) -> None:
    low, high = scale
    if not is_number(rating) or not low <= rating <= high:
        kind = "in" if is_number(rating) else "a number in"
        value = reprlib.repr(rating)
        raise ValueError(f"rating {value} of item {item_id} is not {kind} {low:g} to {high:g}")
