"""Plots of a training run's course, and of several runs ("strategies") over one another."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evaluation.figures import CYCLE, add_legend, coloured, new_figure

CurveRow = Mapping[str, float]
PANELS = (  # of one run: title, scalars
    ("Precision and NDCG, held-out users", ("precision@5", "precision@10", "ndcg@5", "ndcg@10")),
    (
        "Reward of an episode",
        ("reward (training)", "session_reward@10", "session_reward@20", "reward@10"),
    ),
    ("Losses", ("critic_loss", "actor_loss")),
    ("Mean action", ("action",)),
    ("Mean Q", ("q",)),
    ("Exploration", ("epsilon", "noise")),
)
COMPARED = (  # of several runs: title, the scalar, or the first of these that a run has
    ("Precision@5, held-out users", ("precision@5",)),
    ("Reward of 10 recommendations, held-out users", ("session_reward@10", "reward@10")),
    ("Reward of a training episode", ("reward",)),
    ("Critic loss", ("critic_loss",)),
    ("Mean action", ("action",)),
    ("Mean Q", ("q",)),
)


def learning_curves(curve: Sequence[CurveRow]) -> Figure:
    """`metrics.json["curve"]` against environment transitions; missing scalars are left out."""
    figure, panels = new_figure(2, 3, (12.5, 6.2))
    for axes, (title, names) in zip(panels, PANELS, strict=True):
        axes.set(title=title, xlabel="transitions")
        for name, colour in zip(names, CYCLE, strict=False):
            steps, values = points(curve, name.removesuffix(" (training)"))
            if len(steps):
                marker = "o" if len(steps) < len(curve) else None
                axes.plot(steps, values, label=name, color=colour, marker=marker, ms=3)
        if len(names) > 1:
            add_legend(axes)
        _scale(axes, logarithmic=title == "Losses")
    return figure


def strategies(runs: Sequence[tuple[str, Sequence[CurveRow]]], highlight: str = "") -> Figure:
    """Learning curves of (name, curve) over one another; runs of one name are its seeds.

    Seeds: their mean at the steps that all of them have, and a band from the lowest to the highest.
    """
    figure, panels = new_figure(2, 3, (12.5, 6.6))
    names = list(dict.fromkeys(name for name, _ in runs))
    for axes, (title, keys) in zip(panels, COMPARED, strict=True):
        axes.set(title=title, xlabel="transitions")
        for place, colour in coloured(names, highlight):
            seeds = [points(curve, *keys) for name, curve in runs if name == names[place]]
            steps, values = _common(seeds)
            if len(steps):
                label = names[place] if len(seeds) == 1 else f"{names[place]} ({len(seeds)} seeds)"
                axes.plot(steps, values.mean(axis=0), color=colour, label=label, lw=1.8)
                low, high = values.min(axis=0), values.max(axis=0)
                axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
        _scale(axes, logarithmic=title == "Critic loss")
    handles, labels = panels[2].get_legend_handles_labels()
    widest = max(map(len, labels), default=0) * 0.08 + 0.6  # inches, with its line
    columns = min(4, max(1, int(figure.get_figwidth() / widest)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def points(curve: Sequence[CurveRow], *keys: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and values of a scalar where it was measured, [M] each: the first key that occurs."""
    key = next((key for key in keys if any(key in row for row in curve)), keys[0])
    rows = [(row["step"], row[key]) for row in curve if key in row]
    steps, values = np.array(rows, np.float64).reshape(-1, 2).T
    return steps.astype(np.int64), values


def _common(
    seeds: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps [M] that all seeds have, and their values there, [seeds, M]."""
    shared = seeds[0][0]
    for steps, _ in seeds[1:]:
        shared = np.intersect1d(shared, steps)
    return shared, np.array([values[np.isin(steps, shared)] for steps, values in seeds])


def _scale(axes: Axes, logarithmic: bool) -> None:
    """Transitions in thousands; losses, where they are positive, on a logarithmic axis."""
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    if logarithmic and axes.lines and axes.dataLim.y0 > 0:
        axes.set_yscale("log")
