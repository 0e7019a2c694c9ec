"""What people give of themselves, original ids, ratings and demographics, checked and numbered."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.ratings import Catalogue

PAIRS = "give (item id, rating) pairs, oldest first"


def parse(history: Iterable[Any], catalogue: Catalogue) -> tuple[list[int], list[float]]:
    """Items, by their numbers, and ratings, oldest first.

    An item that is given twice counts once, as it was rated last. Raises ValueError, quoting the
    value, for anything but pairs, an unknown item, or a rating that is no number or off the scale.
    """
    try:
        entries = list(history)
    except TypeError:
        raise ValueError(f"the history is {reprlib.repr(history)}: {PAIRS}") from None
    latest: dict[int, float] = {}
    for entry in entries:
        item_id, rating = _pair(entry)
        item = item_number(item_id, catalogue)
        latest.pop(item, None)
        latest[item] = checked_rating(rating, item_id, catalogue.scale)
    return list(latest), list(latest.values())


def item_number(item_id: Any, catalogue: Catalogue) -> int:
    """Where an original id stands in the catalogue: 260, "260" and NumPy's 260 are the same item."""
    ids, wanted = catalogue.item_ids, _as_id(item_id, catalogue.item_ids.dtype.kind)
    if wanted is not None:
        found = int(np.searchsorted(ids, wanted))
        if found < len(ids) and ids[found] == wanted:
            return found
    raise ValueError(
        f"item {reprlib.repr(item_id)} is not among the {len(ids)} items of the catalogue; "
        f"the nearest is {_nearest(item_id, ids)!r}"
    )


def _as_id(item_id: Any, kind: str) -> int | str | None:
    """The id in the catalogue's own type; None where it cannot be one."""
    if kind == "U":
        return str(item_id) if isinstance(item_id, str) or is_number(item_id) else None
    try:
        number = float(item_id) if isinstance(item_id, str) or is_number(item_id) else np.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if abs(number) < 2**63 and number == int(number) else None


def _nearest(item_id: Any, ids: NDArray[Any]) -> int | str:
    """The known id that is most like an unknown one."""
    if ids.dtype.kind != "U" and is_number(item_id):
        number = min(max(item_id, ids[0].item()), ids[-1].item())  # any huge one fits an array now
        nearest: int = ids[np.abs(ids - float(number)).argmin()].item()
        return nearest
    names = {str(each): each for each in ids.tolist()}
    close = difflib.get_close_matches(str(item_id), names, n=1, cutoff=0)
    found: int | str = names[close[0]]
    return found


def demographic_row(given: Mapping[str, Any], catalogue: Catalogue) -> NDArray[np.float32]:
    """{name: value} as the columns of the training data: float32 [D], zeros where nothing is given.

    Raises ValueError, quoting it, for an unknown name or value.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"the demographics are {reprlib.repr(given)}: give {{name: value}}")
    columns = catalogue.demographic_columns  # none where an earlier version saved the run
    names = list(dict.fromkeys(name for name, _ in columns))
    row = np.zeros(catalogue.demographics.shape[1], np.float32)
    for name, value in given.items():
        known = {str(code): place for place, (each, code) in enumerate(columns) if each == name}
        if not known:
            raise ValueError(f"demographics: {reprlib.repr(name)} is unknown; choose from {names}")
        if str(value) not in known:
            raise ValueError(
                f"demographics: {name} is {reprlib.repr(value)}; choose from {list(known)}"
            )
        row[known[str(value)]] = 1.0
    return row


def checked_rating(rating: Any, item_id: Any, scale: tuple[float, float]) -> float:
    """The rating as a number; ValueError if it is none, or off the scale."""
    low, high = scale
    if not is_number(rating) or not low <= rating <= high:
        kind = "in" if is_number(rating) else "a number in"
        value = reprlib.repr(rating)
        raise ValueError(f"rating {value} of item {item_id} is not {kind} {low:g} to {high:g}")
    return float(rating)


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
