"""Case study, as the paper's Table VII: what a user liked, and what each policy shows first.

    python -m experiments.case_study --weights save_weights/ml-1m

The users are not picked by hand: they stand at given quantiles of the first policy's result.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tyro

import evaluate
from config import CsvConfig
from config.command_line import until_nobody_reads
from data import DataError, Ratings, load_dataset
from evaluation import probes
from evaluation.policy import Policy
from evaluation.protocols.base import EvaluationProtocol, Result
from evaluation.ranking import PolicyError
from evaluation.report import describe
from training.devices import select_device

# with evaluate.py
SHARED = ("protocol", "weights", "policies", "dataset", "data_root", "csv", "cache_dir", "seed")


@dataclass(frozen=True)
class Arguments:
    """Show users' histories and the first recommendations of several policies side by side."""

    protocol: evaluate.ProtocolName = "session"
    """In session the user's answers reach the policy between two recommendations."""
    weights: tuple[str, ...] = ("save_weights/ml-1m",)
    """Folders of trained runs, DIR or NAME=DIR; of several with one name the first is shown."""
    policies: tuple[str, ...] = ("popularity", "item-knn-adaptive")
    """Others, shown beside the runs."""
    quantiles: tuple[float, ...] = (0.5, 0.9)
    """Users: at the median and the 90th percentile of the first policy's result."""
    first: int = 5
    """Recommendations shown of each policy."""
    dataset: str = "auto"
    """auto (the data of the first run), or what train.py --dataset takes."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    cache_dir: str = ".cache/baselines"
    """Where trained baselines are kept between calls."""
    seed: int = 0
    """Of the baselines."""
    markdown: Path | None = None
    """Write the page here as well."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = tyro.cli(Arguments, args=argv, description=Arguments.__doc__)
    try:
        page = run(arguments)
        if arguments.markdown is not None:
            arguments.markdown.write_text(page, encoding="utf-8")
    except (ConfigError, DataError, PolicyError, OSError) as error:
        print(f"case_study: {error}", file=sys.stderr)
        return 2
    print(page)
    return 0


def run(arguments: Arguments) -> str:
    """Play the policies and describe the chosen users, in Markdown."""
    check_quantiles(arguments.quantiles)
    given = evaluate.Arguments(**{name: getattr(arguments, name) for name in SHARED})
    ratings, protocol, policies = prepare(given)
    _, results = probes.compare(ratings.name, protocol, policies)
    key = protocol.headline_keys[0]
    text = cases(ratings, protocol, results, key, arguments.quantiles, arguments.first)
    return f"# {ratings.name}, {protocol.label}\n\n{text}"


def check_quantiles(quantiles: Sequence[float]) -> None:
    """UsageError where one is none."""
    if not all(0 <= quantile <= 1 for quantile in quantiles):
        raise ConfigError(f"--quantiles {quantiles}: must be from 0 to 1")


def prepare(given: evaluate.Arguments) -> tuple[Ratings, EvaluationProtocol, list[Policy]]:
    """The data, the protocol, and the policies ready to play: the first run of each name first."""
    runs = evaluate.parse_weights(given.weights, given.protocol)
    if runs:
        select_device("auto")
    asked = evaluate.with_settings_of(runs, given)
    ratings = load_dataset(asked.dataset, asked.data_root, csv=asdict(asked.csv))
    protocol = evaluate.build_protocol(asked, ratings)
    chosen = evaluate.choose_policies(given.policies, given.protocol, runs)
    names = (*runs, *(name for name in chosen if name not in runs))
    policies = [
        evaluate.load_run(name, runs[name][0], ratings)
        if name in runs
        else evaluate.baseline(name, protocol, asked)
        for name in names
    ]
    return ratings, protocol, policies


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
    states = protocol.start().select(np.array([user]))
    known = zip(states.window_items[0].tolist(), states.window_ratings[0].tolist(), strict=True)
    history = [f"- {rating:g}  {describe(catalogue, item)}" for item, rating in known if item >= 0]
    lines = [
        f"User {catalogue.user_ids[states.users[0]]} rated, the latest last:",
        "",
        *history,
        "",
    ]
    lines += [_row(["", *results]), _row(["---"] * (1 + len(results)))]
    for rank in range(min(first, protocol.steps)):
        shown = [_shown(catalogue, result, user, rank) for result in results.values()]
        lines.append(_row([str(rank + 1), *shown]))
    totals = [f"{result.rewards[user, :first].sum():+.1f}" for result in results.values()]
    return "\n".join([*lines, _row(["reward", *totals]), ""])


def _shown(catalogue: Ratings, result: Result, user: int, rank: int) -> str:
    """The user's rating and the item; bold where it is positive, a dash where there is none."""
    item, rating = int(result.items[user, rank]), float(result.ratings[user, rank])
    if item < 0:
        return ""
    name = catalogue.titles[item] if catalogue.titles else f"item {catalogue.item_ids[item]}"
    text = f"{'-' if np.isnan(rating) else f'{rating:.2g}'}  {name}".replace("|", "\\|")
    return f"**{text}**" if rating >= catalogue.positive_threshold else text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    with until_nobody_reads():
        sys.exit(main())
