"""What becomes of policies step by step: rewards, and how varied and well known their items are."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from data.ratings import Ratings
from evaluation import metrics
from evaluation.plots import add_legend, coloured, draw_band, new_figure
from evaluation.policy import FloatArray, IntArray
from evaluation.protocols.base import Result
from evaluation.report import markdown_table
from evaluation.statistics import Estimate, over_users, paired_difference

PARTS = 4  # of a session, in the table of rewards
NOVELTY, GENRES = "novelty of an item, bits", "distance of genres"
DIFFERENT = "different items, all users"


@dataclass(frozen=True)
class Course:
    """Means over users after the last S of T steps, with their 95% intervals: [S] each."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def course(values: FloatArray) -> Course:
    """values [U, S] of users and steps; all steps share the bootstrap's draws."""
    estimates = over_users({str(step): column for step, column in enumerate(values.T)})
    rows = [(estimate.mean, estimate.low, estimate.high) for estimate in estimates.values()]
    return Course(*np.array(rows).T)


def variety(items: IntArray, k: int, visible: Ratings) -> dict[str, FloatArray]:
    """Measures of the first k of items [U, T]: one value per user [U], or for all together [1].

    visible: the ratings that say how well known an item is.
    """
    counts = np.bincount(visible.items, minlength=visible.n_items)
    raters = int((visible.lengths > 0).sum())
    found = {
        "ratings of an item": metrics.mean_popularity_at_k(items, k, counts),
        NOVELTY: metrics.novelty_at_k(items, k, counts, raters),
    }
    if visible.genre_names:
        found[GENRES] = metrics.intra_list_distance_at_k(items, k, visible.genres)
    shown = metrics.exposure(items, k, visible.n_items) > 0
    gini = metrics.gini_at_k(items, k, visible.n_items)
    return found | {DIFFERENT: np.array([shown.sum()]), "Gini of exposure": np.array([gini])}


def courses(result: Result, reference: Result, visible: Ratings) -> dict[str, Course]:
    """Rewards from step 1 on, alone and less `reference`'s; variety from step 2 on."""
    totals, others = (np.cumsum(one.rewards, axis=1) for one in (result, reference))
    steps = range(2, result.items.shape[1] + 1)
    varieties = [variety(result.items, k, visible) for k in steps]
    found = {
        "reward of step t": result.rewards,
        "reward so far": totals,
        f"reward so far, less {reference.policy}'s": totals - others,
    } | {
        f"{name}, so far": np.stack([measures[name] for measures in varieties], axis=1)
        for name in (NOVELTY, GENRES, DIFFERENT)
        if varieties and name in varieties[0]
    }
    return {name: course(values) for name, values in found.items()}


def by_step(
    results: Sequence[Result], reference: Result, visible: Ratings, highlight: str = "drr"
) -> Figure:
    """The courses of all results, one panel for each; bands: 95% intervals over users."""
    found = [courses(result, reference, visible) for result in results]
    names = [result.policy for result in results]
    figure, panels = new_figure(2, 3, (12.5, 7.0))
    for place, (axes, title) in enumerate(zip(panels, found[0], strict=False)):
        for row, colour in coloured(names, highlight):
            line, last = found[row][title], results[row].items.shape[1]
            steps = np.arange(last + 1 - len(line.mean), last + 1)
            draw_band(axes, steps, line.mean, line.low, line.high, colour, names[row])
        axes.set(title=title, xlabel="step t")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if place < 3:
            axes.axhline(0, color="black", lw=0.6)
    for axes in panels[len(found[0]) :]:
        axes.remove()
    add_legend(panels[0])
    return figure


def reward_table(results: Mapping[str, Result], agent: str) -> str:
    """Markdown: the reward of each quarter of the session, then `agent`'s paired lead in it."""
    rewards = {name: _by_part(result.rewards) for name, result in results.items()}
    head = ["", *rewards[agent]]
    rows = [
        [name, *(_text(over_users({part: values})[part], "") for part, values in parts.items())]
        for name, parts in rewards.items()
    ]
    leads = [
        [
            f"{agent} less {name}",
            *(_text(paired_difference(rewards[agent][part], parts[part]), "+") for part in parts),
        ]
        for name, parts in rewards.items()
        if name != agent
    ]
    return markdown_table([head, *rows, *leads])


def variety_table(results: Mapping[str, Result], visible: Ratings) -> str:
    """Markdown: the variety of whole sessions, means over users."""
    measured = {
        name: variety(result.items, result.items.shape[1], visible)
        for name, result in results.items()
    }
    head = ["policy", *next(iter(measured.values()))]
    rows = [
        [name, *(f"{values.mean():,.4g}" for values in row.values())]
        for name, row in measured.items()
    ]
    return markdown_table([head, *rows])


def _by_part(rewards: FloatArray) -> dict[str, FloatArray]:
    """Rewards [U, T] summed within each quarter of the steps, and over all: [U] each."""
    last = rewards.shape[1]
    ends = [last * part // PARTS for part in range(PARTS + 1)]
    spans = [(first, end) for first, end in itertools.pairwise(ends) if first < end]
    return {
        f"steps {first + 1} to {end}": rewards[:, first:end].sum(axis=1)
        for first, end in (*spans, (0, last))
    }


def _text(estimate: Estimate, sign: str) -> str:
    return f"{estimate.mean:{sign}.3f} ({estimate.low:{sign}.3f}, {estimate.high:{sign}.3f})"
