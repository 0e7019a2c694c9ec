"""The paper's tables and figure with the paper's algorithm: train what is missing, and measure.

    python -m experiments.paper --table 2
    python -m experiments.paper --figure 7
    python -m experiments.paper --study variants saturation splits

Every cell (data set, protocol, state, episode length, seed) is a run of its own. Finished ones are kept
in the output folder, so an interrupted call goes on where it stopped. Tables have the paper's numbers
beside ours.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

import evaluate
from config import Protocol
from config.command_line import end_when_nobody_reads, read_arguments
from data import load_dataset
from evaluation.plots import ACCENT, new_figure, save
from evaluation.protocols.known_users import RerankProtocol
from evaluation.report import BOUND, FIGURES, Report, markdown_table, write_table
from experiments.leaderboard import train_missing
from experiments.paper_readings import SATURATED, alikeness, beside, readings
from recommender.run_choice import load_run

Flags = tuple[str, ...]  # of train.py, beside those that every run has
STATES: dict[str, Flags] = {
    state: ("--agent.state", state) for state in ("drr-n", "drr-p", "drr-u", "drr-ave")
}
ONLINE = "-online"  # what learns on within a session
LENGTHS = (5, 10, 20, 30)  # T in figure 7; the paper's on MovieLens is 10
LENGTH = 10
USERS_AT_ONCE = 32  # of the paper preset; each of their steps has its update
ALIKE = "items that two lists share"
# Changes of DRR-ave in table II, one at a time: which of our choices holds it back?
VARIANTS: dict[str, Flags] = {
    "drr-ave": (),
    "discount-0": ("--agent.discount", "0"),
    "actor-rate-x10": ("--agent.actor-lr", "1e-3"),
    "actor-rate-x0.1": ("--agent.actor-lr", "1e-5"),
    "biased-mf": ("--embedding.kind", "mf"),
}

# With settings from held-out data, by which the critic learns more about actions, and a cure: it keeps
# the actor out of the corners, where tanh has no slope.
EASIER: Flags = ("--embedding.dim", "20", "--agent.discount", "0")
EASIER += ("--agent.noise", "1", "--agent.noise-end", "1")
CURES: dict[str, Flags] = {
    "drr-ave": (),
    "easier": EASIER,
    "easier-inverting": (*EASIER, "--agent.actor-output", "inverted"),
    "easier-penalty": (*EASIER, "--agent.action-penalty", "1"),
}
CURED_IN: dict[Protocol, tuple[str, ...]] = {
    "rerank": ("popularity", "popularity-mean", "svd++"),
    "catalog": ("popularity", "item-knn"),
}


@dataclass(frozen=True)
class PaperTable:
    """One data set of a table: what is measured, and what the paper has for the first keys."""

    dataset: str
    protocol: Protocol
    keys: tuple[str, ...]
    baselines: tuple[str, ...]
    paper: dict[str, tuple[float, ...]]


def _reranked(
    dataset: str, popularity: tuple[float, ...], *others: tuple[float, ...]
) -> tuple[PaperTable, ...]:
    """Precision and NDCG of lists; the paper's popularity is the better of two."""
    names = ("popularity", "popularity-mean", "pmf", "svd++", *STATES)
    paper = dict(zip(names, (popularity, popularity, *others), strict=True))
    keys = ("precision@5", "precision@10", "ndcg_self@5", "ndcg_self@10", "ndcg@5", "ndcg@10")
    return (PaperTable(dataset, "rerank", keys, ("random", *names[:4]), paper),)


def _simulated(dataset: str, *totals: float) -> PaperTable:
    """Total rewards; the paper's agents learn within a session."""
    names = ("linucb", "hlinucb", *STATES)
    paper: dict[str, tuple[float, ...]] = {
        name: (total,) for name, total in zip(names, totals, strict=True)
    }
    paper |= {state + ONLINE: paper[state] for state in STATES}
    baselines = ("random", "popularity", "popularity-mean", *names[:2], "pmf", "mf")
    return PaperTable(dataset, "simulator", ("total_reward", "precision@10"), baselines, paper)


TABLES: dict[int, tuple[PaperTable, ...]] = {
    2: _reranked(
        "ml-100k",
        (0.6933, 0.6012, 0.9104, 0.9008),
        (0.6988, 0.6194, 0.9095, 0.8968),
        (0.7034, 0.6255, 0.9125, 0.8991),
        (0.7185, 0.6387, 0.9147, 0.9004),
        (0.7263, 0.6448, 0.9076, 0.9015),
        (0.7417, 0.6536, 0.9183, 0.9062),
        (0.7887, 0.6935, 0.9255, 0.9046),
    ),
    4: _reranked(
        "ml-1m",
        (0.7141, 0.6181, 0.8906, 0.8738),
        (0.7072, 0.6193, 0.8901, 0.8746),
        (0.7142, 0.6258, 0.9009, 0.8776),
        (0.7151, 0.6221, 0.8902, 0.8751),
        (0.7346, 0.6366, 0.8909, 0.8753),
        (0.7375, 0.6385, 0.8912, 0.8763),
        (0.7693, 0.6594, 0.9112, 0.8980),
    ),
    6: (
        _simulated("ml-100k", 1958, 1475, 2654.5, 2832, 2869, 3251.5),
        _simulated("ml-1m", 30174, 32785.5, 35860, 36653, 37615, 40588),
    ),
}


@dataclass(frozen=True)
class PaperArguments:
    """Train and measure a table, a figure or a study of the paper's algorithm."""

    table: Literal[2, 4, 6] | None = None
    """2: offline re-ranking on ml-100k. 4: the same on ml-1m. 6: simulated online, on both."""
    figure: Literal[7] | None = None
    """7: the episode length T of the training, DRR-ave simulated on ml-100k."""
    study: tuple[Literal["variants", "cures", "saturation", "splits"], ...] = ()
    """variants of table 2's DRR-ave; cures of its saturation; saturation of its actors; splits the
    paper may have meant."""
    datasets: tuple[Literal["ml-100k", "ml-1m"], ...] = ("ml-100k", "ml-1m")
    """For table 6, cures and splits, which of their two parts."""
    seeds: int = 5
    """Training seeds 0 to this."""
    steps: int = 20_000
    """Transitions of one training, with one update each."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    output_root: Path = Path("runs/paper")
    """Where runs are kept."""
    write_docs: bool = False
    """Replace the tables and the figure of docs/paper.md as well."""


def main(arguments: PaperArguments) -> None:
    """Train what is missing, measure, print; everything in the order of the page."""
    if not (arguments.table or arguments.figure or arguments.study):
        raise SystemExit("nothing to do: give --table 2, 4 or 6, --figure 7 or --study NAME")
    for table in TABLES[arguments.table] if arguments.table else ():
        if table.dataset in arguments.datasets or arguments.table != 6:
            report = measure(arguments, table)
            frozen = [row for row in report.rows if not row.name.endswith(ONLINE)]
            in_docs = as_markdown(replace(report, rows=tuple(frozen)), table, table.keys[:1])
            name, text = f"table {arguments.table} {table.dataset}", as_markdown(report, table)
            show(arguments, name, text, in_docs)
    for study in arguments.study:
        STUDIES[study](arguments)
    if arguments.figure:
        lengths(arguments)


def show(arguments: PaperArguments, name: str, table: str, in_docs: str = "") -> None:
    """Print a table, and put it, or a shorter one, between its markers if asked to."""
    print(table)
    if arguments.write_docs:
        write_table("paper.md", name, in_docs or table)


def variants(arguments: PaperArguments) -> None:
    """DRR-ave of table 2 with one setting changed."""
    report = evaluate.run(question(arguments, TABLES[2][0], VARIANTS))
    print(replace(report, keys=("precision@5", "precision@10")).as_markdown())


def cures(arguments: PaperArguments) -> None:
    """DRR-ave with each cure, on every data set, in re-ranking and for new users."""
    columns: dict[str, Report] = {}
    for dataset in arguments.datasets:
        for protocol, baselines in CURED_IN.items():
            table = PaperTable(dataset, protocol, ("precision@5",), baselines, {})
            report = evaluate.run(question(arguments, table, CURES, baselines))
            columns[f"{dataset}, {protocol}"] = replace(report, keys=table.keys)
    names = dict.fromkeys((*itertools.chain(*CURED_IN.values()), *CURES))
    show(arguments, "cures", beside(columns, "precision@5", names))


def saturation(arguments: PaperArguments) -> None:
    """How far the tanh of every actor of table 2 is saturated, and how alike its lists are.

    Every run is asked for one list of ten for each user of `rerank`, from the whole catalogue; means
    over seeds.
    """
    ratings = load_dataset("ml-100k", arguments.data_root)
    protocol = RerankProtocol(ratings)
    start = protocol.start(np.arange(protocol.n_users))
    rows = [["run", f"components beyond ±{SATURATED}", "standard deviation over users", ALIKE]]
    for name, changes in (STATES | VARIANTS | CURES).items():
        means = []
        for seed in range(arguments.seeds):
            folder = train(arguments, TABLES[2][0], name, changes, seed)
            means.append(alikeness(load_run(name, folder, ratings), start))
        rows.append([name, *(f"{value:.3f}" for value in np.mean(means, axis=0))])
    show(arguments, "saturation", markdown_table(rows))


def splits(arguments: PaperArguments) -> None:
    """How far several readings of the offline protocol move simple policies."""
    for table in (*TABLES[2], *TABLES[4]):
        if table.dataset in arguments.datasets:
            ratings = load_dataset(table.dataset, arguments.data_root)
            show(arguments, f"splits {table.dataset}", readings(ratings, table.paper))


def train(
    arguments: PaperArguments, table: PaperTable, name: str, changes: Flags, seed: int
) -> Path:
    """The folder of one cell."""
    name = f"{table.dataset}-{table.protocol}-{name}-{arguments.steps}-seed{seed}"
    options = ["--preset", "paper", "--protocol", table.protocol, "--dataset", table.dataset]
    options += ["--steps", str(arguments.steps), "--seed", str(seed)]
    options += ["--loop.evaluations", "2", "--loop.checkpoints", "0", *changes]
    return train_missing(arguments.output_root, name, options, arguments.data_root)


def measure(arguments: PaperArguments, table: PaperTable) -> Report:
    """Every baseline, and every state with all its seeds; learning within sessions as well."""
    bound = (BOUND,) if table.protocol == "simulator" else ()
    report = evaluate.run(question(arguments, table, STATES, (*table.baselines, *bound)))
    if table.protocol != "simulator":
        return report
    online = question(arguments, table, STATES, suffix=ONLINE)
    rows = evaluate.run(replace(online, agent_mode="online")).rows
    return replace(report, rows=(*report.rows, *rows))


def question(
    arguments: PaperArguments,
    table: PaperTable,
    runs: Mapping[str, Flags],
    baselines: Sequence[str] = (),
    suffix: str = "",
) -> evaluate.EvaluateArguments:
    """What `evaluate.py` is asked about the runs {name: flags}, every seed of which is trained."""
    weights = [
        f"{name}{suffix}={train(arguments, table, name, changes, seed)}"
        for seed in range(arguments.seeds)
        for name, changes in runs.items()
    ]
    return evaluate.EvaluateArguments(
        protocol=table.protocol,
        policies=tuple(baselines),
        weights=tuple(weights),
        known_items=table.protocol == "simulator",
        dataset=table.dataset,
        data_root=arguments.data_root,
    )


def as_markdown(report: Report, table: PaperTable, keys: Sequence[str] = ()) -> str:
    """One line per policy; beside ours the paper's number and, in brackets, ours minus it.

    keys: by default all of the table.
    """
    keys = keys or table.keys
    printed = keys[: len(next(iter(table.paper.values())))]
    head = [name for key in keys for name in ([key, "paper"] if key in printed else [key])]
    rows, lines = {row.name: row for row in report.rows}, [["policy", *head]]
    shown = (*table.baselines, *STATES, *(state + ONLINE for state in STATES), BOUND)
    for name in (name for name in shown if name in rows):
        cells = [rows[name].label]
        for place, key in enumerate(keys):
            cells.append(report.markdown_cell(rows[name], key))
            if key in printed:
                number = table.paper[name][place] if name in table.paper else None
                cells.append(compared(rows[name].users[key].mean, number))
        lines.append(cells)
    title = f"{report.dataset}, {report.protocol}, {report.n_users:,} users; mean [95% interval]"
    return f"{title}\n\n{markdown_table(lines)}"


def compared(ours: float, paper: float | None) -> str:
    """The paper's number and the difference to it, where it has one."""
    if paper is None:
        return ""
    form, signed = (",.0f", "+,.0f") if paper >= 1 else (".4f", "+.4f")
    return f"{paper:{form}} ({ours - paper:{signed}})"


def lengths(arguments: PaperArguments) -> None:
    """DRR-ave trained with several episode lengths, all played for the longest of them; the figure has
    the reward of the first ten steps against the T of the training, with intervals over users."""
    variants = {
        "drr-ave" if length == LENGTH else f"drr-ave-T{length}": (
            *("--env.episode-length", str(length)),
            *("--loop.updates-per-rollout", str(USERS_AT_ONCE * length)),
        )
        for length in LENGTHS
    }
    report = evaluate.run(replace(question(arguments, TABLES[6][0], variants), ks=LENGTHS))
    rows = {row.name: row for row in report.rows}
    keys = tuple(f"reward@{length}" for length in LENGTHS)
    print(replace(report, rows=tuple(rows[name] for name in variants), keys=keys).as_markdown())
    estimates = [rows[name].users[f"reward@{LENGTH}"] for name in variants]
    means = [estimate.mean for estimate in estimates]
    gaps = [[e.mean - e.low for e in estimates], [e.high - e.mean for e in estimates]]
    figure, (axes,) = new_figure(1, 1, (5.0, 3.2))
    axes.errorbar(LENGTHS, means, gaps, color=ACCENT, marker="o", capsize=3)
    axes.set(xlabel="T in training", ylabel=f"reward of {LENGTH} steps", xticks=LENGTHS)
    for folder in (arguments.output_root, *([FIGURES] if arguments.write_docs else [])):
        save(figure, folder / "paper-figure-7.png")


STUDIES = {"variants": variants, "cures": cures, "saturation": saturation, "splits": splits}


if __name__ == "__main__":
    end_when_nobody_reads()
    main(read_arguments(PaperArguments, description=__doc__))
