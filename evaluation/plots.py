"""Plots of evaluations and of training runs. Each returns a new matplotlib Figure.

The highlighted policy (by default `drr`) has the same colour everywhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from evaluation.intervals import Estimate
from evaluation.report import BOUND, Report

ACCENT, PLAIN, FAINT = "#c8385a", "#4a6fa5", "#c9ced6"
CYCLE = ("#4a6fa5", "#e09f3e", "#5b8e7d", "#8d6a9f", "#7f7f7f", "#2a9d8f")
CurveRow = Mapping[str, float]
PANELS = {  # title, and what its axis shows: scalars
    ("Precision and NDCG, held-out users", "mean over users"): (
        *("precision@5", "precision@10", "ndcg@5", "ndcg@10"),
    ),
    ("Reward of a session", "sum over the episode"): (
        *("session_reward@10", "session_reward@20", "reward@10", "reward"),
    ),
    ("Losses", "mean of the updates"): ("critic_loss", "actor_loss"),
    ("Mean action", "mean component"): ("action",),
    ("Mean Q", "mean of the updates"): ("q",),
    ("Exploration", "probability; noise"): ("epsilon", "noise"),
}


def leaderboard(report: Report, *, hide: Sequence[str] = (BOUND,), title: str = "") -> Figure:
    """One panel for each key: every policy's mean and 95% interval over users, best on top.

    title: the report's own when empty. hide: policies left out, because they stretch the axis.
    """
    keys = report.keys
    rows = [row for row in report.rows if row.name not in hide]
    size = (2.0 + 2.4 * len(keys), 1.3 + 0.34 * len(rows))
    figure, panels = new_figure(1, len(keys), size, sharey=True)
    for axes, key in zip(panels, keys, strict=True):
        for place, row in enumerate(rows):
            estimate, colour = row.users[key], ACCENT if row.name.startswith("drr") else PLAIN
            ends = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
            axes.errorbar(estimate.mean, place, xerr=ends, fmt="o", color=colour)
            text = f"{estimate.mean:,.{3 if abs(estimate.mean) < 1000 else 0}f}"
            axes.text(estimate.mean, place - 0.15, text, ha="center", size=7.5, color=colour)
        axes.set_xlabel(key)
        axes.margins(x=0.12)
    panels[0].set_yticks(range(len(rows)), [row.name for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.8)
    figure.suptitle(f"{title or report.label}: {report.n_users:,} users, 95% intervals")
    return figure


def against_discount(report: Report) -> Figure:
    """Reward and length: rows named "... discount D" against D, the others as lines.

    Bars: 95% intervals over users.
    """
    keys = ("cumulative_reward", "length")
    found = {row.name.split("discount ")[-1]: row for row in report.rows if "discount" in row.name}
    others = [row for row in report.rows if "discount" not in row.name]
    mine = sorted(((float(d), row) for d, row in found.items() if "," not in d), key=lambda x: x[0])
    figure, panels = new_figure(1, len(keys), (4.6 * len(keys), 3.6))
    places = np.arange(len(mine))
    for axes, key in zip(panels, keys, strict=True):
        for place, row in enumerate(others):
            colour = CYCLE[place % len(CYCLE)]
            axes.axhline(row.users[key].mean, color=colour, lw=1.2, ls="--", label=row.label)
        mean, low, high = bounds([row.users[key] for _, row in mine])
        axes.errorbar(places, mean, [mean - low, high - mean], fmt="o-", color=ACCENT, label="DRR")
        axes.set_xticks(places, [f"{discount:g}" for discount, _ in mine])
        axes.set(xlabel="discount", ylabel=key.replace("_", " "), ylim=(0, None))
    add_legend(panels[-1])
    figure.suptitle(f"{report.dataset}, {report.label}: {report.n_users:,} users, 95% intervals")
    return figure


def by_length(report: Report) -> Figure:
    """Metrics against the length of the list k, for every k of the report; bands: 95% intervals."""
    metrics = ("precision", "ndcg")
    figure, panels = new_figure(1, len(metrics), (4.6 * len(metrics), 3.6))
    names = [row.name for row in report.rows]
    for axes, metric in zip(panels, metrics, strict=True):
        found = [key for key in report.keys if key.startswith(f"{metric}@")]
        lengths = sorted(int(key.split("@")[1]) for key in found)
        for row, colour in coloured(names):
            estimates = [report.rows[row].users[f"{metric}@{k}"] for k in lengths]
            draw_band(axes, lengths, estimates, colour, names[row])
        axes.set(xlabel="length of the list k", ylabel=f"{metric}@k")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(panels[0])
    figure.suptitle(f"{report.label}: {report.n_users:,} users, bands: 95% intervals")
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


def learning_curves(curve: Sequence[CurveRow]) -> Figure:
    """The scalars of a run against environment transitions."""
    figure, panels = new_figure(2, 3, (12.5, 6.4))
    for axes, ((title, label), keys) in zip(panels, PANELS.items(), strict=True):
        axes.set(title=title, xlabel="recommendations in training (k: thousand)", ylabel=label)
        for key, colour in zip(keys, CYCLE, strict=False):
            points = [(row["step"], row[key]) for row in curve if key in row]
            if points:
                axes.plot(*np.transpose(points), color=colour, label=key, lw=1.8)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
        if title == "Losses" and axes.lines and axes.dataLim.y0 > 0:
            axes.set_yscale("log")
        add_legend(axes)
    return figure


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def new_figure(
    rows: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of `size` inches and its axes, row by row, with a light grid and half a frame.

    shared: sharex, sharey, as matplotlib has them.
    """
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    return figure, list(grid.flat)


def save(figure: Figure, path: Path) -> None:
    """Draw the figure into a file, whose ending (png, svg, pdf) decides the kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def bounds(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    """Means, lower and upper ends of intervals: [3, M]."""
    return np.array([(each.mean, each.low, each.high) for each in estimates]).T


def draw_band(
    axes: Axes, x: ArrayLike, estimates: Sequence[Estimate], colour: str, label: str
) -> None:
    """A line of means [M] with a band of their intervals."""
    mean, low, high = bounds(estimates)
    axes.plot(x, mean, color=colour, label=label, lw=1.8)
    axes.fill_between(x, low, high, color=colour, alpha=0.14, lw=0)


def add_legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def coloured(names: Sequence[str], highlight: str = "drr") -> list[tuple[int, str]]:
    """Rows with their colours, the highlighted one last, so that it lies on top."""
    others = [row for row, name in enumerate(names) if name != highlight]
    coloured = [(row, CYCLE[place % len(CYCLE)]) for place, row in enumerate(others)]
    return coloured + [(row, ACCENT) for row, name in enumerate(names) if name == highlight]
