"""Long-term value: what an agent that watches the answers gains on its own first list, step by step.

    python -m experiments.long_term_value --weights save_weights/ml-1m
    python -m experiments.long_term_value --cases --protocol catalog --policies popularity ease
    python -m experiments.long_term_value --protocol engagement --policies mf-mmr-price oracle

Plays `session` with the run, with the run's first list whatever the answers are (`drr-static`, a greedy
ranking), and with other policies. Draws rewards and variety of what is shown, prints tables and some
sessions. `--cases` is a case study as the paper's Table VII: what a user liked, and what each policy
shows first. Users are not picked by hand: they stand at quantiles of the run's result. With
`--protocol engagement` the table is about `--users` users, for whom a beam search that knows every
answer says how much could be earned.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import evaluate
from config import ConfigError, CsvConfig, Protocol, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, Ratings, load_dataset
from data.policy import Policy
from evaluation import probes
from evaluation.intervals import over_users
from evaluation.plots import save
from evaluation.protocols.base import EvaluationProtocol, PolicyError, Result
from evaluation.protocols.engagement import EngagementProtocol
from evaluation.report import describe, markdown_table
from experiments.best_sessions import best_rewards
from experiments.markers import FIGURES, write_table
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
    cases: bool = False
    """Only show users' histories beside what every policy shows first, under any protocol."""
    protocol: Protocol = "session"
    """session, or engagement; any for --cases."""
    boredom: tuple[int, int] | None = None
    """N and M, with --protocol engagement; default 10 0."""
    users: int = 100
    """Users for whom the best session is searched, with --protocol engagement."""
    quantiles: tuple[float, ...] = (0.5,)
    """Users shown, by the first run's result: 1 is the best, 0.5 the median, 0 the worst."""
    first: int = 6
    """Recommendations shown of each of them."""
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
    """Replace the tables and the plot of docs/long-term-value.md as well."""


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
    """Play, draw and describe, in Markdown."""
    if not all(0 <= quantile <= 1 for quantile in arguments.quantiles):
        raise ConfigError(f"--quantiles {arguments.quantiles}: must be from 0 to 1")
    if arguments.protocol not in ("session", "engagement") and not arguments.cases:
        raise ConfigError(f"--protocol {arguments.protocol} is for --cases only")
    if arguments.users < 1:
        raise ConfigError(f"--users {arguments.users}: must be at least 1")
    ratings, protocol, policies = prepare(arguments)
    key, shown = protocol.headline_keys[0], (arguments.quantiles, arguments.first)
    if arguments.cases:
        _, results = probes.compare(ratings.name, protocol, policies)
        return cases(ratings, protocol, results, key, *shown)
    if isinstance(protocol, EngagementProtocol):
        return beside_the_best(protocol, policies, arguments.users)
    agent, *others = policies
    static = probes.FixedList(agent)
    results = {policy.name: protocol.run(policy) for policy in (agent, static, *others)}
    draw(arguments, ratings.name, protocol, results, agent.name)
    two = {name: results[name] for name in (agent.name, static.name)}
    tables = {
        "rewards": probes.reward_table(results, agent.name),
        "variety": probes.variety_table(results, protocol.visible),
    }
    for name, text in tables.items() if arguments.write_docs else ():
        write_table(PAGE, name, text)
    sessions = cases(ratings, protocol, two, f"reward@{protocol.steps}", *shown)
    return "\n".join([*tables.values(), sessions])


def prepare(
    arguments: LongTermArguments,
) -> tuple[Ratings, EvaluationProtocol, list[Policy]]:
    """The data, the protocol, and the policies ready to play: the runs, then the others."""
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
    return ratings, protocol, [*policies, *(evaluate.baseline(n, protocol, asked) for n in others)]


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


def draw(
    arguments: LongTermArguments,
    dataset: str,
    protocol: EvaluationProtocol,
    results: Mapping[str, Result],
    agent: str,
) -> None:
    """Rewards and variety by step, into the output folder and, if asked to, the docs."""
    static = results[f"{agent}-static"]
    figure = probes.by_step([*results.values()], static, protocol.visible, agent)
    figure.suptitle(f"{dataset}, session, {protocol.n_users:,} users; 95% intervals over users")
    for folder in (arguments.output_root, *([FIGURES] if arguments.write_docs else [])):
        save(figure, folder / PICTURE)


def cases(
    catalogue: Ratings,
    protocol: EvaluationProtocol,
    results: Mapping[str, Result],
    key: str,
    quantiles: Sequence[float],
    first: int,
) -> str:
    """The users who stand at the quantiles of the first policy's `key`, one after the other."""
    name, result = next(iter(results.items()))
    users = probes.at_quantiles(result.per_user[key], quantiles)
    return "\n".join(
        f"The user at quantile {quantile:g} of {name}'s {key}, {result.per_user[key][user]:.3g}.\n\n"
        + case(catalogue, protocol, results, user, first)
        for quantile, user in zip(quantiles, users, strict=True)
    )


def case(
    catalogue: Ratings,
    protocol: EvaluationProtocol,
    results: Mapping[str, Result],
    user: int,
    first: int,
) -> str:
    """History and first recommendations of evaluated user number `user`, as Markdown tables."""
    start = protocol.start(np.array([user]))
    known = zip(start.window_items[0].tolist(), start.window_ratings[0].tolist(), strict=True)
    history = [f"- {rating:g}  {describe(catalogue, item)}" for item, rating in known if item >= 0]
    head = f"User {catalogue.user_ids[start.users[0]]} rated, the latest last:"
    rows = [["", *results]]
    for rank in range(min(first, protocol.steps)):
        shown = [_shown(catalogue, result, user, rank) for result in results.values()]
        rows.append([str(rank + 1), *shown])
    totals = [f"{result.rewards[user, :first].sum():+.1f}" for result in results.values()]
    return "\n".join([head, "", *history, "", markdown_table([*rows, ["reward", *totals]])])


def _shown(catalogue: Ratings, result: Result, user: int, rank: int) -> str:
    """The user's rating and the item; bold where it is positive, a dash where there is none."""
    item, rating = int(result.items[user, rank]), float(result.ratings[user, rank])
    if item < 0:
        return ""
    name = catalogue.titles[item] if catalogue.titles else f"item {catalogue.item_ids[item]}"
    text = f"{'-' if np.isnan(rating) else f'{rating:.2g}'}  {name}".replace("|", "\\|")
    return f"**{text}**" if rating >= catalogue.positive_threshold else text


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
