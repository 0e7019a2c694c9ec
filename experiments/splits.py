"""What the paper leaves open about its offline protocol, and how far that moves simple policies.

    python -m experiments.splits

Re-ranking as in tables II and IV, once with each user's last fifth of the ratings hidden and once with
a random fifth; over everybody, and over those with so many hidden ratings. Written between its markers
in docs/paper.md.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from baselines import registry
from config.command_line import end_when_nobody_reads
from data import Ratings, load_dataset
from data.observation import IntArray
from evaluation.protocols.known_users import RerankProtocol
from experiments.leaderboard import fill
from experiments.paper import TABLES, Study

POLICIES = ("random", "popularity", "popularity-mean", "pmf", "svd++")
KEYS = ("precision@5", "precision@10")
LEAST = (0, 7, 10)  # hidden ratings; with fewer than 10, precision@10 cannot reach 1


@dataclass(frozen=True)
class Arguments:
    """Measure simple policies under several readings of the paper's protocol."""

    datasets: tuple[Literal["ml-100k", "ml-1m"], ...] = ("ml-100k", "ml-1m")
    """A table each."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    seed: int = 0
    """Of the random split and the policies."""
    cache_dir: Path = Path(".cache/baselines")
    """Where trained baselines are kept between calls."""
    docs: Path = Path("docs/paper.md")
    """Page whose tables are replaced."""


def main(arguments: Arguments) -> None:
    """Measure, write."""
    for study in (*TABLES[2], *TABLES[4]):
        if study.dataset not in arguments.datasets:
            continue
        ratings = load_dataset(study.dataset, arguments.data_root)
        table = as_markdown(study, measure(ratings, arguments))
        print(table)
        fill(arguments.docs, f"splits {study.dataset}", table)


def measure(ratings: Ratings, arguments: Arguments) -> dict[str, list[str]]:
    """{reading: one cell per policy}."""
    mixed = shuffled(ratings, np.random.default_rng(arguments.seed))
    rows: dict[str, list[str]] = {}
    for split, log in {"last fifth": ratings, "random fifth": mixed}.items():
        visible = RerankProtocol(log).visible
        policies = [
            registry.build(
                name, "rerank", visible, seed=arguments.seed, cache_dir=arguments.cache_dir
            )
            for name in POLICIES
        ]
        for least in LEAST:
            protocol = RerankProtocol(log, with_hidden(log, least))
            results = [protocol.evaluate(policy) for policy in policies]
            cells = [" / ".join(f"{result[key].mean():.4f}" for key in KEYS) for result in results]
            rows[f"{split}, {protocol.n_users:,} users with {least} or more"] = cells
    return rows


def shuffled(ratings: Ratings, rng: np.random.Generator) -> Ratings:
    """The same ratings in a random order within each user, so that a split by time is random."""
    order = np.lexsort((rng.random(ratings.n_ratings), ratings.users))
    return replace(ratings, items=ratings.items[order], values=ratings.values[order])


def with_hidden(ratings: Ratings, least: int, fraction: float = 0.8) -> IntArray:
    """Users with ratings of whom at least so many are hidden."""
    hidden = ratings.lengths - (fraction * ratings.lengths).astype(np.int64)
    return np.flatnonzero((ratings.lengths > 0) & (hidden >= least))


def as_markdown(study: Study, rows: dict[str, list[str]]) -> str:
    """One line per reading, the paper's first."""
    published = [
        " / ".join(f"{value:.4f}" for value in study.paper[name][: len(KEYS)])
        if name in study.paper
        else ""
        for name in POLICIES
    ]
    lines = [
        ["hidden ratings", *POLICIES],
        ["---", *["---:"] * len(POLICIES)],
        ["the paper", *published],
    ]
    lines += [[reading, *cells] for reading, cells in rows.items()]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), ""])


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
