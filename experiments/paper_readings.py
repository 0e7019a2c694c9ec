"""What the paper leaves open: which ratings it hid, and whether its actors tell users apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines import registry
from data import Ratings
from data.observation import Observation
from evaluation.metrics import top_k
from evaluation.protocols.known_users import RerankProtocol
from evaluation.report import Report, markdown_table

SIMPLE = ("random", "popularity-mean", "pmf", "svd++")
LEAST = (0, 10)  # hidden ratings of a user
CACHE = Path(".cache/baselines")
LENGTH = 10  # of a list
SATURATED = 0.999  # of tanh: its slope there is 0.002


def readings(ratings: Ratings, published: Mapping[str, Sequence[float]]) -> str:
    """A line for each reading of re-ranking: precision@5 of simple policies, the paper's first."""
    paper = [f"{published[name][0]:.4f}" if name in published else "" for name in SIMPLE]
    rows = [["the paper", *paper]]
    # in a random order within each user, so that a split by time is random
    order = np.lexsort((np.random.default_rng(0).random(ratings.n_ratings), ratings.users))
    shuffled = replace(ratings, items=ratings.items[order], values=ratings.values[order])
    hidden = ratings.lengths - (0.8 * ratings.lengths).astype(np.int64)
    for split, log in {"last fifth": ratings, "random fifth": shuffled}.items():
        visible = RerankProtocol(log).visible
        policies = [registry.build(name, "rerank", visible, cache_dir=CACHE) for name in SIMPLE]
        for least in LEAST:
            users = np.flatnonzero((ratings.lengths > 0) & (hidden >= least))
            protocol = RerankProtocol(log, users)
            means = [protocol.evaluate(policy)["precision@5"].mean() for policy in policies]
            reading = f"{split}, {protocol.n_users:,} users with {least} or more"
            rows.append([reading, *(f"{mean:.4f}" for mean in means)])
    return markdown_table([["hidden ratings", *SIMPLE], *rows])


def beside(columns: Mapping[str, Report], key: str, names: Iterable[str]) -> str:
    """One metric of the policies called `names` in several reports, each a column."""
    lines = [[key, *columns]]
    for name in names:
        rows = {label: {row.name: row for row in report.rows} for label, report in columns.items()}
        cells = [
            report.markdown_cell(rows[label][name], key) if name in rows[label] else ""
            for label, report in columns.items()
        ]
        lines.append([name, *cells])
    return markdown_table(lines)


def alikeness(policy: Any, start: Observation) -> tuple[float, float, float]:
    """Share of saturated components; their mean standard deviation over users; and the mean share of
    the items of one list that another has, over all pairs of lists."""
    actions, items = policy.actions(start), policy.agent.table.items
    shown = np.bincount(top_k(actions @ items.T, LENGTH).ravel()).astype(float)
    pairs = len(actions) * (len(actions) - 1)
    saturated = float((np.abs(actions) > SATURATED).mean())
    shared = float((shown * (shown - 1)).sum() / (pairs * LENGTH))
    return saturated, float(actions.std(axis=0).mean()), shared
