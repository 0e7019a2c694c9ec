"""Plots of what was measured. Every function returns a new matplotlib Figure, and draws nothing else.

The highlighted policy (by default `drr`) has the same colour everywhere.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from data.observation import FloatArray, IntArray
from evaluation.protocols.base import Result
from evaluation.report import BOUND, Report, Row

ACCENT, PLAIN, FAINT = "#c8385a", "#4a6fa5", "#c9ced6"
CYCLE = ("#4a6fa5", "#e09f3e", "#5b8e7d", "#8d6a9f", "#7f7f7f", "#2a9d8f")


def leaderboard(
    report: Report,
    keys: Sequence[str] = (),
    *,
    hide: Sequence[str] = (BOUND,),
    title: str = "",
    highlight: str = "drr",
) -> Figure:
    """One panel for each key: every policy's mean and 95% interval over users, best on top.

    keys, title: the report's own when empty. hide: policies left out, because they stretch the
    axis.
    """
    keys = tuple(keys) or report.keys
    rows = [row for row in report.rows if row.name not in hide]
    size = (2.0 + 2.4 * len(keys), 1.3 + 0.34 * len(rows))
    figure, panels = new_figure(1, len(keys), size, sharey=True)
    for axes, key in zip(panels, keys, strict=True):
        _intervals(axes, rows, key, highlight)
        axes.set_xlabel(key)
    _policy_names(panels[0], [row.name for row in rows], highlight)
    figure.suptitle(f"{title or report.label}: {report.n_users:,} users, 95% intervals")
    return figure


def by_length(
    report: Report, metrics: Sequence[str] = ("precision", "ndcg"), highlight: str = "drr"
) -> Figure:
    """Metrics against the length of the list k, for every k of the report; bands: 95% intervals."""
    figure, panels = new_figure(1, len(metrics), (4.6 * len(metrics), 3.6))
    names = [row.name for row in report.rows]
    for axes, metric in zip(panels, metrics, strict=True):
        found = [key for key in report.keys if key.startswith(f"{metric}@")]
        lengths = sorted(int(key.split("@")[1]) for key in found)
        for row, colour in coloured(names, highlight):
            estimates = [report.rows[row].users[f"{metric}@{k}"] for k in lengths]
            means = [estimate.mean for estimate in estimates]
            low, high = [e.low for e in estimates], [e.high for e in estimates]
            width = _width(names[row], highlight)
            axes.plot(lengths, means, color=colour, label=names[row], lw=width)
            axes.fill_between(lengths, low, high, color=colour, alpha=0.12, lw=0)
        axes.set(xlabel="length of the list k", ylabel=f"{metric}@k")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(panels[0])
    figure.suptitle(f"{report.label}: {report.n_users:,} users, bands: 95% intervals")
    return figure


def reward_by_step(results: Sequence[Result], highlight: str = "drr") -> Figure:
    """Mean reward of each step [T], and summed up to it, one line for each result."""
    figure, (single, total) = new_figure(1, 2, (9.2, 3.6))
    names = [result.policy for result in results]
    for row, colour in coloured(names, highlight):
        means = results[row].rewards.mean(axis=0)
        steps = np.arange(1, len(means) + 1)
        width = _width(names[row], highlight)
        single.plot(steps, means, color=colour, lw=width, label=names[row])
        total.plot(steps, np.cumsum(means), color=colour, lw=width, label=names[row])
    for axes, label in ((single, "mean reward of the step"), (total, "mean reward so far")):
        axes.axhline(0, color="black", lw=0.6)
        axes.set(xlabel="step t", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(total)
    return figure


def item_map(
    points: NDArray[np.floating],
    genres: NDArray[np.bool_],
    genre_names: Sequence[str],
    titles: Sequence[str] = (),
    *,
    panels: int = 8,
    labels: int = 2,
) -> Figure:
    """points [N, 2] once for each of the commonest genres [N, G], its items in colour; without
    genres once, all in colour.

    titles: N of them, best known first; the first `labels` of a genre that no panel before shows,
    and that lie apart, are written beside their items.
    """
    if not genre_names:
        genres, genre_names = np.ones((len(points), 1), bool), ("all",)
    commonest = np.argsort(-genres.sum(axis=0), kind="stable")[:panels]
    columns = min(4, len(commonest))
    rows = -(-len(commonest) // columns)
    size = (2.6 * columns, 2.8 * rows)
    figure, grid = new_figure(rows, columns, size, sharex=True, sharey=True)
    shown: list[int] = []
    middle = float(np.median(points[:, 0]))
    for axes in grid[len(commonest) :]:
        axes.remove()
    for place, genre in enumerate(commonest):
        axes, mine = grid[place], genres[:, genre]
        axes.scatter(points[~mine, 0], points[~mine, 1], s=3, color=FAINT, lw=0)
        colour = CYCLE[place % len(CYCLE)]
        axes.scatter(points[mine, 0], points[mine, 1], s=7, color=colour, lw=0)
        axes.set(title=f"{genre_names[genre]} ({mine.sum()})", xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        new = [item for item in np.flatnonzero(mine).tolist() if item not in shown]
        for item in _apart(points, new, labels if titles else 0):
            _label(axes, points[item], shorten(titles[item], 24), middle)
            shown.append(item)
    return figure


def rank_changes(before: IntArray, after: IntArray, names: Mapping[int, str]) -> Figure:
    """Two ranked lists [k] side by side: items in both are joined, the others are in colour."""
    figure, (axes,) = new_figure(1, 1, (9.2, 0.6 + 0.32 * len(before)))
    both = np.intersect1d(before, after)
    for x, ranked, side in ((0.0, before, "right"), (1.0, after, "left")):
        for rank, item in enumerate(ranked.tolist()):
            colour = "black" if item in both else ACCENT
            name = f" {rank + 1:2d}  {shorten(names[item], 45)} "
            axes.text(x, rank, name, ha=side, va="center", color=colour, size=9)
    for item in both.tolist():
        ends = [int(np.flatnonzero(ranked == item)[0]) for ranked in (before, after)]
        axes.plot([0, 1], ends, color=PLAIN if ends[0] != ends[1] else FAINT, lw=1.6)
    axes.set(xlim=(-1.6, 2.6), ylim=(len(before) - 0.4, -1.2))
    axes.axis("off")
    axes.text(0, -0.9, "with the item ", ha="right", weight="bold")
    axes.text(1, -0.9, " without it", ha="left", weight="bold")
    return figure


def bars(values: Mapping[str, float], label: str, highlight: str = "") -> Figure:
    """Horizontal bars from zero of whole numbers, the first on top, each with its value."""
    figure, (axes,) = new_figure(1, 1, (8, 0.7 + 0.32 * len(values)))
    names = [shorten(name, 60) for name in values]
    colours = [ACCENT if name == highlight else PLAIN for name in names]
    drawn = axes.barh(names, list(values.values()), color=colours, height=0.65)
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", visible=False)
    return figure


def contributions(values: Mapping[str, float], base: float, score: float, name: str) -> Figure:
    """What each item of a history adds to the score of `name`, the most on top; base: without any."""
    figure, (axes,) = new_figure(1, 1, (8, 1.1 + 0.32 * len(values)))
    rows = sorted(values.items(), key=lambda row: -row[1])
    names, shares = [shorten(name, 60) for name, _ in rows], [share for _, share in rows]
    colours = [PLAIN if share >= 0 else ACCENT for share in shares]
    drawn = axes.barh(names, shares, color=colours, height=0.65)
    axes.bar_label(drawn, fmt="%+.2f", padding=3)
    axes.axvline(0, color="black", lw=0.8)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel("adds to the score")
    axes.grid(axis="y", visible=False)
    total = sum(shares)
    parts = f"{base:.2f} without history {'-+'[total >= 0]} {abs(total):.2f} from the history"
    figure.suptitle(f"{shorten(name, 60)}\nscore {score:.2f} = {parts}", size=11)
    return figure


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def new_figure(
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of `size` inches and its axes, row by row, with a light grid and half a frame."""
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure, list(grid.flat)


def add_legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def _intervals(axes: Axes, rows: Sequence[Row], key: str, highlight: str) -> None:
    """Mean and interval of every row, one below the other, with the mean in figures."""
    for place, row in enumerate(rows):
        estimate, colour = row.users[key], _colour(row.name, highlight)
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, lw=2.2, alpha=0.6)
        axes.plot(estimate.mean, place, "o", color=colour, ms=5)
        text = f"{estimate.mean:,.0f}" if abs(estimate.mean) >= 1000 else f"{estimate.mean:.3f}"
        axes.annotate(
            text,
            (estimate.mean, place),
            (0, 5),
            textcoords="offset points",
            ha="center",
            size=7.5,
            color=colour,
        )
    axes.margins(x=0.12)
    axes.set_ylim(len(rows) - 0.5, -0.8)


def _policy_names(axes: Axes, names: Sequence[str], highlight: str) -> None:
    axes.set_yticks(range(len(names)), names)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        if name.startswith(highlight):
            label.set(color=ACCENT, weight="bold")


def _colour(name: str, highlight: str) -> str:
    return ACCENT if name.startswith(highlight) else PLAIN


def coloured(names: Sequence[str], highlight: str) -> list[tuple[int, str]]:
    """Rows with their colours, the highlighted one last, so that it lies on top."""
    others = [row for row, name in enumerate(names) if name != highlight]
    coloured = [(row, CYCLE[place % len(CYCLE)]) for place, row in enumerate(others)]
    return coloured + [(row, ACCENT) for row, name in enumerate(names) if name == highlight]


def _width(name: str, highlight: str) -> float:
    return 2.6 if name == highlight else 1.5


def _apart(points: FloatArray, items: Sequence[int], count: int) -> list[int]:
    """The first `count` items that are a quarter of the picture's height above one another."""
    gap, chosen = np.ptp(points[:, 1]) / 4, list[int]()
    for item in items:
        distances = [abs(points[item, 1] - points[other, 1]) for other in chosen]
        if len(chosen) < count and min(distances, default=np.inf) >= gap:
            chosen.append(item)
    return chosen


def _label(axes: Axes, point: FloatArray, text: str, middle: float) -> None:
    """Mark a point and write beside it, towards the middle of the picture."""
    x, y = float(point[0]), float(point[1])
    side, shift = ("left", 4) if x < middle else ("right", -4)
    axes.plot(x, y, "o", ms=4, color="black")
    written = axes.annotate(text, (x, y), (shift, 3), textcoords="offset points", ha=side, size=7.5)
    written.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
