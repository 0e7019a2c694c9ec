"""Tables and plots of docs/performance.md and docs/scaling.md, from what the benchmarks wrote.

    for name in learner environment replay evaluation profile quality growth workers; do
        python -m benchmarks.$name --json benchmarks/results/$name.json
    done
    python -m benchmarks.report

A table replaces what stands between `<!-- name -->` and `<!-- end -->` in its page.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from matplotlib.figure import Figure

from benchmarks import (
    environment,
    evaluation,
    growth,
    learner,
    profile,
    quality,
    replay,
    workers,
)
from benchmarks.common import Table, as_markdown
from config.command_line import until_nobody_reads
from evaluation.plots import ACCENT, CYCLE, PLAIN, add_legend, new_figure

ROOT = Path(__file__).resolve().parents[1]
Tables = Callable[[dict[str, Any]], list[Table]]
PAGES: dict[str, dict[str, Tables]] = {
    "performance": {
        "learner": learner.tables,
        "environment": environment.tables,
        "replay": replay.tables,
        "evaluation": evaluation.tables,
        "profile": profile.tables,
        "quality": quality.tables,
    },
    "scaling": {"growth": growth.tables, "workers": workers.tables},
}


@dataclass(frozen=True)
class Arguments:
    results: Path = ROOT / "benchmarks" / "results"
    """Folder with NAME.json of the benchmarks; those that are missing keep their old table."""
    docs: Path = ROOT / "docs"
    """Folder of the pages whose tables are replaced; plots go to figures/ in it."""


def main(arguments: Arguments) -> None:
    """Replace the tables, draw the plots."""
    (arguments.docs / "figures").mkdir(parents=True, exist_ok=True)
    for page, benchmarks in PAGES.items():
        for name, tables in benchmarks.items():
            path = arguments.results / f"{name}.json"
            if path.is_file():
                insert(arguments.docs, page, name, json.loads(path.read_text("utf-8")), tables)
            else:
                print(f"{path} is missing: python -m benchmarks.{name} --json {path}")


def insert(docs: Path, page: str, name: str, figures: dict[str, Any], tables: Tables) -> None:
    """One benchmark's tables, and its plot, into one page."""
    path = docs / f"{page}.md"
    content = f"{describe(figures['machine'])}\n\n{text(tables(figures))}"
    path.write_text(filled(path.read_text("utf-8"), name, content), "utf-8")
    if name in PLOTS:
        PLOTS[name](figures).savefig(docs / "figures" / f"{page}-{name}.png")


def filled(page: str, name: str, content: str) -> str:
    """The page with `content` between the marks of `name`."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise SystemExit(f"the page has no place for it: <!-- {name} --> ... <!-- end -->")
    return place.sub(lambda found: f"{found[1]}\n{content}\n{found[2]}", page)


def text(tables: list[Table]) -> str:
    """All tables of one benchmark."""
    return "\n".join(as_markdown(table) for table in tables)


def describe(machine: dict[str, Any]) -> str:
    """The machine of the figures."""
    return (
        f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, "
        f"NumPy {machine['numpy']}, TensorFlow {machine['tensorflow']}."
    )


def plot_learner(figures: dict[str, Any]) -> Figure:
    """Shares of the peak by batch size; steps per second end to end."""
    figure, (shares, steps) = new_figure(1, 2, (8, 3.2))
    sizes = [int(size) for size in figures["batch"]]
    lines = {"products_share_of_peak": ("its products alone", PLAIN)}
    lines["share_of_peak"] = ("update", ACCENT)
    for key, (label, colour) in lines.items():
        values = [rates[key] for rates in figures["batch"].values()]
        shares.plot(sizes, values, "o-", color=colour, label=label)
    shares.set_xscale("log", base=2)
    shares.set_xticks(sizes, [str(size) for size in sizes])
    shares.set(xlabel="batch", ylabel="share of the matmul peak", ylim=(0, 1))
    add_legend(shares)
    both = figures["end_to_end"]
    names = ["one user,\neager", f"{both['users']} users,\ncompiled"]
    values = [both["eager_steps_per_s"], both["steps_per_s"]]
    drawn = steps.bar(names, values, color=[PLAIN, ACCENT], width=0.6)
    steps.bar_label(drawn, fmt="{:,.0f}")
    steps.set(yscale="log", ylabel="steps/s, each with an update of 32")
    return figure


def plot_environment(figures: dict[str, Any]) -> Figure:
    """Steps per second by users at once."""
    figure, (axes,) = new_figure(1, 1, (6, 3.2))
    for (name, rates), colour in zip(figures["steps_per_s"].items(), CYCLE, strict=False):
        users = [int(count) for count in rates]
        axes.plot(users, list(rates.values()), "o-", color=colour, label=f"{name} preset")
        eager = figures["eager_steps_per_s"][name]
        axes.plot([1], [eager], "s", color=colour, label=f"{name} preset, eager")
    axes.set(xscale="log", yscale="log", xlabel="users at once", ylabel="environment steps/s")
    add_legend(axes)
    return figure


def plot_quality(figures: dict[str, Any]) -> Figure:
    """Precision against seconds, a point for each length of the run."""
    figure, (axes,) = new_figure(1, 1, (6, 3.2))
    runs = figures["steps"]
    seconds = [run["seconds"] for run in runs.values()]
    precision = [run["catalog_precision@5"] for run in runs.values()]
    axes.plot(seconds, precision, "o-", color=ACCENT)
    for steps, x, y in zip(runs, seconds, precision, strict=True):
        axes.annotate(f"{int(steps):,} steps", (x, y), (4, -12), textcoords="offset points")
    axes.set(xlabel="seconds, cold start to final table", ylabel="catalog precision@5")
    axes.margins(x=0.2, y=0.2)
    return figure


def plot_growth(figures: dict[str, Any]) -> Figure:
    """Times of a step against items and users, and what would be linear and flat; peak memory."""
    figure, axes = new_figure(1, 3, (11, 3.2))
    first = figures["cases"][0]
    for axis, place in zip(("items", "users"), axes, strict=False):
        other = "users" if axis == "items" else "items"
        cases = [case for case in figures["cases"] if case[other] == first[other]]
        sizes = [case[axis] for case in cases]
        for (key, label), colour in zip(growth.STEPS.items(), CYCLE, strict=False):
            times = [case[key] / first[key] for case in cases]
            place.plot(sizes, times, "o-", color=colour, label=label)
        expected = [size / sizes[0] if axis == "items" else 1.0 for size in sizes]
        place.plot(sizes, expected, "--", color="gray", label="expected")
        place.set(xscale="log", yscale="log", xlabel=axis, ylabel="CPU time, first = 1")
        add_legend(place)
    axes[1].set_ylim(0.1, 10)
    ratings = [case["ratings"] for case in figures["cases"]]
    axes[2].plot(ratings, [growth.peak(case) for case in figures["cases"]], "o", color=ACCENT)
    axes[2].set(xscale="log", xlabel="ratings", ylabel="peak memory, GiB")
    axes[2].set_ylim(bottom=0)
    return figure


PLOTS: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "learner": plot_learner,
    "environment": plot_environment,
    "growth": plot_growth,
    "quality": plot_quality,
}


if __name__ == "__main__":
    with until_nobody_reads():
        main(tyro.cli(Arguments, description=__doc__))
