"""The figures of the report: tables in, one matplotlib Figure out; `title` says what it shows.

Blue against orange and light against dark are told apart without colour vision as well.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

from data.explore.items import Floats, Ints, Levels, PopularityGroups
from data.explore.times import GAPS, WEEKDAYS, Months, Trends

BLUE, ORANGE, DARK, FAINT = "#3b6ea8", "#d9772b", "#30343b", "#c9ced6"
STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.labelcolor": DARK,
    "axes.edgecolor": "#8a9099",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
WIDTH = 10.0  # inches of every figure
HALO: list[AbstractPathEffect] = [
    withStroke(linewidth=3, foreground="white")
]  # keeps writing readable on lines and dots
_SEQUENTIAL = "Blues"


def ratings(levels: Levels, users: Floats, items: Floats, positive: float, title: str) -> Figure:
    """Share of each rating level, positive ones in colour; means of users and items as outlines."""
    figure, (left, right) = panels_for(title, 3.8, columns=2)
    colours = np.where(levels.centres >= positive, ORANGE, BLUE).tolist()
    drawn = left.bar(levels.centres, levels.shares, levels.width * 0.85, color=colours)
    if len(levels.centres) <= 11:
        left.bar_label(drawn, [f"{share:.0%}" for share in levels.shares], padding=2)
        left.set_xticks(levels.centres)
        left.margins(y=0.12)
    left.set(xlabel="rating", ylabel="share of all ratings", title="Ratings (orange: positive)")
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ends = (float(min(users.min(), items.min())), float(max(users.max(), items.max())))
    for means, label, colour in ((users, "users", BLUE), (items, "items", ORANGE)):
        counts, edges = np.histogram(means, 32, ends)
        right.stairs(counts / len(means), edges, fill=True, alpha=0.35, color=colour, label=label)
        right.stairs(counts / len(means), edges, color=colour, lw=1.6)
    right.set(xlabel="mean rating", ylabel="share of users / items", title="Means of users, items")
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.legend()
    return figure


def popularity(
    counts: Ints,
    means: Floats,
    groups: PopularityGroups,
    labels: Sequence[tuple[int, str, bool]],
    title: str,
) -> Figure:
    """Every rated item by number and mean of its ratings; labels: item, text, whether above it."""
    figure, (axes,) = panels_for(title, 5.4)
    rated = counts > 0
    axes.scatter(counts[rated], means[rated], s=9, color=BLUE, alpha=0.3, lw=0)
    axes.fill_between(groups.counts, groups.low, groups.high, color=ORANGE, alpha=0.25, lw=0)
    label = "median of ten groups of equal size; band: middle half"
    axes.plot(groups.counts, groups.middle, "o-", color=ORANGE, lw=2, ms=4, label=label)
    for item, text, above in labels:
        _write_beside(axes, (float(counts[item]), float(means[item])), text, above)
    axes.set_xscale("log")
    _plain_ticks(axes, counts[rated])
    axes.set(xlabel="number of ratings of the item", ylabel="mean rating of the item")
    axes.legend(loc="lower right")
    return figure


def long_tail(shares: Floats, half: int, lengths: Ints, title: str) -> Figure:
    """Concentration of the ratings on items, and how many ratings users give."""
    figure, (left, right) = panels_for(title, 3.8, columns=2)
    percent = np.arange(len(shares) + 1) / len(shares)
    left.plot([0, 1], [0, 1], color=DARK, lw=1, ls=":", label="all equally often")
    left.plot(percent, [0.0, *shares], color=BLUE, lw=2.2, label="as it is")
    at = half / len(shares)
    left.plot([at, at, 0], [0, 0.5, 0.5], color=ORANGE, lw=1.6)
    note = left.annotate(f" half of all ratings: {half:,} items", (at, 0.44), color=ORANGE)
    note.set_path_effects(HALO)
    left.set(xlabel="items, most rated first", ylabel="share of all ratings", title="Items")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.legend(loc="lower right")
    lengths = lengths[lengths > 0]
    counts, edges = np.histogram(lengths, np.geomspace(lengths.min(), lengths.max() + 1, 31))
    right.stairs(counts, edges, fill=True, color=BLUE)
    middle = float(np.median(lengths))
    right.axvline(middle, color=ORANGE, lw=1.6)
    note = right.annotate(f" median {middle:,.0f}", (middle, 1.04 * counts.max()), color=ORANGE)
    note.set_path_effects(HALO)
    right.set_xscale("log")
    right.set_ylim(0, 1.15 * counts.max())
    _plain_ticks(right, lengths)
    right.set(xlabel="ratings per user", ylabel="users", title="Users")
    return figure


def months(table: Months, title: str) -> Figure:
    """Ratings and newly arrived users by calendar month."""
    figure, (upper, lower) = panels_for(title, 4.6, rows=2, sharex=True)
    starts = table.starts.astype("datetime64[D]")
    for axes, values, label in (
        (upper, table.ratings, "ratings"),
        (lower, table.new_users, "new users"),
    ):
        axes.bar(starts, values, width=27, align="edge", color=BLUE)
        axes.set_ylabel(f"{label}\nin the month")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.grid(axis="x", visible=False)
    lower.set_xlabel("month (UTC)")
    return figure


def clock(table: Ints, title: str) -> Figure:
    """Ratings by weekday and hour [7, 24] as a heat map, with the sums at its edges."""
    figure, (axes,) = panels_for(title, 3.6)
    even = table / max(table.sum(), 1) * table.size
    picture = axes.imshow(even, aspect="auto", cmap=_SEQUENTIAL, vmin=0)
    axes.set_yticks(range(7), [day[:3] for day in WEEKDAYS])
    axes.set_xticks(np.arange(0, 24, 3) - 0.5, [f"{hour}:00" for hour in range(0, 24, 3)])
    axes.set_xlabel("hour of the day, UTC (the users' local time is unknown)")
    axes.grid(visible=False)
    figure.colorbar(picture, ax=axes, label="ratings, times an even spread", pad=0.02)
    return figure


def gaps(shares: Floats, visits: Ints, title: str) -> Figure:
    """Time between a user's consecutive ratings, and number of visits of a user."""
    figure, (left, right) = panels_for(title, 4.0, columns=2, width_ratios=(3, 2))
    drawn = left.barh(list(GAPS), shares, color=BLUE, height=0.7)
    left.bar_label(drawn, [f"{share:.1%}" for share in shares], padding=3)
    left.invert_yaxis()
    left.margins(x=0.14)
    left.set(xlabel="share of all pairs", title="Time from a user's rating to the next")
    left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.grid(axis="y", visible=False)
    capped = np.bincount(np.minimum(visits, 6), minlength=7)[1:] / max(len(visits), 1)
    drawn = right.bar(["1", "2", "3", "4", "5", "6+"], capped, color=BLUE, width=0.7)
    right.bar_label(drawn, [f"{share:.0%}" for share in capped], padding=2)
    right.margins(y=0.12)
    right.set(xlabel="visits of a user", ylabel="share of users")
    right.set_title("Visits (over 1 h apart)")
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.grid(axis="x", visible=False)
    return figure


def trends(
    table: Trends, names: Sequence[str], starts: NDArray[np.datetime64], title: str
) -> Figure:
    """The strongest trends month by month, and how long trends last."""
    height = 1.9 + 0.3 * len(names)
    figure, (left, right) = panels_for(title, height, columns=2, width_ratios=(3, 1))
    lift = np.where(np.isnan(table.lift), 0.0, table.lift)[: len(names)]
    picture = left.imshow(
        lift, aspect="auto", cmap=_SEQUENTIAL, vmin=0, vmax=min(10.0, float(lift.max()))
    )
    rows, columns = np.nonzero(table.in_fashion[: len(names)])
    left.plot(columns, rows, "o", ms=4, color=ORANGE, mec="white", mew=0.6)
    left.set_yticks(range(len(names)), names)
    marks = np.linspace(0, len(starts) - 1, min(8, len(starts))).round().astype(int)
    left.set_xticks(marks, [str(starts[mark]) for mark in marks], rotation=30, ha="right")
    left.grid(visible=False)
    left.set_title("The strongest trends (dots: in fashion)")
    figure.colorbar(
        picture, ax=left, label="ratings in the month,\ntimes the item's usual share", pad=0.02
    )
    spans, counts = np.unique(table.life_spans, return_counts=True)
    drawn = right.bar(spans, counts, color=ORANGE, width=0.8)
    right.bar_label(drawn, padding=2)
    right.margins(y=0.1)
    right.set(xlabel="months in fashion", ylabel="trends", title="Life span")
    right.set_xticks(np.arange(1, spans.max() + 1))
    right.grid(axis="x", visible=False)
    return figure


def panels_for(
    title: str,
    height: float,
    *,
    rows: int = 1,
    columns: int = 1,
    sharex: bool = False,
    sharey: bool = False,
    width_ratios: Sequence[float] | None = None,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure with its finding above it on the left, and its axes row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(
        rows,
        columns,
        sharex=sharex,
        sharey=sharey,
        squeeze=False,
        width_ratios=width_ratios,
        height_ratios=height_ratios,
    )
    wrapped = textwrap.fill(title, 92)
    figure.suptitle(wrapped, x=0.01, ha="left", weight="bold", size=13, color=DARK)
    return figure, list(grid.flat)


def _write_beside(axes: Axes, point: tuple[float, float], text: str, above: bool) -> None:
    """Mark a point, and write to its left, where the plot has room for popular items."""
    axes.plot(*point, "o", ms=5, color=DARK)
    written = axes.annotate(
        text,
        point,
        (-6, 6 if above else -6),
        textcoords="offset points",
        ha="right",
        va="bottom" if above else "top",
        size=9,
    )
    written.set_path_effects(HALO)


def _plain_ticks(axes: Axes, values: Ints) -> None:
    """Ticks 1, 2, 5, 10, 20, ... in plain figures on a logarithmic axis."""
    ticks = np.outer(10 ** np.arange(10), [1, 2, 5]).ravel()
    ticks = ticks[(ticks >= values.min()) & (ticks <= values.max())]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
