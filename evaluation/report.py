"""Results as a terminal table, JSON, Markdown, and sample episodes with titles."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from data.errors import printable
from data.files import write_text
from data.observation import FloatArray
from data.ratings import Ratings
from evaluation.intervals import Estimate, over_seeds, over_users, paired_difference
from evaluation.metrics import dcg_at_k, discounts, precision_at_k
from evaluation.protocols.base import EvaluationProtocol, Result

BOUND = "oracle"  # knows the answers: shown last, and never the best
MORE_THAN = (50, 100, 150)  # ratings of a user, hidden ones included
DOCS = Path("docs")
FIGURES = DOCS / "figures"


@dataclass(frozen=True)
class Row:
    """One policy's line: estimates over users, over seeds where it has several runs, seconds."""

    name: str
    users: dict[str, Estimate]
    seeds: dict[str, Estimate]
    seconds: float
    told: bool = False  # knows more than a policy may

    @property
    def label(self) -> str:
        """The name in tables, which says what no policy could know: the bound, or who was told."""
        mark = " (told)" if self.told else " (bound)" if self.name == BOUND else ""
        return self.name + mark

    def as_json(self) -> dict[str, Any]:
        """{KEY: {"mean", "ci95"}}, with "seeds" where there are several runs."""
        found = {key: estimate.as_json() for key, estimate in self.users.items()}
        for key, over_runs in self.seeds.items():
            found[key]["seeds"] = over_runs.as_json()
        return found


@dataclass(frozen=True)
class Report:
    """Everything measured under one protocol; rows are sorted, best first, the bound last."""

    dataset: str
    protocol: str
    mode: str
    label: str
    n_users: int
    n_without_relevant: int  # users for whom there is nothing to find
    keys: tuple[str, ...]  # what the table shows; the first one ranks
    rows: tuple[Row, ...]
    differences: dict[str, tuple[str, dict[str, Estimate]]]  # policy -> (baseline, key -> ...)
    rule: Mapping[str, Any] = field(default_factory=dict)  # see EvaluationProtocol
    activity: Mapping[str, Any] = field(default_factory=dict)  # see by_activity

    def best(self, key: str) -> float:
        """The highest mean, those aside who know more than a policy may; NaN without any."""
        fair = (row for row in self.rows if row.name != BOUND and not row.told)
        return max((row.users[key].mean for row in fair), default=float("nan"))

    def as_json(self) -> dict[str, Any]:
        """The documented keys, and `differences`."""
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "mode": self.mode,
            "n_users": self.n_users,
            **self.rule,
            "policies": {row.name: row.as_json() for row in self.rows},
            "differences": {
                name: {"baseline": baseline}
                | {key: estimate.as_json() for key, estimate in estimates.items()}
                for name, (baseline, estimates) in self.differences.items()
            },
        } | ({"by_activity": self.activity} if self.activity else {})

    def as_table(self) -> Table:
        """A rich table that fits 80 columns: the mean, below it the 95% intervals; best in bold."""
        title = f"{self.dataset}, {self.label}, {self.n_users:,} users"
        caption = "below each mean: 95% interval over users"
        if lacking := self.n_without_relevant:
            caption += f"; users with nothing left to find, who count 0: {lacking:,}"
        table = Table(
            title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False
        )
        table.add_column("policy", no_wrap=True)
        for key in self.keys:
            table.add_column(key, justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        for row in self.rows:
            cells = [
                _cell(row, key, self.best(key), "[bold]", "[/bold]", "\n") for key in self.keys
            ]
            table.add_row(row.label, *cells, f"{row.seconds:.1f}s")
        return table

    def as_markdown(self) -> str:
        """The table for the docs, without times, so that the same seeds give the same text."""
        rows = [
            [row.label, *(self.markdown_cell(row, key) for key in self.keys)] for row in self.rows
        ]
        title = f"{self.dataset}, {self.label}, {self.n_users:,} users; mean [95% interval]"
        return f"{title}\n\n{markdown_table([['policy', *self.keys], *rows])}"

    def markdown_cell(self, row: Row, key: str) -> str:
        """One policy's mean with its intervals; the best mean in bold."""
        return _cell(row, key, self.best(key), "**", "**", " ").replace("\n", "<br>")

    def difference_lines(self) -> list[str]:
        """One sentence per trained policy: its paired difference to the best baseline."""
        return [
            f"{name} - {baseline}: "
            + ", ".join(f"{key} {estimates[key].text('+.4f')}" for key in self.keys)
            for name, (baseline, estimates) in self.differences.items()
        ]


class ReportConsole(Console):
    """Leaves a closed pipe to the command; Rich would end it with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head, all columns but the first are right-aligned."""
    lines = [rows[0], ["---", *["---:"] * (len(rows[0]) - 1)], *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_table(page: str, name: str, table: str) -> None:
    """Put a table between the markers of `name` on a page of DOCS; SystemExit where there are none."""
    path = DOCS / page
    text = path.read_text("utf-8")
    place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(text):
        raise SystemExit(f"no place for a table: add <!-- {name} --> and <!-- end --> to {path}")
    write_text(path, place.sub(lambda found: f"{found[1]}{table}{found[2]}", text))


def print_report(report: Report, episodes: Sequence[str] = ()) -> None:
    """The table on the terminal, one line for each paired difference, then sample episodes."""
    console = ReportConsole(highlight=False)
    if not console.is_terminal:  # a file or a pipe is wide, so that no column is folded
        console = ReportConsole(highlight=False, width=160)
    console.print(report.as_table())
    for line in report.difference_lines():
        console.print(line)
    if report.activity:
        console.print(activity_table(report))
    for text in episodes:
        console.print(f"\n{text}", markup=False)


def check_writable(path: Path) -> None:
    """OSError where a report could not be written, said before an hour of work and not after it."""
    if path.is_dir():
        raise OSError(f"cannot write {path}: it is a folder")
    if path.exists() and not path.is_file():  # the rename that ends the writing would replace it
        raise OSError(f"cannot write {path}: it is a pipe or device; name a file")
    if not os.access(path.parent, os.W_OK):
        reason = "permission in" if path.parent.is_dir() else "folder"
        raise OSError(f"cannot write {path}: no {reason} {path.parent}")


def summarise(
    dataset: str,
    protocol: EvaluationProtocol,
    results: Mapping[str, Sequence[Result]],
    *,
    trained: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Intervals, ranking and paired differences from {policy: its runs, one per training seed}.

    `trained` names the policies that are compared with the best of the others. Several runs of a
    policy count for a user with their mean.
    """
    averaged: dict[str, dict[str, FloatArray]] = {}
    rows = []
    for name, runs in results.items():
        measured = [run.per_user for run in runs]
        averaged[name] = {key: np.mean([m[key] for m in measured], axis=0) for key in measured[0]}
        seeds = {
            key: over_seeds([m[key].mean() for m in measured])
            for key in (averaged[name] if len(runs) > 1 else ())
        }
        users, seconds = over_users(averaged[name], seed), sum(run.seconds for run in runs)
        rows.append(Row(name, users, seeds, seconds, name in protocol.told))
    keys = protocol.headline_keys
    rows.sort(key=lambda row: (row.name == BOUND, -row.users[keys[0]].mean, row.name))
    fair = [row.name for row in rows if not row.told and row.name != BOUND]
    baselines = [name for name in fair if name not in trained]
    differences = {}
    for name in trained if baselines else ():
        paired = {
            key: paired_difference(averaged[name][key], averaged[baselines[0]][key], seed)
            for key in averaged[name]
        }
        differences[name] = (baselines[0], paired)
    return Report(
        dataset=dataset,
        protocol=protocol.name,
        mode=protocol.mode,
        label=protocol.label,
        n_users=protocol.n_users,
        n_without_relevant=protocol.n_without_relevant,
        keys=keys,
        rows=tuple(rows),
        differences=differences,
        rule=protocol.rule,
    )


def by_activity(
    protocol: EvaluationProtocol,
    results: Mapping[str, Sequence[Result]],
    ratings: Ratings,
    seed: int = 0,
) -> dict[str, Any]:
    """Means of what the protocol ranks by, for every k, over users who rate much.

    {"50": {"n_users": U, "policies": {NAME: {KEY: {"mean", "ci95"}}}}, ...}: those with more than 50
    ratings and so on; groups without users are left out.
    """
    lengths = ratings.lengths[protocol.eval_users]
    ranked = protocol.headline_keys[0].partition("@")[0]
    keys = [key for key in protocol.headline_keys if key.partition("@")[0] == ranked]
    groups = {}
    for least in MORE_THAN:
        active = lengths > least
        if not active.any():
            break
        policies = {}
        for name, runs in results.items():
            values = {k: np.mean([run.per_user[k][active] for run in runs], axis=0) for k in keys}
            found = over_users(values, seed)
            policies[name] = {key: estimate.as_json() for key, estimate in found.items()}
        groups[str(least)] = {"n_users": int(active.sum()), "policies": policies}
    return groups


def activity_table(report: Report) -> Table:
    """Of each group the mean of every key; policies in the order of the report."""
    groups = report.activity.values()
    keys = next(iter(groups))["policies"][report.rows[0].name].keys()
    title = f"users with more than so many ratings: {', '.join(keys)}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("policy", no_wrap=True)
    for least, group in report.activity.items():
        table.add_column(f"> {least} ({group['n_users']:,} users)", justify="right")
    for row in report.rows:
        found = [group["policies"][row.name] for group in groups]
        table.add_row(row.name, *(" ".join(f"{f[key]['mean']:.4f}" for key in keys) for f in found))
    return table


def episode(catalogue: Ratings, protocol: EvaluationProtocol, result: Result, user: int) -> str:
    """What evaluated user number `user` (0..U-1) liked before, was shown, and how it went."""
    known = protocol.start(np.array([user]))
    shown = result.items[user] >= 0
    items, ratings = result.items[user][shown], result.ratings[user][shown]
    liked = known.window_items[0] >= 0
    lines = [f"User {catalogue.user_ids[known.users[0]]}, {result.policy}", "  history"]
    history = known.window_items[0][liked], known.window_ratings[0][liked]
    for item, rating in zip(*history, strict=True):
        lines.append(f"{_rating(rating):>5s}   {describe(catalogue, int(item))}")
    lines.append("  recommended")
    for rank, (item, rating) in enumerate(zip(items, ratings, strict=True), start=1):
        answer = " " if np.isnan(rating) else _rating(rating)
        mark = "liked" if rating >= catalogue.positive_threshold else ""
        lines.append(f"    {rank:2d} {answer:>4s} {mark:5s} {describe(catalogue, int(item))}")
    k, hits = protocol.steps, result.ratings[[user]] >= catalogue.positive_threshold
    best = k if result.n_relevant is None else min(k, int(result.n_relevant[user]))
    lines.append(
        f"  precision@{k} {precision_at_k(hits, k)[0]:.2f}   DCG {dcg_at_k(hits, k)[0]:.3f}   "
        f"IDCG {discounts(k)[:best].sum():.3f}   reward {result.rewards[user].sum():+.1f}"
    )
    return printable("\n".join(lines))


def describe(catalogue: Ratings, item: int) -> str:
    """Title and genres, or the original id where the data set has no titles."""
    if not catalogue.titles:
        return f"item {catalogue.item_ids[item]}"
    flags = zip(catalogue.genre_names, catalogue.genres[item], strict=True)
    names = ", ".join(name for name, has in flags if has)
    return f"{catalogue.titles[item]} ({names})" if names else catalogue.titles[item]


def _cell(row: Row, key: str, best: float, bold: str, end: str, separator: str) -> str:
    """Mean and interval; a further line over seeds where there are several."""
    users = row.users[key]
    mean = _number(users.mean)
    if users.mean == best:
        mean = f"{bold}{mean}{end}"
    text = f"{mean}{separator}{_interval(users)}"
    if seeds := row.seeds.get(key):
        text += f"\n{seeds.n} seeds {_interval(seeds)}"
    return text


def _interval(estimate: Estimate) -> str:
    """[low high], short enough for four columns on a narrow terminal."""
    return f"[{_short(estimate.low)} {_short(estimate.high)}]"


def _rating(value: float) -> str:
    """At most four characters on scales up to 100: 5, 4.5, -3.2, 0.43, 87."""
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def _short(value: float) -> str:
    """Three digits: .463, -1.90, or thousands without any decimal."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}".replace("0.", ".", 1)


def _number(value: float) -> str:
    """Four decimals, or thousands without any."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}"
