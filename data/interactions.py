"""Ratings, counts or events of any domain, from one CSV or Parquet file (docs/domains.md)."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from data.delimited import Table, check_column, open_table
from data.errors import DataError, quote
from data.events import Events, read_events
from data.ratings import Ids, Ratings, check_usable

Feedback = Literal["ratings", "counts", "events"]
Scale = tuple[float, float]
TIMESTAMP = "timestamp"  # taken without being asked for
IMPLICIT: Scale = (-1.0, 1.0)  # the scale on which a value is its own reward (equation 10)
POSITIVE_FROM = 0.75  # of the way up the scale: 4 on a scale of 1 to 5


def read_interactions(
    path: str | Path,
    *,
    user: str = "user",
    item: str = "item",
    rating: str = "rating",
    timestamp: str | None = None,
    feedback: Feedback = "ratings",
    scale: Scale | None = None,
    positive: float | None = None,
    titles: str | Path | None = None,
    header: bool = True,
    delimiter: str | None = None,
) -> Ratings:
    """Ratings named after the file, one row of which is a rating, a count or an event.

    Ids may be numbers or text; users and items are numbered in ascending order of their ids. Rows
    without times are in order of time. A (user, item) pair that comes again counts once, at the
    time of its last row: with its last rating, or the sum of its counts.

    ratings: `scale` is the lowest and the highest possible rating, by default of those there are;
    a rating is positive from `positive`, by default three quarters up the scale. counts, and
    events, which count 1 each: a count c becomes log(1 + c) / log(1 + the largest), in (0, 1], and
    that is the reward; everything is positive, or counts from `positive`. Equal ratings without
    a `scale` are events. Titles come from the second column of `titles`, ids from its first.

    The arguments are explained in `config.CsvConfig`. Raises DataError, naming file and line.
    """
    path = Path(path)
    table = open_table(path, header=header, delimiter=delimiter)
    value = None if feedback == "events" else rating
    time = _check_columns(path, table, user, item, value, timestamp)
    events = read_events(table, user, item, value, time)
    n_rows = len(events.values)
    if feedback == "ratings" and scale is None and np.ptp(events.values) == 0:
        print(f"{path}: every rating is {events.values[0]:g}: read as events", file=sys.stderr)
        feedback, events = "events", replace(events, values=np.ones(n_rows))
    if feedback == "ratings":
        events, scale, threshold = _explicit(path, table, events, scale, positive)
    elif scale is not None:
        raise DataError(f"{path}: --csv.scale {scale}: is for ratings; {feedback} have their own")
    else:
        events, scale, threshold = _implicit(path, table, events, positive)
    ratings = _as_ratings(path.stem, events, scale, threshold)
    if titles is not None:
        names = _titles(Path(titles), ratings.item_ids, header, delimiter)
        ratings = replace(ratings, titles=names)
    check_usable(path, ratings)
    _announce(path, ratings, n_rows, feedback, time)
    return ratings


def _check_columns(
    path: Path, table: Table, user: str, item: str, rating: str | None, timestamp: str | None
) -> str | None:
    """DataError unless the columns are there, and different; the column of times, if any."""
    if timestamp is None and TIMESTAMP in table.columns:
        timestamp = TIMESTAMP
    flags = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    given = {flag: name for flag, name in flags.items() if name is not None}
    for flag, name in given.items():
        check_column(path, table.columns, name, f"--csv.{flag}")
    if len(set(given.values())) < len(given):
        raise DataError(f"{path}: columns {', '.join(given.values())}: must be different ones")
    return timestamp


def _explicit(
    path: Path, table: Table, events: Events, scale: Scale | None, positive: float | None
) -> tuple[Events, Scale, float]:
    """Ratings as they are, their scale, and where positive ones begin."""
    low, high = scale or (float(events.values.min()), float(events.values.max()))
    if not low < high:
        raise DataError(f"{path}: --csv.scale {low:g} {high:g}: give the lowest rating first")
    outside = np.flatnonzero((events.values < low) | (events.values > high))
    if outside.size:
        raise DataError(
            f"{table.where(int(outside[0]))}: rating is outside {low:g} to {high:g}, value "
            f"{events.values[outside[0]]:g}; correct or remove the row, or change --csv.scale"
        )
    threshold = low + POSITIVE_FROM * (high - low) if positive is None else positive
    if not low < threshold <= high:
        raise DataError(
            f"{path}: --csv.positive {positive:g}: must be above {low:g}, up to {high:g}"
        )
    return events.merged(add=False), (low, high), threshold


def _implicit(
    path: Path, table: Table, events: Events, positive: float | None
) -> tuple[Events, Scale, float]:
    """Counts as rewards, the scale of rewards, and where positive ones begin."""
    negative = np.flatnonzero(events.values < 0)
    if negative.size:
        raise DataError(
            f"{table.where(int(negative[0]))}: count is negative, value "
            f"{events.values[negative[0]]:g}; correct or remove the row"
        )
    events = events.merged(add=True)
    events = events.take(events.values > 0)  # a count of 0 is no interaction
    if not len(events.values):
        raise DataError(f"{path}: every count is 0; nothing can be learned from it")
    largest = float(events.values.max())
    if positive is not None and not 0 < positive <= largest:
        raise DataError(f"{path}: --csv.positive {positive:g}: must be above 0, up to {largest:g}")
    rewards = np.log1p(events.values) / np.log1p(largest)
    threshold = 0.0 if positive is None else float(np.log1p(positive) / np.log1p(largest))
    return replace(events, values=rewards), IMPLICIT, threshold


def _as_ratings(name: str, events: Events, scale: Scale, threshold: float) -> Ratings:
    ratings = Ratings.from_events(
        name,
        events.users,
        events.items,
        events.values,
        np.floor(events.times),
        user_ids=np.arange(len(events.user_ids)),
        item_ids=np.arange(len(events.item_ids)),
        scale=scale,
        positive_threshold=threshold,
    )
    return replace(ratings, user_ids=events.user_ids, item_ids=events.item_ids)


def _titles(path: Path, item_ids: Ids, header: bool, delimiter: str | None) -> tuple[str, ...]:
    """One title per item, its id where the file has none; of repeated ids the first counts."""
    table = open_table(path, header=header, delimiter=delimiter)
    if len(table.columns) < 2:
        raise DataError(f"{path}: one column; --csv.titles needs ids in the first, titles next")
    known: dict[str, str] = {}
    for block in table.blocks(table.columns[:2]):
        for key, title in block.itertuples(index=False):
            known.setdefault(key.strip(), title.strip())
    ids = [str(item) for item in item_ids.tolist()]
    missing = [item for item in ids if not known.get(item)]
    if len(missing) == len(ids):
        raise DataError(
            f"{path}: has a title for none of the {len(ids)} items, such as {quote(ids[0])}; the "
            "first column must hold the item ids"
        )
    if missing:
        print(f"{path}: no title for {len(missing):,} of {len(ids):,} items", file=sys.stderr)
    return tuple(known.get(item) or item for item in ids)


def _announce(path: Path, ratings: Ratings, n_rows: int, feedback: str, time: str | None) -> None:
    """How the file was understood."""
    low, high = ratings.scale
    kind = f"{feedback} {low:g} to {high:g}" if feedback == "ratings" else f"{feedback}, as rewards"
    order = f"by {quote(time)}" if time else "in the order of the file"
    print(
        f"{path}: {n_rows:,} rows, {ratings.n_ratings:,} different (user, item) pairs; {kind}, "
        f"positive from {ratings.positive_threshold:.3g}; {order}",
        file=sys.stderr,
    )
