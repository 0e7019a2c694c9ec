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
from data.observation import FloatArray, IntArray, Observation
from evaluation.metrics import top_k
from evaluation.protocols.known_users import RerankProtocol
from experiments.leaderboard import fill
from experiments.paper import STATES, VARIANTS
from recommender import DRRAgent
from recommender.state import Observation as StateObservation

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
    protocol = RerankProtocol(ratings)
    known = protocol.start(np.arange(protocol.n_users))
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1))]
    for name in dict.fromkeys((*STATES, *VARIANTS)):
        runs = sorted(arguments.output_root.glob(f"ml-100k-rerank-{name}-*-seed*/metrics.json"))
        if not runs:
            raise SystemExit(
                f"{arguments.output_root}: no run of {name}; train the table and variants"
            )
        agents = [DRRAgent.load(run.parent, catalogue=ratings) for run in runs]
        means = np.mean([measure(agent, known) for agent in agents], axis=0)
        lines.append((name, *(f"{value:.3f}" for value in means)))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    print(table)
    fill(arguments.docs, "saturation", table)


def measure(agent: DRRAgent, known: Observation) -> tuple[float, float, float]:
    """Share of saturated components; their mean standard deviation over users; overlap of lists."""
    actions = acted(agent, known)
    lists = top_k(actions @ agent.table.items.T, LENGTH)
    saturated = float((np.abs(actions) > SATURATED).mean())
    return saturated, float(actions.std(axis=0).mean()), overlap(lists, len(agent.table.items))


def acted(agent: DRRAgent, known: Observation) -> FloatArray:
    """pi(s) of all users before the first recommendation [B, k]."""
    profiles = agent.table.fold_in(known.known_items, known.known_ratings)
    items, ratings = known.window_items, known.window_ratings
    state = StateObservation(known.users, items, ratings, items, np.zeros_like(ratings), profiles)
    actions: FloatArray = agent.act(state).numpy()
    return actions


def overlap(lists: IntArray, n_items: int) -> float:
    """Mean share of the items of one list [k] that another has, over all pairs of lists [B, k]."""
    shown = np.bincount(lists.ravel(), minlength=n_items).astype(float)
    n_users, k = lists.shape
    return float((shown * (shown - 1)).sum() / (n_users * (n_users - 1) * k))


if __name__ == "__main__":
    end_when_nobody_reads()
    main(tyro.cli(Arguments, description=__doc__))
