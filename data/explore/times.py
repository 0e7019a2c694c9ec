"""Tables about time: when people rate, in what rhythm, and how long an item is in fashion."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.explore.items import Floats, Ints
from data.ratings import Ratings

EARLIEST = np.datetime64("1990-01-01", "s").astype(np.int64)  # before, nobody rated online
MINUTE, HOUR, DAY = 60, 3_600, 86_400
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GAPS = {  # name -> shortest gap of its kind, in seconds
    "none\n(same second)": 0,
    "1 to 9 s": 1,
    "10 to 59 s": 10,
    "1 to 59 min": MINUTE,
    "1 to 23 h": HOUR,
    "1 to 29 days": DAY,
    "30 days\nor more": 30 * DAY,
}
# In fashion: a month with this many times the item's usual share of the ratings, so many ratings
# at least, and so many standard deviations (of a Poisson count) above what is usual.
LIFT, AT_LEAST, DEVIATIONS = 2.0, 20, 4.0


class Months(NamedTuple):
    """M calendar months without a hole: first days [M], ratings [M] and new users [M] in each."""

    starts: NDArray[np.datetime64]
    ratings: Ints
    new_users: Ints


class Trends(NamedTuple):
    """Items that were in fashion, the strongest first: [K] items; [K, M] lift and in fashion."""

    items: Ints
    lift: Floats  # share of the month's ratings over share of all ratings; NaN in empty months
    in_fashion: NDArray[np.bool_]

    @property
    def life_spans(self) -> Ints:
        """Length in months of every unbroken stretch in fashion, of all items, [stretches]."""
        edges = np.diff(np.pad(self.in_fashion.astype(np.int64), [(0, 0), (1, 1)]), axis=1)
        lengths: Ints = np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]
        return lengths


def has_dates(ratings: Ratings) -> bool:
    """Whether the timestamps are dates; smaller numbers are an order, not seconds since 1970."""
    return bool(ratings.n_ratings and ratings.timestamps.min() >= EARLIEST)


def weekday_hours(timestamps: Ints) -> Ints:
    """Number of ratings by weekday and hour of UTC, [7, 24], Monday first."""
    weekday = (timestamps // DAY + 3) % 7  # 1 January 1970 was a Thursday
    place = weekday * 24 + timestamps // HOUR % 24
    return np.bincount(place, minlength=7 * 24).reshape(7, 24)


def month_numbers(timestamps: Ints) -> Ints:
    """Calendar months since January 1970, UTC."""
    number: Ints = timestamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return number


def months(ratings: Ratings) -> Months:
    """Ratings and first ratings of users, month by month."""
    number = month_numbers(ratings.timestamps)
    first, size = int(number.min()), int(number.max() - number.min()) + 1
    starters = ratings.offsets[:-1][ratings.lengths > 0]
    return Months(
        (first + np.arange(size)).astype("datetime64[M]"),
        np.bincount(number - first, minlength=size),
        np.bincount(number[starters] - first, minlength=size),
    )


def gaps(ratings: Ratings) -> Ints:
    """Seconds between each rating and the same user's one before, [N - users with ratings]."""
    same = np.diff(ratings.users) == 0
    between: Ints = np.diff(ratings.timestamps)[same]
    return between


def gap_shares(seconds: Ints) -> Floats:
    """Share of gaps of each kind in GAPS."""
    kind = np.searchsorted(list(GAPS.values()), seconds, side="right") - 1
    shares: Floats = np.bincount(kind, minlength=len(GAPS)) / max(len(seconds), 1)
    return shares


def visits_and_days(ratings: Ratings) -> tuple[Ints, Floats]:
    """Of every user with ratings: number of visits, and days from the first rating to the last.

    A visit ends where the next rating is more than an hour away.
    """
    active = ratings.lengths > 0
    first, last = ratings.offsets[:-1][active], ratings.offsets[1:][active] - 1
    between = np.diff(ratings.timestamps, prepend=0) > HOUR  # a break before this rating
    breaks: Ints = np.cumsum(between)
    visits = breaks[last] - breaks[first] + 1
    return visits, (ratings.timestamps[last] - ratings.timestamps[first]) / DAY


def trends(ratings: Ratings) -> Trends:
    """Items whose share of a month's ratings was far above their share of all ratings.

    Relative to all ratings of the month, so that a busy month alone makes nothing a trend.
    """
    number = month_numbers(ratings.timestamps)
    size = int(number.max() - number.min()) + 1
    place = ratings.items.astype(np.int64) * size + number - number.min()
    found = np.bincount(place, minlength=ratings.n_items * size).reshape(-1, size)  # [I, M]
    usual = found.sum(axis=1, keepdims=True) * found.sum(axis=0) / ratings.n_ratings
    beyond = found - usual
    fashion = (found >= LIFT * usual) & (found >= AT_LEAST)
    fashion &= beyond > DEVIATIONS * np.sqrt(usual)
    strength = (beyond * fashion).sum(axis=1)
    items = np.argsort(-strength, kind="stable")[: np.count_nonzero(strength)]
    lift = np.full((len(items), size), np.nan)
    np.divide(found[items], usual[items], out=lift, where=usual[items] > 0)
    return Trends(items, lift, fashion[items])
