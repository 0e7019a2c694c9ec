"""What the paper leaves open: which ratings it hid, and whether its actors tell users apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines import registry
from data import Ratings
from data.observation import IntArray, Observation
from evaluation.metrics import top_k
from evaluation.protocols.known_users import RerankProtocol
from evaluation.report import markdown_table

if TYPE_CHECKING:
    from recommender.drr_policy import DRRPolicy

POLICIES = ("random", "popularity-mean", "pmf", "svd++")
LEAST = (0, 10)  # hidden ratings
CACHE = Path(".cache/baselines")
LENGTH = 10
SATURATED = 0.999  # of tanh: its slope there is 0.002


def readings(ratings: Ratings, published: Mapping[str, Sequence[float]], seed: int) -> str:
    """A line for each reading of re-ranking: precision@5 of simple policies, the paper's first."""
    paper = [f"{published[name][0]:.4f}" if name in published else "" for name in POLICIES]
    rows = [["the paper", *paper]]
    shuffled = with_random_order(ratings, np.random.default_rng(seed))
    for split, log in {"last fifth": ratings, "random fifth": shuffled}.items():
        visible = RerankProtocol(log).visible
        policies = [
            registry.build(name, "rerank", visible, seed=seed, cache_dir=CACHE) for name in POLICIES
        ]
        for least in LEAST:
            protocol = RerankProtocol(log, with_hidden(log, least))
            means = [protocol.evaluate(policy)["precision@5"].mean() for policy in policies]
            reading = f"{split}, {protocol.n_users:,} users with {least} or more"
            rows.append([reading, *(f"{mean:.4f}" for mean in means)])
    return markdown_table([["hidden ratings", *POLICIES], *rows])


def with_random_order(ratings: Ratings, rng: np.random.Generator) -> Ratings:
    """The same ratings in a random order within each user, so that a split by time is random."""
    order = np.lexsort((rng.random(ratings.n_ratings), ratings.users))
    return replace(ratings, items=ratings.items[order], values=ratings.values[order])


def with_hidden(ratings: Ratings, least: int, fraction: float = 0.8) -> IntArray:
    """Users with ratings of whom at least so many are hidden."""
    hidden = ratings.lengths - (fraction * ratings.lengths).astype(np.int64)
    return np.flatnonzero((ratings.lengths > 0) & (hidden >= least))


def saturation(ratings: Ratings, runs: Mapping[str, Sequence[Path]]) -> str:
    """How far each actor's tanh is saturated, how alike its lists are; means over seeds.

    Every run is asked for one list of ten for each user of `rerank`, from the whole catalogue.
    """
    from recommender.run_choice import load_run

    protocol = RerankProtocol(ratings)
    start = protocol.start(np.arange(protocol.n_users))
    rows = [
        ["run", f"components beyond ±{SATURATED}", "standard deviation over users"]
        + ["items that two lists share"]
    ]
    for name, folders in runs.items():
        policies = [load_run(name, folder, ratings) for folder in folders]
        means = np.mean([alikeness(policy, start) for policy in policies], axis=0)
        rows.append([name, *(f"{value:.3f}" for value in means)])
    return markdown_table(rows)


def alikeness(policy: "DRRPolicy", start: Observation) -> tuple[float, float, float]:
    """Share of saturated components; their mean standard deviation over users; overlap of lists."""
    actions, items = policy.actions(start), policy.agent.table.items
    lists = top_k(actions @ items.T, LENGTH)
    saturated = float((np.abs(actions) > SATURATED).mean())
    return saturated, float(actions.std(axis=0).mean()), overlap(lists, len(items))


def overlap(lists: IntArray, n_items: int) -> float:
    """Mean share of the items of one list [k] that another has, over all pairs of lists [B, k]."""
    shown = np.bincount(lists.ravel(), minlength=n_items).astype(float)
    n_users, k = lists.shape
    return float((shown * (shown - 1)).sum() / (n_users * (n_users - 1) * k))
