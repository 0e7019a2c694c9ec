"""What is said of ratings, items and times. Numbers and comparisons are computed, none is fixed."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from data.explore.html_page import Missing, Section
from data.ratings import Ratings

BLUE, ORANGE = "#3b6ea8", "#d9772b"  # told apart without colour vision as well
PERCENT = PercentFormatter(1, decimals=0)
EARLIEST = np.datetime64("1990-01-01", "s").astype(np.int64)  # before, nobody rated online
FEW = 20  # below so many ratings the mean of an item says little
HOUR, DAY = 3_600, 86_400
GAPS = [0, 1, 10, 60, HOUR, DAY, 30 * DAY, np.inf]  # seconds
GAP_NAMES = ("same second", "1 to 9 s", "10 to 59 s", "minutes", "hours", "days", "30 days or more")
# In fashion: a month with this many times the item's usual share of the ratings, so many ratings
# at least, and so many standard deviations (of a Poisson count) above what is usual.
LIFT, AT_LEAST, DEVIATIONS = 2.0, 20, 4.0


class Rows:
    """The ratings as data frames: one row per rating, per item, and per user with ratings."""

    def __init__(self, ratings: Ratings) -> None:
        self.ratings = ratings
        columns = {"user": ratings.users, "item": ratings.items, "second": ratings.timestamps}
        self.all = pd.DataFrame({**columns, "rating": ratings.values.astype(np.float64)})
        self.dated = bool(ratings.n_ratings and ratings.timestamps.min() >= EARLIEST)
        if self.dated:
            self.all["when"] = pd.to_datetime(self.all["second"], unit="s")
            self.all["month"] = self.all["when"].dt.to_period("M")
        items = self.all.groupby("item")["rating"].agg(["count", "mean"])
        self.items = items.reindex(range(ratings.n_items)).fillna({"count": 0})
        ids = (f"item {item}" for item in ratings.item_ids)
        self.items["title"] = list(ratings.titles or ids)
        self.users = self.all.groupby("user")["rating"].agg(["count", "mean"])

    def need_dates(self) -> None:
        """Missing, if the timestamps are only an order."""
        if not self.dated:
            raise Missing("dates: its timestamps are no seconds since 1970")


def panels(title: str, height: float, **grid: Any) -> tuple[Figure, list[Axes]]:
    """A figure with its finding above it, and its axes row by row."""
    figure = Figure(figsize=(10.0, height), layout="constrained")
    axes = figure.subplots(squeeze=False, **grid)
    figure.suptitle(textwrap.fill(title, 92), x=0.01, ha="left", weight="bold", size=13)
    return figure, list(axes.flat)


def bars(axes: Axes, values: "pd.Series[float]", form: str, **labels: str) -> None:
    """Horizontal bars, the first on top, each with its number."""
    drawn = axes.barh(list(map(str, values.index)), values, color=BLUE, height=0.7)
    axes.bar_label(drawn, [format(value, form) for value in values], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.grid(axis="y", visible=False)
    axes.set(**labels)


def size(rows: Rows) -> Section:
    """How much there is of everything."""
    ratings, n_items = rows.ratings, int((rows.items["count"] > 0).sum())
    density = ratings.n_ratings / max(len(rows.users) * n_items, 1)
    names = ratings.titles, ratings.genre_names, ratings.demographic_names, rows.dated
    have = zip(("titles", "genres", "demographics", "dates"), names, strict=True)
    text = [
        f"{len(rows.users):,} users gave {ratings.n_ratings:,} ratings to {n_items:,} items; "
        f"{ratings.n_users - len(rows.users):,} more users and {ratings.n_items - n_items:,} more "
        "items are listed without a rating."
    ]
    if rows.dated:
        first, last = rows.all["when"].min().date(), rows.all["when"].max().date()
        text.append(f"The ratings are dated {first} to {last}.")
    if ratings.name == "synthetic":
        text.append("It is made up by a program: nothing below says anything about people.")
    if lacking := [name for name, there in have if not there]:
        text.append(f"The data set has no {' and no '.join(lacking)}.")
    return Section(f"{ratings.n_ratings:,} ratings, {density:.1%} of the matrix", (*text,))


def heights(rows: Rows) -> Section:
    """The rating distribution."""
    ratings, values = rows.ratings, rows.all["rating"]
    positive, edges = ratings.positive.mean(), np.linspace(*ratings.scale, 33)
    text = (
        f"The mean rating is {values.mean():.2f} on a scale from {ratings.scale[0]:g} to "
        f"{ratings.scale[1]:g}; the most frequent is {values.mode()[0]:g}.",
        f"{positive:.1%} of the ratings are positive ({ratings.positive_threshold:g} or more).",
    )
    title = f"{positive:.0%} of the ratings are positive; the mean is {values.mean():.2f}"
    figure, (left, right) = panels(title, 3.8, ncols=2)
    shares = values.value_counts(normalize=True).sort_index()
    if len(shares) > 11:
        shares = pd.cut(values, edges[::2].tolist()).value_counts(normalize=True, sort=False)
        shares.index = edges[1::2]
    width = 0.85 * np.diff(shares.index).min() if len(shares) > 1 else 0.85
    colours = np.where(shares.index >= ratings.positive_threshold, ORANGE, BLUE)
    left.bar(shares.index, shares, width, color=colours.tolist())
    left.set(xlabel="rating (orange: positive)", ylabel="share of all ratings")
    for table, label, colour in ((rows.users, "users", BLUE), (rows.items, "items", ORANGE)):
        counts, _ = np.histogram(table["mean"].dropna(), edges)
        right.stairs(counts / counts.sum(), edges, fill=True, alpha=0.4, color=colour, label=label)
    right.set(xlabel="mean rating", ylabel="share of users / items")
    right.legend()
    return Section(title, text, figure)


def popularity(rows: Rows) -> Section:
    """Are items that many people rate also rated higher?"""
    judged = rows.items[rows.items["count"] >= FEW].sort_values("count", kind="stable")
    if len(judged) < 10:
        raise Missing(f"ten items with {FEW} ratings or more")
    correlation = judged["count"].rank().corr(judged["mean"].rank())  # Spearman's
    middle = judged.groupby(np.arange(len(judged)) * 10 // len(judged))[["count", "mean"]].median()
    verdict = "neither higher nor lower"
    if abs(correlation) >= 0.1:
        verdict = "higher" if correlation > 0 else "lower"
    known = judged.iloc[-max(3, len(judged) // 10) :]  # the most rated tenth
    text = (
        f"The median item of the most rated tenth averages {middle['mean'].iloc[-1]:.2f}, that of "
        f"the least rated tenth {middle['mean'].iloc[0]:.2f} ({len(judged):,} items with {FEW} "
        "ratings or more).",
        f"Most rated: {'; '.join(known['title'].iloc[:-4:-1])}.",
        f"Well known but rated low: {'; '.join(known.nsmallest(3, 'mean')['title'])}.",
    )
    title = (
        f"Items that are rated more often are rated {verdict} (rank correlation {correlation:+.2f})"
    )
    figure, (axes,) = panels(title, 5.4)
    axes.scatter(rows.items["count"], rows.items["mean"], s=9, color=BLUE, alpha=0.3, lw=0)
    axes.plot(middle["count"], middle["mean"], "o-", color=ORANGE, lw=2, ms=4)
    axes.set(xscale="log", xlabel="number of ratings of the item (orange: medians of ten groups)")
    axes.set_ylabel("mean rating of the item")
    return Section(title, text, figure)


def long_tail(rows: Rows) -> Section:
    """How few items get most of the ratings."""
    counts = np.sort(rows.items["count"])[::-1]
    shares, lengths = np.cumsum(counts) / max(counts.sum(), 1), rows.users["count"]
    half = int(np.searchsorted(shares, 0.5 - 1e-12)) + 1
    text = (
        f"{half:,} of {len(counts):,} items ({half / len(counts):.1%}) have half of all ratings, "
        f"the most rated tenth has {shares[max(1, len(shares) // 10) - 1]:.0%}.",
        f"{np.mean(counts < FEW):.0%} of the items have fewer than {FEW} ratings. Users give "
        f"between {lengths.min():,} and {lengths.max():,}, half of them {lengths.median():,.0f} or "
        "fewer.",
    )
    title = f"Half of all ratings go to {half / len(counts):.1%} of the items"
    figure, (left, right) = panels(title, 3.8, ncols=2)
    left.plot(np.arange(len(shares) + 1) / len(shares), [0, *shares], color=BLUE, lw=2.2)
    left.plot([half / len(shares)] * 2, [0, 0.5], color=ORANGE, lw=1.6)
    left.set(xlabel="items, most rated first", ylabel="share of all ratings")
    right.hist(lengths, np.geomspace(lengths.min(), lengths.max() + 1, 31).tolist(), color=BLUE)
    right.axvline(lengths.median(), color=ORANGE, lw=1.6)
    right.set(xscale="log", xlabel="ratings per user (line: median)", ylabel="users")
    return Section(title, text, figure)


def months(rows: Rows) -> Section:
    """Activity in the course of the years."""
    rows.need_dates()
    by_month = rows.all.groupby("month").size()
    new = rows.all.groupby("user")["month"].min().value_counts()
    course = pd.period_range(by_month.index[0], by_month.index[-1], freq="M")
    if len(course) < 2:
        raise Missing("more than one month of ratings")
    table = pd.DataFrame({"ratings": by_month, "new users": new}).reindex(course).fillna(0)
    busiest, peak = table["ratings"].idxmax(), table["ratings"].max() / len(rows.all)
    title = f"{busiest} alone has {peak:.0%} of the ratings"
    if peak * len(course) < 2:
        title = f"Ratings come evenly: the busiest month, {busiest}, has {peak:.0%}"
    figure, axes = panels(title, 4.6, nrows=2, sharex=True)
    for panel, (name, column) in zip(axes, table.items(), strict=True):
        panel.bar(course.to_timestamp(), column, width=27, align="edge", color=BLUE)
        panel.set_ylabel(f"{name}\nin the month")
    return Section(title, (f"{len(course)} months in all.",), figure)


def clock(rows: Rows) -> Section:
    """Activity by weekday and hour."""
    rows.need_dates()
    when = rows.all["when"].dt
    table = pd.crosstab(when.day_of_week, when.hour, normalize=True)
    table = table.reindex(index=range(7), columns=range(24), fill_value=0)
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    busy, share = days[int(table.sum(axis=1).argmax())], table.sum(axis=1).max()
    text = ("Times are UTC. Where the users live, and so their local time, is not known.",)
    title = (
        f"Most ratings come on {busy} ({share:.0%}), the fewest at {table.sum().idxmin()}:00 UTC"
    )
    figure, (axes,) = panels(title, 3.6)
    picture = axes.imshow(table * table.size, aspect="auto", cmap="Blues", vmin=0)
    axes.set_yticks(range(7), [day[:3] for day in days])
    axes.grid(visible=False)
    figure.colorbar(
        picture, ax=axes, label="ratings in the hour (UTC),\ntimes an even spread", pad=0.02
    )
    return Section(title, text, figure)


def gaps(rows: Rows) -> Section:
    """The rhythm of rating."""
    rows.need_dates()
    between = rows.all.groupby("user")["second"].diff()
    if not between.notna().any():
        raise Missing("users with two ratings or more")
    kinds = pd.cut(between.dropna(), GAPS, right=False, labels=list(GAP_NAMES))
    shares = kinds.value_counts(normalize=True, sort=False)
    visits = 1 + (between > HOUR).groupby(rows.all["user"]).sum()
    within, once = shares.iloc[:3].sum(), (visits == 1).mean()
    text = (
        f"{shares.iloc[0]:.0%} follow within the same second: there the order in the file decides "
        "which comes first. A visit ends where the next rating is more than an hour away.",
    )
    title = f"{within:.0%} of the ratings follow within a minute; {once:.0%} of the users came once"
    figure, (left, right) = panels(title, 4.0, ncols=2)
    bars(left, shares, ".1%", title="Time from a user's rating to the next")
    capped = visits.clip(upper=6).value_counts(normalize=True).sort_index()
    bars(right, capped, ".0%", title="Visits of a user (6: or more)")
    return Section(title, text, figure)


def trends(rows: Rows) -> Section:
    """How long items are in fashion, relative to all ratings of a month."""
    rows.need_dates()
    found = pd.crosstab(rows.all["item"], rows.all["month"])  # [I, M]
    course = pd.period_range(found.columns[0], found.columns[-1], freq="M")
    found = found.reindex(columns=course, fill_value=0)
    usual = np.outer(found.sum(axis=1), found.sum()) / len(rows.all)
    beyond = found - usual
    fashion = (found >= LIFT * usual) & (found >= AT_LEAST) & (beyond > DEVIATIONS * usual**0.5)
    strength = (beyond * fashion).sum(axis=1).sort_values(ascending=False, kind="stable")
    items = strength.index[strength > 0]
    text = (
        f"In fashion: {LIFT:g} times the item's usual share of the ratings, {AT_LEAST} ratings or "
        f"more in the month, far beyond chance. {len(items):,} items were.",
    )
    if not len(items):
        title = "No item was ever in fashion: none has a month far above its usual share"
        return Section(title, text)
    edges = np.diff(np.pad(fashion.loc[items].to_numpy(int), [(0, 0), (1, 1)]), axis=1)
    spans = np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]  # months of each stretch
    title = f"{np.mean(spans == 1):.0%} of the trends last one month, the longest {spans.max()}"
    shown = items[:12]
    figure, (axes,) = panels(title, 1.9 + 0.3 * len(shown))
    lift = found.loc[shown] / np.maximum(usual[found.index.get_indexer(shown)], 1e-9)
    picture = axes.imshow(lift, aspect="auto", cmap="Blues", vmin=0, vmax=10)
    ticks = np.unique(np.linspace(0, len(course) - 1, 8).round().astype(int))
    axes.set_xticks(ticks, [str(course[tick]) for tick in ticks])
    axes.set_yticks(range(len(shown)), [title[:32] for title in rows.items["title"][shown]])
    axes.grid(visible=False)
    figure.colorbar(picture, ax=axes, label="ratings in the month,\ntimes the usual share")
    return Section(title, text, figure)
