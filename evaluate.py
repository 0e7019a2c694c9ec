"""Evaluate policies under one protocol: a table, JSON, Markdown and sample episodes.

    python evaluate.py
    python evaluate.py --protocol session --policies popularity item-knn drr --weights DIR

Prints to stdout; exits with 2 and one message on stderr when it is asked for the impossible.
"""

import difflib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tyro
from rich.console import Console

from baselines import registry
from baselines.item_based import TooLarge
from config import (
    NEW_USERS,
    Boredom,
    Config,
    ConfigError,
    CsvConfig,
    DRRError,
    Protocol,
    Split,
    in_flags,
)
from config.command_line import OF_TRAINING, end_when_nobody_reads, read_arguments
from data import Ratings, load_dataset
from data.files import write_text
from data.policy import Policy
from envs.boredom import warn_of_short_sessions
from evaluation.protocols.base import EvaluationProtocol, Result, check_answerable
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import MAX_STEPS, NEW_USER_PROTOCOLS, EngagementProtocol
from evaluation.report import (
    BOUND,
    Report,
    by_activity,
    check_writable,
    episode,
    print_report,
    summarise,
)
from recommender.run_choice import (
    DRR,
    RUNS,
    Runs,
    check_split,
    default_run,
    load_run,
    name_of_data,
    parse_weights,
    run_settings,
)

ALL = "all"
DEFAULT_BASELINES = ("popularity", "item-knn")
OF_ENGAGEMENT = ("popularity", "mf-mmr-price")  # the same there
ON_TENSORFLOW = ("two-tower", "sasrec")  # names begin with
BASELINES = dict.fromkeys(name for p in registry.PROTOCOLS for name in registry.names(p))
POLICIES_HELP = (
    f"{ALL}, or any of: {', '.join(BASELINES)}, {DRR}, and {BOUND}, the bound, which knows the "
    f"answers. Runs given by --weights are added. Default: {' '.join(DEFAULT_BASELINES)} "
    f"(engagement: {' '.join(OF_ENGAGEMENT)}) and your newest finished run in {RUNS} that fits, else "
    "the released one."
)
# what other programs call it -> what to do instead
ELSEWHERE = {
    flag: f"training has it: python train.py {name}" for flag, name in OF_TRAINING.items()
} | dict.fromkeys(("--model", "--checkpoint", "--run"), "it is --weights")
ELSEWHERE |= dict.fromkeys(("--k", "--top-k", "--topk"), "it is --ks")
Agents = dict[str, list[Any]]  # DRRPolicy of every run; its module loads TensorFlow


@dataclass(frozen=True)
class EvaluateArguments:
    """Compare recommendation policies under one evaluation protocol (docs/evaluation.md)."""

    protocol: Protocol = "catalog"
    """One list for new users, one item at a time, with users who leave when bored, or the paper's
    two; docs/evaluation.md."""
    mode: Literal["inductive", "transductive"] = "inductive"
    """For catalog and session. transductive lets policies see test users' histories: leaky."""
    agent_mode: Literal["frozen", "online"] = "frozen"
    """For simulator. online: runs learn from each answer, and are reset before the next user."""
    known: int | None = None
    """First ratings of new users known at the start; default: the run's, else 10."""
    boredom: tuple[int, int] | None = None
    """For engagement: N and M. A user leaves after an item with a category that occurs more than M
    times among the last N shown before it; default: the run's, else 10 0."""
    split: Split | None = None
    """For catalog and session. time: users who join after a date; default: the run's, else users."""
    demographics: Literal["on", "off"] = "on"
    """off: nobody's are known, not to trained runs either, and all takes the rows without them."""
    known_items: bool = False
    """For simulator. What a user rated before the session may be recommended, as in the paper."""
    by_activity: bool = False
    """Add the means over users with more than 50, 100 and 150 ratings."""
    policies: Annotated[tuple[str, ...] | None, tyro.conf.arg(help=POLICIES_HELP)] = None
    weights: tuple[str, ...] = ()
    """Folders of runs, DIR or NAME=DIR; several with one name (default: drr) are its seeds."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """For trained runs and networks. auto: the first GPU if TensorFlow sees one, else the CPU."""
    dataset: str = "auto"
    """auto (the data of the first run, else ml-1m), or what train.py --dataset takes."""
    allow_other_data: bool = False
    """Evaluate runs on other data than they were trained on; the table says so."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    cache_dir: str = ".cache/baselines"
    """Where trained baselines are kept between calls."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write every metric with its interval here."""
    markdown: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write the table here, for the docs."""
    show_users: int = 0
    """Print this many sample episodes with titles."""
    seed: int = 0
    """Of the baselines and of the bootstrap."""
    ks: tuple[int, ...] = ()
    """List lengths or step counts; default 5 10 (session 10 20, simulator 10). For engagement
    the most steps, default 30."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    try:
        run(read_arguments(EvaluateArguments, argv, prog="evaluate.py", elsewhere=ELSEWHERE))
    except (DRRError, OSError) as error:
        print(f"evaluate: {in_flags(error)}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"evaluate: out of memory ({error!s:.80}); use fewer --policies", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("evaluate: interrupted", file=sys.stderr)
        return 130
    return 0


def run(arguments: EvaluateArguments) -> Report:
    """Evaluate, print and write what the arguments ask for."""
    refuse_contradictions(arguments)
    runs = chosen_runs(arguments)
    known = arguments.demographics == "on"
    names = choose_policies(arguments.policies, arguments.protocol, runs, known)
    if runs or any(name.startswith(ON_TENSORFLOW) for name in names):
        from training.process import select_device

        select_device(arguments.device)  # before anything else imports TensorFlow
    arguments = with_settings_of(runs, arguments)
    ratings = load_dataset(arguments.dataset, arguments.data_root, csv=asdict(arguments.csv))
    if max(arguments.ks, default=0) > ratings.n_items:
        raise ConfigError(f"--ks {max(arguments.ks)}: the catalogue has {ratings.n_items} items")
    data_name = name_of_data(runs, ratings, arguments.allow_other_data)
    ratings = ratings if known else ratings.without_demographics()
    if not ratings.demographics.any():  # nor in the data: forms with them would be copies
        plain = (n if n in runs else n.replace(registry.DEMOGRAPHICS, "") for n in names)
        names = tuple(dict.fromkeys(plain))
    agents: Agents = {
        name: [load_run(name, folder, ratings) for folder in folders]
        for name, folders in runs.items()
    }
    protocol = build_protocol(arguments, ratings)
    check_answerable(protocol, ratings.name)
    if arguments.agent_mode == "online":
        from training.tasks import with_learning

        agents = with_learning(agents, runs, protocol)
    if runs and not arguments.weights:
        print(f"evaluate: {DRR} is {runs[DRR][0]}; another: --weights DIR", file=sys.stderr)
    results: dict[str, list[Result]] = {}
    with Console(stderr=True).status("") as status:
        for place, name in enumerate(names, start=1):
            status.update(f"{place} of {len(names)}: {name}")
            try:
                results[name] = list(_play(name, protocol, agents, arguments))
            except TooLarge as error:
                if ALL not in (arguments.policies or ()):
                    raise ConfigError(f"policy {name!r}: {error}") from error
                print(f"evaluate: {name} is left out: {error}", file=sys.stderr)
    report = summarise(data_name, protocol, results, trained=tuple(runs), seed=arguments.seed)
    if arguments.by_activity:
        report = replace(report, activity=by_activity(protocol, results, ratings, arguments.seed))
    shown = results[next(iter(runs), report.rows[0].name)][0]
    users = range(min(arguments.show_users, protocol.n_users))
    print_report(report, [episode(ratings, protocol, shown, user) for user in users])
    if arguments.json:
        write_text(arguments.json, json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    if arguments.markdown:
        write_text(arguments.markdown, report.as_markdown())
    return report


def chosen_runs(arguments: EvaluateArguments) -> Runs:
    """The runs of --weights; without any the default one, unless other policies are named."""
    if arguments.weights:
        return parse_weights(arguments.weights, arguments.protocol)
    wanted = arguments.policies is None or DRR in arguments.policies
    if not wanted or arguments.mode == "transductive":
        return {}
    return default_run(arguments.protocol, arguments.dataset)


def choose_policies(
    asked: Sequence[str] | None, protocol: str, runs: Runs, demographics: bool = True
) -> tuple[str, ...]:
    """Distinct policy names in the order asked for, then the trained runs, the bound last."""
    baselines = registry.names(protocol)
    known = (*baselines, BOUND)
    if taken := next((name for name in runs if name in (*known, ALL)), None):
        raise ConfigError(f"--weights {taken}=...: that is a baseline's name; choose another")
    names: list[str] = []
    default = OF_ENGAGEMENT if protocol == "engagement" else DEFAULT_BASELINES
    for name in default if asked is None else asked:
        if name == DRR and not runs:
            raise ConfigError(f"policy {DRR!r} needs a trained run: add --weights DIR")
        if name not in (*known, *runs, DRR, ALL):
            choices = dict.fromkeys((*known, DRR, *runs))
            close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
            suggestion = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(
                f"policy {name!r} is unknown here; {suggestion}choose from all, {', '.join(choices)}"
            )
        if registry.DEMOGRAPHICS in name and not demographics:
            raise ConfigError(f"policy {name!r} needs demographics: leave out --demographics off")
        every = (*registry.comparable(baselines, demographics), BOUND)
        names += every if name == ALL else [name] if name in known else []
    if ALL in (asked or ()) and not runs:
        print(f"evaluate: {DRR} is left out, it needs --weights DIR", file=sys.stderr)
    if not (names or runs):
        raise ConfigError("nothing to evaluate: name --policies, or a run with --weights DIR")
    return tuple(sorted(dict.fromkeys([*names, *runs]), key=lambda name: name == BOUND))


def with_settings_of(runs: Runs, arguments: EvaluateArguments) -> EvaluateArguments:
    """What is not given, data and --known, as it is in the first run's config.json."""
    if not runs:
        return arguments
    saved = run_settings(next(iter(runs.values()))[0])
    for name in ("known", "boredom"):
        if getattr(arguments, name) is None:
            arguments = replace(arguments, **{name: getattr(saved, name)})
    if arguments.protocol in NEW_USERS:
        arguments = replace(arguments, split=cast(Split, check_split(runs, arguments.split)))
    root = arguments.data_root or saved.data_root
    of_run = replace(arguments, dataset=saved.dataset, csv=saved.csv, data_root=root)
    return of_run if arguments.dataset == "auto" else arguments


def build_protocol(arguments: EvaluateArguments, ratings: Ratings) -> EvaluationProtocol:
    """The protocol over its default users."""
    ks = arguments.ks or None
    window = Config().known if arguments.known is None else arguments.known
    if arguments.protocol in NEW_USERS:
        kind, split = NEW_USER_PROTOCOLS[arguments.protocol], arguments.split or "users"
        return kind(ratings, mode=arguments.mode, ks=ks, window=window, split=split)
    if arguments.protocol == "rerank":
        return RerankProtocol(ratings, ks=ks)
    from envs.simulator import Simulator

    model = Simulator(ratings)
    if arguments.protocol == "engagement":
        rule, steps = Boredom(*(arguments.boredom or ())), max(ks or (MAX_STEPS,))
        warn_of_short_sessions(ratings.genres, rule, steps)
        return EngagementProtocol(ratings, model, window=window, boredom=rule, max_steps=steps)
    online, known = arguments.agent_mode == "online", arguments.known_items
    return SimulatorProtocol(ratings, model, ks=ks, online=online, known_items=known)


def baseline(name: str, protocol: EvaluationProtocol, arguments: EvaluateArguments) -> Policy:
    """A baseline, or the bound, fitted on what the protocol shows."""
    if name == BOUND:
        return protocol.oracle()
    return registry.build(
        name,
        protocol.name,
        protocol.visible,
        seed=arguments.seed,
        cache_dir=Path(arguments.cache_dir),
        boredom=getattr(protocol, "boredom", None),
    )


def _play(
    name: str, protocol: EvaluationProtocol, agents: Agents, arguments: EvaluateArguments
) -> Iterator[Result]:
    """One result per trained run, or the one of a baseline, whose time includes fitting."""
    for agent in agents.get(name, (None,)):
        began = time.perf_counter()
        policy = agent if agent is not None else baseline(name, protocol, arguments)
        result = protocol.run(policy)
        yield replace(result, policy=name, seconds=time.perf_counter() - began)


def refuse_contradictions(arguments: EvaluateArguments) -> None:
    """Combinations and values that tyro cannot see, before any work."""
    protocol = arguments.protocol
    new_users, leaving = protocol in NEW_USERS, protocol == "engagement"
    transductive, online = arguments.mode == "transductive", arguments.agent_mode == "online"
    refused = {
        f"--dataset is {arguments.dataset!r}: --csv settings need --dataset csv": (
            arguments.dataset != "csv" and arguments.csv != CsvConfig()
        ),
        "--mode transductive is for catalog and session only": transductive and not new_users,
        "--weights: runs are trained without the test users, so they do not belong in a "
        "transductive table; leave out --mode transductive": transductive and arguments.weights,
        f"--agent-mode online and --known-items are for --protocol simulator only, not {protocol}": (
            (online or arguments.known_items) and protocol != "simulator"
        ),
        "--agent-mode online is for trained runs only: add --weights DIR": (
            online and not arguments.weights
        ),
        "--known is for new users only: catalog, session and engagement": (
            arguments.known is not None and not (new_users or leaving)
        ),
        "--split is for catalog and session only": arguments.split and not new_users,
        "--boredom is for --protocol engagement only": arguments.boredom and not leaving,
        f"--ks {' '.join(map(str, arguments.ks))}: engagement takes one number, the most steps": (
            leaving and len(arguments.ks) > 1
        ),
    }
    for message, applies in refused.items():
        if applies:
            raise ConfigError(message)
    least = {"--known": (arguments.known, 0), "--seed": (arguments.seed, 0)}
    least |= {"--show-users": (arguments.show_users, 0), "--ks": (min(arguments.ks, default=1), 1)}
    for flag, (value, bound) in least.items():
        if value is not None and value < bound:
            raise ConfigError(f"{flag} must be at least {bound}, got {value}")
    Boredom(*(arguments.boredom or ()))
    for path in (arguments.json, arguments.markdown):
        if path is not None:
            check_writable(path)


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
