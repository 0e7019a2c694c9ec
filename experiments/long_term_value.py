"""Long-term value: what an agent that watches the answers gains on its own first list, step by step.

    python -m experiments.long_term_value --weights save_weights/ml-1m

Plays `session` with the run, with the run's first list whatever the answers are (`drr-static`, a greedy
ranking), and with other policies. Draws rewards and variety of what is shown, and writes the tables and
some sessions, of users chosen by quantile, between the markers of docs/long-term-value.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg

import evaluate
from config import CsvConfig
from config.command_line import until_nobody_reads
from data import DataError
from evaluation import probes
from evaluation.protocols.base import PolicyError
from experiments.case_study import cases, check_quantiles, prepare
from experiments.leaderboard import fill


@dataclass(frozen=True)
class Arguments:
    """Compare a run with its own static ranking and with other policies, step by step."""

    weights: str = "save_weights/ml-1m"
    """Folder of a trained run, DIR or NAME=DIR."""
    policies: tuple[str, ...] = ("item-knn-adaptive", "user-knn-adaptive", "popularity")
    """Others to compare it with."""
    quantiles: tuple[float, ...] = (1.0, 0.5, 0.0)
    """Sessions shown: the best, the median and the worst user by the run's total reward."""
    first: int = 6
    """Recommendations shown of each of them."""
    dataset: str = "auto"
    """auto (the data of the run), or what train.py --dataset takes."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    cache_dir: str = ".cache/baselines"
    """Where trained baselines are kept between calls."""
    seed: int = 0
    """Of the baselines."""
    figure: Path = Path("docs/figures/long-term-value.png")
    """Picture to write; its ending (png, svg, pdf) decides the kind."""
    docs: Path | None = Path("docs/long-term-value.md")
    """Page whose tables and sessions are replaced."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = tyro.cli(Arguments, args=argv, description=__doc__)
    try:
        page = run(arguments)
    except (evaluate.UsageError, DataError, PolicyError, OSError) as error:
        print(f"long_term_value: {error}", file=sys.stderr)
        return 2
    print(page)
    return 0


def run(arguments: Arguments) -> str:
    """Play, draw and describe; returns what goes into the page."""
    check_quantiles(arguments.quantiles)
    ratings, protocol, (agent, *others) = prepare(
        evaluate.Arguments(
            protocol="session",
            weights=(arguments.weights,),
            policies=arguments.policies,
            dataset=arguments.dataset,
            data_root=arguments.data_root,
            csv=arguments.csv,
            cache_dir=arguments.cache_dir,
            seed=arguments.seed,
        )
    )
    static = probes.FixedList(agent)
    results = {policy.name: protocol.run(policy) for policy in (agent, static, *others)}
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    figure = probes.by_step([*results.values()], results[static.name], protocol.visible, agent.name)
    figure.suptitle(
        f"{ratings.name}, session, {protocol.n_users:,} users; 95% intervals over users"
    )
    FigureCanvasAgg(figure)
    figure.savefig(arguments.figure, dpi=80)
    two = {name: results[name] for name in (agent.name, static.name)}
    key, shown = f"reward@{protocol.steps}", (arguments.quantiles, arguments.first)
    parts = {
        "rewards": probes.reward_table(results, agent.name),
        "variety": probes.variety_table(results, protocol.visible),
        "sessions": cases(ratings, protocol, two, key, *shown),
    }
    for name, text in parts.items():
        fill(arguments.docs, name, text)
    return "\n".join(parts.values())


if __name__ == "__main__":
    with until_nobody_reads():
        sys.exit(main())
