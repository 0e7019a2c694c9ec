"""Long-term value: what an agent that watches the answers gains on its own first list, step by step.

    python -m experiments.long_term_value --weights save_weights/ml-1m
    python -m experiments.long_term_value --protocol engagement --policies mf-mmr-price oracle

Plays `session` with the run, with the run's first list whatever the answers are (`drr-static`, a greedy
ranking), and with other policies; draws and prints their rewards. With `--protocol engagement` the
table is about `--users` users, for whom a beam search that knows every answer says how much could be
earned.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

import evaluate
from config import ConfigError, CsvConfig, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, load_dataset
from data.policy import Policy
from evaluation import probes
from evaluation.intervals import over_users
from evaluation.plots import save
from evaluation.protocols.base import EvaluationProtocol, PolicyError
from evaluation.protocols.engagement import EngagementProtocol
from evaluation.report import FIGURES, markdown_table, write_table
from experiments.best_sessions import best_rewards
from recommender.run_choice import load_run
from training.process import select_device

PAGE, PICTURE = "long-term-value.md", "long-term-value.png"
SHARED = (
    "protocol",
    "boredom",
    "weights",
    "policies",
    "dataset",
    "data_root",
    "csv",
    "cache_dir",
    "seed",
)


@dataclass(frozen=True)
class LongTermArguments:
    """Compare a run with its own static ranking and with other policies, step by step."""

    weights: tuple[str, ...] = ("save_weights/ml-1m",)
    """Folders of trained runs, DIR or NAME=DIR; of several with one name the first is played."""
    policies: tuple[str, ...] = ("item-knn-adaptive", "user-knn-adaptive", "popularity")
    """Others to compare with."""
    protocol: Literal["session", "engagement"] = "session"
    """The agent beside its own first list, or beside the best sessions that can be found."""
    boredom: tuple[int, int] | None = None
    """N and M, with --protocol engagement; default 10 0."""
    users: int = 100
    """Users for whom the best session is searched, with --protocol engagement."""
    dataset: str = "auto"
    """auto (the data of the first run), or what train.py --dataset takes."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    cache_dir: str = ".cache/baselines"
    """Where trained baselines are kept between calls."""
    seed: int = 0
    """Of the baselines."""
    output_root: Path = Path("runs/long-term-value")
    """Where the plot goes."""
    write_docs: bool = False
    """Replace the table and the plot of docs/long-term-value.md as well."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = read_arguments(LongTermArguments, argv, description=__doc__)
    try:
        text = run(arguments)
    except (ConfigError, DataError, PolicyError, OSError) as error:
        print(f"long_term_value: {in_flags(error)}", file=sys.stderr)
        return 2
    print(text)
    return 0


def run(arguments: LongTermArguments) -> str:
    """Play, draw, and describe as a Markdown table."""
    if arguments.users < 1:
        raise ConfigError(f"--users {arguments.users}: must be at least 1")
    dataset, protocol, policies = prepare(arguments)
    if isinstance(protocol, EngagementProtocol):
        return beside_the_best(protocol, policies, arguments.users)
    agent, *others = policies
    static = probes.FixedList(agent)
    results = {policy.name: protocol.run(policy) for policy in (agent, static, *others)}
    figure = probes.by_step([*results.values()], results[static.name], agent.name)
    figure.suptitle(f"{dataset}, session, {protocol.n_users:,} users; 95% intervals over users")
    for folder in (arguments.output_root, *([FIGURES] if arguments.write_docs else [])):
        save(figure, folder / PICTURE)
    table = probes.reward_table(results, agent.name)
    if arguments.write_docs:
        write_table(PAGE, "rewards", table)
    return table


def prepare(arguments: LongTermArguments) -> tuple[str, EvaluationProtocol, list[Policy]]:
    """The data's name, the protocol, and the policies ready to play: the runs, then the others."""
    shared = {name: getattr(arguments, name) for name in SHARED}
    given = evaluate.EvaluateArguments(**shared)
    runs = evaluate.chosen_runs(given)
    if runs:
        select_device("auto")
    asked = evaluate.with_settings_of(runs, given)
    ratings = load_dataset(asked.dataset, asked.data_root, csv=asdict(asked.csv))
    protocol = evaluate.build_protocol(asked, ratings)
    names = evaluate.choose_policies(given.policies, given.protocol, runs)
    policies: list[Policy] = [load_run(name, runs[name][0], ratings) for name in runs]
    others = (name for name in names if name not in runs)
    return (
        ratings.name,
        protocol,
        [*policies, *(evaluate.baseline(n, protocol, asked) for n in others)],
    )


def beside_the_best(protocol: EngagementProtocol, policies: Sequence[Policy], n_users: int) -> str:
    """Rewards of policies and of the best sessions that were found, of some users, in Markdown."""
    chosen = np.linspace(0, protocol.n_users - 1, min(n_users, protocol.n_users)).astype(int)
    rewards = {p.name: protocol.evaluate(p)["cumulative_reward"][chosen] for p in policies}
    rewards["beam search"] = best_rewards(protocol, chosen)
    estimates = over_users(rewards)
    rows = [[name, f"{e.mean:.2f} ({e.low:.2f}, {e.high:.2f})"] for name, e in estimates.items()]
    return f"{protocol.label}, {len(chosen)} users\n\n" + markdown_table(
        [["policy", "cumulative_reward"], *rows]
    )


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
