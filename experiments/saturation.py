"""Does a trained actor tell users apart? How far its tanh is saturated, how alike its lists are.

    python -m experiments.saturation

Asks the runs that `python -m experiments.paper --table 2` and `--variants` have trained for one list of
ten to each user of `rerank`, from the whole catalogue. Written between its markers in docs/paper.md.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from config.command_line import end_when_nobody_reads
from data import load_dataset
from evaluation.policy import FloatArray, IntArray, States
from evaluation.protocols.rerank import Rerank
from evaluation.ranking import top_k
from experiments.leaderboard import fill
from experiments.paper import STATES, VARIANTS
from recommender import DRRAgent
from recommender.state import Observation

LENGTH = 10
SATURATED = 0.999  # of tanh: its slope there is 0.002
HEAD = (
    "run",
    "components beyond ±0.999",
    "standard deviation over users",
    "items that two lists share",
)


@dataclass(frozen=True)
class Arguments:
    """Look at the actions of the paper's re-ranking runs on MovieLens-100K."""

    data_root: str | None = None
    """Folder that holds ml-100k/u.data; default $DRR_DATA_ROOT, else data/."""
    output_root: Path = Path("runs/paper")
    """Where experiments.paper keeps its runs."""
    docs: Path = Path("docs/paper.md")
    """Page whose table is replaced."""


def main(arguments: Arguments) -> None:
    """Every state and variant, the mean over its seeds."""
    ratings = load_dataset("ml-100k", arguments.data_root)
    states = Rerank(ratings).start()
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1))]
    for name in dict.fromkeys((*STATES, *VARIANTS)):
        runs = sorted(arguments.output_root.glob(f"ml-100k-rerank-{name}-*-seed*/metrics.json"))
        if not runs:
            raise SystemExit(
                f"{arguments.output_root}: no run of {name}; train the table and variants"
            )
        agents = [DRRAgent.load(run.parent, catalogue=ratings) for run in runs]
        means = np.mean([measure(agent, states) for agent in agents], axis=0)
        lines.append((name, *(f"{value:.3f}" for value in means)))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    print(table)
    fill(arguments.docs, "saturation", table)


def measure(agent: DRRAgent, states: States) -> tuple[float, float, float]:
    """Share of saturated components; their mean standard deviation over users; overlap of lists."""
    actions = acted(agent, states)
    lists = top_k(actions @ agent.table.items.T, LENGTH)
    saturated = float((np.abs(actions) > SATURATED).mean())
    return saturated, float(actions.std(axis=0).mean()), overlap(lists, states.n_items)


def acted(agent: DRRAgent, states: States) -> FloatArray:
    """pi(s) of all users before the first recommendation [B, k]."""
    profiles = agent.table.fold_in_rows(states.offsets, states.items, states.ratings)
    items, ratings = states.window_items, states.window_ratings
    observation = Observation(states.users, items, ratings, items, np.zeros_like(ratings), profiles)
    actions: FloatArray = agent.act(observation).numpy()
    return actions


def overlap(lists: IntArray, n_items: int) -> float:
    """Mean share of the items of one list [k] that another has, over all pairs of lists [B, k]."""
    shown = np.bincount(lists.ravel(), minlength=n_items).astype(float)
    n_users, k = lists.shape
    return float((shown * (shown - 1)).sum() / (n_users * (n_users - 1) * k))


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
