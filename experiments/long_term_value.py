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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

import evaluate
from config import Boredom, ConfigError, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, Ratings, load_dataset
from data.observation import FloatArray, IntArray, answer_rewards
from data.policy import Policy
from envs.boredom import bored_of
from evaluation import plots, probes
from evaluation.intervals import over_users, paired_difference
from evaluation.plots import save
from evaluation.protocols.base import EvaluationProtocol, PolicyError, Result
from evaluation.protocols.new_users import EngagementProtocol, Told
from evaluation.report import FIGURES, markdown_table, summarise, write_table
from recommender.run_choice import Runs, load_run, run_settings
from training.process import select_device

WIDTH = 300  # sessions that the beam search follows at once


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
    given = evaluate.EvaluateArguments(
        protocol=arguments.protocol,
        boredom=arguments.boredom,
        policies=arguments.policies,
        weights=arguments.weights,
        dataset=arguments.dataset,
        data_root=arguments.data_root,
    )
    runs = evaluate.chosen_runs(given)
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
    totals = {name: result.rewards.sum(axis=1) for name, result in results.items()}
    rows = [["policy", "reward", f"lead of {agent.name}"]]
    for name, estimate in over_users(totals).items():
        lead = paired_difference(totals[agent.name], totals[name])
        rows.append([name, estimate.text(".2f"), lead.text("+.2f")])
    return markdown_table(rows), figure


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
    table = replace(report, keys=report.keys[:2]).as_markdown()
    return table, figure, beside_the_best(protocol, results, chosen)


def beside_the_best(
    protocol: EngagementProtocol, results: Mapping[str, Sequence[Result]], chosen: IntArray
) -> str:
    """The first run's rewards and the best sessions that were found, of some users, in Markdown."""
    key = protocol.headline_keys[0]
    rewards = {name: runs[0].per_user[key][chosen] for name, runs in results.items()}
    rewards["beam search"] = best_rewards(protocol, chosen)
    rows = [["policy", key], *([name, e.text(".2f")] for name, e in over_users(rewards).items())]
    return f"\n{protocol.label}, {len(chosen)} users\n\n{markdown_table(rows)}"


def best_rewards(protocol: EngagementProtocol, rows: IntArray) -> FloatArray:
    """The best total reward found for evaluated users number `rows` [B]; see `beam_search`."""
    users, everything = protocol.eval_users[rows], np.arange(protocol.visible.n_items)
    items = np.tile(everything, (len(rows), 1))
    rewards = answer_rewards(items, protocol._log(users, items), protocol.visible.scale)
    for row, seen in zip(rewards, protocol.start(rows).known_items, strict=True):
        row[seen[seen >= 0]] = -np.inf
    genres, rule, steps = protocol.visible.genres, protocol.boredom, protocol.steps
    return np.array([beam_search(row, genres, rule, steps) for row in rewards])


def beam_search(rewards: FloatArray, categories: np.ndarray, rule: Boredom, steps: int) -> float:
    """The best total of rewards [I] (-inf: no candidate) in a session of at most `steps` items.

    Items with the same categories [I, G] differ in their reward only, so a session is a sequence of
    kinds, and each kind gives its best items first. Of sessions with the same kinds in another
    order one is kept, of all others the WIDTH best. A lower bound of the optimum, close to it.
    """
    kinds, kind_of = np.unique(categories, axis=0, return_inverse=True)
    best = np.full((len(kinds), steps), -np.inf)
    for kind in range(len(kinds)):
        own = np.sort(rewards[kind_of.ravel() == kind])[::-1][:steps]
        best[kind, : len(own)] = own
    key = np.random.default_rng(0).integers(1, 2**62, len(kinds))  # of a multiset: their sum
    history, totals = np.zeros((1, 0), int), np.zeros(1)
    used, most, columns = np.zeros((1, len(kinds)), int), -np.inf, np.arange(len(kinds))
    for _ in range(steps):
        after = totals[:, None] + best[columns, used]  # [W, K]
        most = max(most, float(after.max()))  # whoever leaves now has earned this
        after[(bored_of(kinds, history, rule) @ kinds.T.astype(int)) > 0] = -np.inf
        places = np.argsort(-after, axis=None)[: 4 * WIDTH]
        places = places[np.isfinite(after.ravel()[places])]
        rows, chosen = np.unravel_index(places, after.shape)
        _, first = np.unique((used @ key)[rows] + key[chosen], return_index=True)
        kept = np.sort(first)[:WIDTH]  # the best come first
        rows, chosen = rows[kept], chosen[kept]
        if not len(rows):
            break
        history = np.column_stack([history[rows], chosen])
        totals, used = after[rows, chosen], used[rows]
        used[np.arange(len(rows)), chosen] += 1
    return most


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
