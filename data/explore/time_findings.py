"""What the tables about time say. Numbers and comparisons are computed, none is fixed."""

import numpy as np

from data.explore import draw, times
from data.explore.section import Missing, Section, name_of, shorten
from data.ratings import Ratings

STRONGEST = 12  # trends that are drawn


def months(ratings: Ratings) -> Section:
    """Activity in the course of the years."""
    _need_dates(ratings)
    table = times.months(ratings)
    if len(table.starts) < 2:
        raise Missing("more than one month of ratings")
    busiest = int(table.ratings.argmax())
    cumulative = np.cumsum(table.ratings) / ratings.n_ratings
    reached = int(np.searchsorted(cumulative, 0.8))
    arrived = np.cumsum(table.new_users)[reached] / table.new_users.sum()
    text = (
        f"The busiest month is {table.starts[busiest]} with {table.ratings[busiest]:,} ratings, "
        f"{table.ratings[busiest] / ratings.n_ratings:.0%} of all.",
        f"80% of the ratings were given by the end of {table.starts[reached]}, month {reached + 1} "
        f"of {len(table.starts)}; by then {arrived:.0%} of the users had arrived.",
    )
    peak = table.ratings[busiest] / ratings.n_ratings
    title = f"{table.starts[busiest]} alone has {peak:.0%} of the ratings"
    if peak * len(table.starts) < 2:
        title = f"Ratings come evenly: the busiest month, {table.starts[busiest]}, has {peak:.0%}"
    return Section(title, text, draw.months(table, title))


def clock(ratings: Ratings) -> Section:
    """Activity by weekday and hour."""
    _need_dates(ratings)
    table = times.weekday_hours(ratings.timestamps)
    day, hour = divmod(int(table.argmax()), 24)
    by_day, by_hour = table.sum(axis=1) / table.sum(), table.sum(axis=0) / table.sum()
    quiet = int(by_hour.argmin())
    text = (
        f"The busiest hour of the week is {times.WEEKDAYS[day]} {hour}:00 to {hour + 1}:00 UTC, "
        f"{table.max() / table.mean():.1f} times an even spread; the quietest hour of the day is "
        f"{quiet}:00, with {by_hour[quiet]:.1%} of the ratings.",
        f"{times.WEEKDAYS[int(by_day.argmax())]} has the most ratings ({by_day.max():.0%}), "
        f"{times.WEEKDAYS[int(by_day.argmin())]} the fewest ({by_day.min():.0%}); an even spread "
        "is 14%.",
        "Times are UTC. Where the users live, and so their local time, is not known.",
    )
    title = (
        f"Most ratings come on {times.WEEKDAYS[int(by_day.argmax())]}, the fewest at {quiet}:00 UTC"
    )
    return Section(title, text, draw.clock(table, title))


def gaps(ratings: Ratings) -> Section:
    """The rhythm of rating."""
    _need_dates(ratings)
    seconds = times.gaps(ratings)
    if not len(seconds):
        raise Missing("users with two ratings or more")
    shares = times.gap_shares(seconds)
    visits, days = times.visits_and_days(ratings)
    within = float(np.mean(seconds < times.MINUTE))
    once = float(np.mean(visits == 1))
    text = (
        f"{within:.0%} of the ratings follow the user's one before within a minute, "
        f"{shares[0]:.0%} within the same second: there the order in the file decides which comes "
        "first.",
        f"{once:.0%} of the users came once (no gap of more than an hour); "
        f"{np.mean(days < 1):.0%} gave all their ratings within a day, {np.mean(days > 30):.0%} "
        "over more than 30 days.",
        "So most of the order in time is the order within a sitting."
        if within > 0.5
        else "So most ratings are a minute or more apart.",
    )
    title = f"{within:.0%} of the ratings follow within a minute; {once:.0%} of the users came once"
    return Section(title, text, draw.gaps(shares, visits, title))


def trends(ratings: Ratings) -> Section:
    """How long items are in fashion."""
    _need_dates(ratings)
    found, table = times.trends(ratings), times.months(ratings)
    rule = (
        f"A trend is a month, or several in a row, in which an item gets at least {times.LIFT:g} "
        f"times its usual share of the ratings, with {times.AT_LEAST} ratings or more in the month "
        "and far beyond chance."
    )
    if not len(found.items):
        title = "No item was ever in fashion: none has a month far above its usual share"
        return Section(title, (rule,))
    spans = found.life_spans
    names = [name_of(ratings, int(item)) for item in found.items[:STRONGEST]]
    text = (
        rule,
        f"{len(found.items):,} of {ratings.n_items:,} items had one; {np.mean(spans == 1):.0%} of "
        f"{len(spans):,} trends lasted one month, the longest {spans.max()} months.",
        f"The strongest: {'; '.join(names[:5])}.",
        "A trend at the edge of the data may have begun before it or lasted beyond it.",
    )
    title = f"{np.mean(spans == 1):.0%} of the trends last one month, the longest {spans.max()}"
    short = [shorten(name, 32) for name in names]
    figure = draw.trends(found, short, table.starts, title)
    return Section(title, text, figure)


def _need_dates(ratings: Ratings) -> None:
    if not times.has_dates(ratings):
        raise Missing("dates: its timestamps are no seconds since 1970")
