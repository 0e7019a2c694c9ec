"""Long-term value: what an agent that watches the answers gains on its own first list, step by step.

    python -m experiments.long_term_value --weights save_weights/ml-1m
    python -m experiments.long_term_value --protocol engagement --policies mf mf-mmr-price \\
        --weights DIR DIR DIR

Plays `session` with the run, with the run's first list whatever the answers are (`drr-static`, a greedy
ranking), and with other policies; draws and prints their rewards. With `--protocol engagement`, where
bored users leave, it sets runs of several discounts side by side; a second table is about `--users`
users, for whom a beam search that knows every answer says how much could be earned.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

import evaluate
from config import ConfigError, CsvConfig, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, Ratings, load_dataset
from data.observation import FloatArray, IntArray, Observation
from data.policy import Policy, scores_at
from evaluation import plots, probes
from evaluation.intervals import over_users
from evaluation.plots import save
from evaluation.protocols.base import EvaluationProtocol, PolicyError, Result
from evaluation.protocols.engagement import LEAVING, EngagementProtocol
from evaluation.report import FIGURES, markdown_table, summarise, write_table
from experiments.best_sessions import best_rewards
from recommender.run_choice import Runs, load_run, run_settings
from training.process import select_device

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
    """Folders of trained runs. session: of several with one name the first is played. engagement:
    those with one discount are its seeds."""
    policies: tuple[str, ...] = ("item-knn-adaptive", "user-knn-adaptive", "popularity")
    """Others to compare with."""
    protocol: Literal["session", "engagement"] = "session"
    """The agent beside its own first list, or by its discount where bored users leave."""
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
    """Replace the plot of docs/long-term-value.md as well, and its table of discounts."""


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
    """Play, draw, and describe as Markdown tables."""
    if arguments.users < 1:
        raise ConfigError(f"--users {arguments.users}: must be at least 1")
    ratings, protocol, runs, others = prepare(arguments)
    if isinstance(protocol, EngagementProtocol):
        name = "engagement"
        table, figure, more = planning(ratings, protocol, runs, others, arguments.users)
    else:
        name, more = "long-term-value", ""
        table, figure = listening(ratings, protocol, runs, others)
    for folder in (arguments.output_root, *([FIGURES] if arguments.write_docs else [])):
        save(figure, folder / f"{name}.png")
    if arguments.write_docs and more:
        write_table("long-term-value.md", "discount", table)
    return table + more


def prepare(
    arguments: LongTermArguments,
) -> tuple[Ratings, EvaluationProtocol, Runs, list[Policy]]:
    """The data, the protocol, the runs, and the other policies ready to play."""
    shared = {name: getattr(arguments, name) for name in SHARED}
    given = evaluate.EvaluateArguments(**shared)
    runs = evaluate.chosen_runs(given)
    if runs:
        select_device("auto")
    asked = evaluate.with_settings_of(runs, given)
    ratings = load_dataset(asked.dataset, asked.data_root, csv=asdict(asked.csv))
    protocol = evaluate.build_protocol(asked, ratings)
    names = evaluate.choose_policies(given.policies, given.protocol, runs)
    others = [evaluate.baseline(name, protocol, asked) for name in names if name not in runs]
    return ratings, protocol, runs, others


def listening(
    ratings: Ratings, protocol: EvaluationProtocol, runs: Runs, others: Sequence[Policy]
) -> tuple[str, Figure]:
    """The rewards of a run, of its own first list and of others, step by step."""
    agent, *more = (load_run(name, folders[0], ratings) for name, folders in runs.items())
    static = probes.FixedList(agent)
    played: list[Policy] = [agent, static, *more, *others]
    results = {policy.name: protocol.run(policy) for policy in played}
    figure = probes.by_step([*results.values()], results[static.name], agent.name)
    figure.suptitle(f"{ratings.name}, session, {protocol.n_users:,} users; 95% intervals")
    return probes.reward_table(results, agent.name), figure


class Told:
    """A policy that is told the rule: it never shows an item that makes the user leave while another
    is left."""

    adaptive = True

    def __init__(self, policy: Policy, protocol: EngagementProtocol) -> None:
        self.name, self.min_window = f"{policy.name}, told", getattr(policy, "min_window", 0)
        self._policy, self._protocol = policy, protocol

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        leaving = LEAVING * self._protocol.would_leave(observation.shown_items, None)
        return scores_at(self._policy.scores(observation, None) - leaving, candidates)


def planning(
    ratings: Ratings,
    protocol: EngagementProtocol,
    runs: Runs,
    others: Sequence[Policy],
    n_users: int,
) -> tuple[str, Figure, str]:
    """Runs by their discount, both ends told the rule as well, beside others; the best sessions."""
    agents: dict[str, list[Policy]] = {}
    for folder in sorted(folder for folders in runs.values() for folder in folders):
        name = f"drr, discount {run_settings(folder).agent.discount:g}"
        agents.setdefault(name, []).append(load_run(name, folder, ratings))
    agents = dict(sorted(agents.items()))
    ends = {name: agents[name] for name in (min(agents), max(agents))}
    told = {f"{name}, told": [Told(p, protocol) for p in seeds] for name, seeds in ends.items()}
    played = agents | told | {policy.name: [policy] for policy in others}
    results = {name: [protocol.run(policy) for policy in each] for name, each in played.items()}
    report = summarise(ratings.name, protocol, results, trained=tuple(agents))
    figure = plots.against_discount(report)
    chosen = np.linspace(0, protocol.n_users - 1, min(n_users, protocol.n_users)).astype(int)
    short = replace(report, keys=report.keys[:2])
    return short.as_markdown(), figure, beside_the_best(protocol, results, chosen)


def beside_the_best(
    protocol: EngagementProtocol, results: Mapping[str, Sequence[Result]], chosen: IntArray
) -> str:
    """The first run's rewards and the best sessions that were found, of some users, in Markdown."""
    rewards = {
        name: runs[0].per_user["cumulative_reward"][chosen] for name, runs in results.items()
    }
    rewards["beam search"] = best_rewards(protocol, chosen)
    estimates = over_users(rewards)
    rows = [[name, f"{e.mean:.2f} ({e.low:.2f}, {e.high:.2f})"] for name, e in estimates.items()]
    return f"\n{protocol.label}, {len(chosen)} users\n\n" + markdown_table(
        [["policy", "cumulative_reward"], *rows]
    )


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
