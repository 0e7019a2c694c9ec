"""Evaluate policies under one protocol: a table, JSON, Markdown and sample episodes.

    python evaluate.py --protocol catalog --policies popularity item-knn drr --weights DIR

Prints to stdout; exits with 2 and one message on stderr when it is asked for the impossible.
"""

import difflib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from config import Config, ConfigError, CsvConfig, DRRError, load
from config.command_line import end_when_nobody_reads
from data import DataError, Ratings, load_dataset
from data.files import write_text
from data.policy import Policy
from evaluation.protocols.base import EvaluationProtocol, PolicyError, Result, check_answerable
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol
from evaluation.report import BOUND, Report, episode, make_console, summarise

if TYPE_CHECKING:
    from recommender.drr_policy import DRRPolicy

ProtocolName = Literal["catalog", "session", "rerank", "simulator"]
NEW_USERS = ("catalog", "session")
DRR = "drr"
KNOWN = Config().known
Agents = dict[str, list["DRRPolicy"]]  # one for each run, by the policy's name
ON_TENSORFLOW = {"two-tower", "two-tower-adaptive", "sasrec", "sasrec-adaptive"}


class UsageError(DRRError):
    """The command line asks for something that cannot be done."""


@dataclass(frozen=True)
class Arguments:
    """Compare recommendation policies under one evaluation protocol (docs/evaluation.md)."""

    protocol: ProtocolName = "catalog"
    """catalog: one list for new users. session: the same, one item at a time. rerank: order each
    user's held-out items (the paper's Algorithm 2). simulator: the paper's online evaluation."""
    mode: Literal["inductive", "transductive"] = "inductive"
    """For catalog and session. transductive lets policies see test users' histories: leaky."""
    agent_mode: Literal["frozen", "online"] = "frozen"
    """For simulator. online: the runs of --weights go on learning within a session, one update after
    every answer, and are reset before the next, as in the paper."""
    known: int | None = None
    """For catalog and session, how many of a user's first ratings are known at the start. Default:
    as the first run of --weights was trained for, else 10."""
    policies: tuple[str, ...] = ("popularity", "item-knn")
    """Names, or `all`. Runs given by --weights are always added."""
    weights: tuple[str, ...] = ()
    """Folders of trained runs: DIR, or NAME=DIR. Several with the same name (by default `drr`)
    are seeds of one policy. For catalog and session, inductive."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """For trained runs and networks. auto: the first GPU if TensorFlow sees one, else the CPU."""
    dataset: str = "auto"
    """auto (the data of the first run of --weights, else ml-1m), or what train.py --dataset takes."""
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
    """List lengths or step counts; default 5 10 (session 10 20, simulator 10)."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = tyro.cli(Arguments, args=argv, description=Arguments.__doc__)
    try:
        run(arguments)
    except (UsageError, DataError, PolicyError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"evaluate: out of memory ({error!s:.80}); use fewer --policies", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("evaluate: interrupted", file=sys.stderr)
        return 130
    return 0


def run(arguments: Arguments) -> Report:
    """Evaluate, print and write what the arguments ask for."""
    _check(arguments)
    runs = parse_weights(arguments.weights, arguments.protocol)
    names = choose_policies(arguments.policies, arguments.protocol, runs)
    if runs or ON_TENSORFLOW & set(names):
        _start_tensorflow(arguments.device)
    arguments = with_settings_of(runs, arguments)
    ratings = load_dataset(arguments.dataset, arguments.data_root, csv=asdict(arguments.csv))
    if max(arguments.ks, default=0) > ratings.n_items:
        raise UsageError(f"--ks {max(arguments.ks)}: the catalogue has {ratings.n_items} items")
    agents: Agents = {
        name: [load_run(name, folder, ratings) for folder in folders]
        for name, folders in runs.items()
    }
    protocol = build_protocol(arguments, ratings)
    check_answerable(protocol, ratings.name)
    if arguments.agent_mode == "online":
        agents = with_learning(agents, runs, protocol)
    results: dict[str, list[Result]] = {}
    with Console(stderr=True).status("") as status:
        for name in names:
            status.update(f"{name} ...")
            results[name] = list(_play(name, protocol, agents, arguments))
    report = summarise(ratings.name, protocol, results, trained=tuple(runs), seed=arguments.seed)
    shown = next(iter(runs), report.best_policy)
    _print(report, ratings, protocol, results[shown][0], arguments.show_users)
    _write(report, arguments)
    return report


def _start_tensorflow(device: str) -> None:
    """Choose the device before anything else imports TensorFlow."""
    from training.process import DeviceError, select_device

    try:
        select_device(device)
    except DeviceError as error:
        raise UsageError(str(error)) from error


def parse_weights(weights: Sequence[str], protocol: str) -> dict[str, list[Path]]:
    """{policy name: run folders, one per seed} from DIR and NAME=DIR."""
    runs: dict[str, list[Path]] = {}
    for given in weights:
        name, separator, folder = given.partition("=")
        if not separator or os.sep in name:
            name, folder = DRR, given
        if not name or not folder or not Path(folder).is_dir():
            raise UsageError(f"--weights {given!r}: no such folder; give DIR or NAME=DIR")
        _check_run(Path(folder), protocol)
        runs.setdefault(name, []).append(Path(folder))
    return runs


def with_settings_of(runs: dict[str, list[Path]], arguments: Arguments) -> Arguments:
    """What is not given, data and --known, as it is in the first run's config.json."""
    folder = next((folder for folders in runs.values() for folder in folders), None)
    if folder is None:
        return arguments
    saved = _settings(folder)
    arguments = replace(arguments, known=arguments.known or saved.known)
    if arguments.dataset != "auto":
        return arguments
    root = arguments.data_root or saved.data_root
    return replace(arguments, dataset=saved.dataset, csv=saved.csv, data_root=root)


def choose_policies(
    asked: Sequence[str], protocol: str, runs: dict[str, list[Path]]
) -> tuple[str, ...]:
    """Distinct policy names in the order asked for, the trained runs last."""
    from baselines import registry

    known = (*registry.names(protocol), BOUND)
    if taken := next((name for name in runs if name in (*known, "all")), None):
        raise UsageError(f"--weights {taken}=...: that is a baseline's name; choose another")
    names: list[str] = []
    for name in asked:
        if name == "all":
            names.extend(known)
            if not runs:
                print("evaluate: drr is left out, it needs --weights DIR", file=sys.stderr)
        elif name == DRR and not runs:
            raise UsageError("policy 'drr' needs a trained run: add --weights DIR")
        elif name not in known and name not in runs and name != DRR:
            raise UsageError(_unknown(name, (*known, DRR, *runs)))
        elif name in known:
            names.append(name)
    if not (names or runs):
        raise UsageError("nothing to evaluate: name --policies, or a run with --weights DIR")
    return tuple(dict.fromkeys([*names, *runs]))


def build_protocol(arguments: Arguments, ratings: Ratings) -> EvaluationProtocol:
    """The protocol over its default users."""
    ks = arguments.ks or None
    if arguments.protocol in NEW_USERS:
        kind = CatalogProtocol if arguments.protocol == "catalog" else SessionProtocol
        return kind(ratings, mode=arguments.mode, ks=ks, window=arguments.known or KNOWN)
    if arguments.protocol == "rerank":
        return RerankProtocol(ratings, ks=ks)
    from envs.simulator import Simulator as RatingModel

    return SimulatorProtocol(
        ratings, RatingModel(ratings), ks=ks, online=arguments.agent_mode == "online"
    )


def with_learning(
    agents: Agents, runs: dict[str, list[Path]], protocol: EvaluationProtocol
) -> Agents:
    """The agents of the runs, learning within every session."""
    from training.tasks import online_policy, session_log

    log = session_log(protocol)
    return {
        name: [
            online_policy(agent, _settings(folder), protocol, log)
            for agent, folder in zip(agents[name], folders, strict=True)
        ]
        for name, folders in runs.items()
    }


def _play(
    name: str,
    protocol: EvaluationProtocol,
    agents: Agents,
    arguments: Arguments,
) -> Iterator[Result]:
    """One result per trained run, or the one of a baseline, whose time includes fitting."""
    for agent in agents.get(name, (None,)):
        began = time.perf_counter()
        policy = agent if agent is not None else baseline(name, protocol, arguments)
        result = protocol.run(policy)
        yield replace(result, policy=name, seconds=time.perf_counter() - began)


def baseline(name: str, protocol: EvaluationProtocol, arguments: Arguments) -> Policy:
    from baselines import registry

    if name == BOUND:
        return protocol.oracle()
    return registry.build(
        name,
        protocol.name,
        protocol.visible,
        seed=arguments.seed,
        cache_dir=Path(arguments.cache_dir),
    )


def load_run(name: str, folder: Path, catalogue: Ratings) -> "DRRPolicy":
    """The policy of a trained run; UsageError if its files cannot be used."""
    from recommender import DRRAgent
    from recommender.drr_policy import DRRPolicy

    try:
        return DRRPolicy(DRRAgent.load(folder, catalogue), name)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(f"--weights {folder}: {error}") from error


def _check(arguments: Arguments) -> None:
    """Combinations that tyro cannot see."""
    if arguments.dataset != "csv" and arguments.csv != CsvConfig():
        raise UsageError(f"--dataset is {arguments.dataset!r}: --csv settings need --dataset csv")
    _check_modes(arguments)
    if arguments.known is not None and arguments.protocol not in NEW_USERS:
        raise UsageError(f"--known is for {' and '.join(NEW_USERS)} only")
    if arguments.known is not None and arguments.known < 1:
        raise UsageError(f"--known must be at least 1, got {arguments.known}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must not be negative, got {arguments.seed}")
    if arguments.show_users < 0:
        raise UsageError(f"--show-users must not be negative, got {arguments.show_users}")
    if any(k < 1 for k in arguments.ks):
        raise UsageError(f"--ks must be at least 1, got {arguments.ks}")
    for path in (arguments.json, arguments.markdown):
        if path is not None:
            _check_writable(path)
    cache = Path(arguments.cache_dir)
    if not next(place for place in (cache, *cache.absolute().parents) if place.exists()).is_dir():
        raise UsageError(f"--cache-dir {cache}: is, or lies below, a file; choose another folder")


def _check_modes(arguments: Arguments) -> None:
    """What --mode and --agent-mode go with."""
    if arguments.mode == "transductive" and arguments.protocol not in NEW_USERS:
        raise UsageError(f"--mode transductive is for {' and '.join(NEW_USERS)} only")
    if arguments.mode == "transductive" and arguments.weights:
        raise UsageError(
            "--weights: runs are trained without the test users, so they do not belong in a "
            "transductive table; leave out --mode transductive"
        )
    if arguments.agent_mode == "online" and arguments.protocol != "simulator":
        raise UsageError(
            f"--agent-mode online is for --protocol simulator only, not {arguments.protocol}: "
            "there users answer everything"
        )
    if arguments.agent_mode == "online" and not arguments.weights:
        raise UsageError("--agent-mode online is for trained runs only: add --weights DIR")


def _check_writable(path: Path) -> None:
    """Before an hour of work, not after it."""
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if path.exists() and not path.is_file():  # the rename that ends the writing would replace it
        raise UsageError(f"cannot write {path}: it is a pipe or device; name a file")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {path}: no permission in {path.parent}")


def _settings(folder: Path) -> Config:
    try:
        return load(folder / "config.json")
    except ConfigError as error:
        raise UsageError(f"--weights {folder}: not the folder of a run ({error})") from error


def _check_run(folder: Path, protocol: str) -> None:
    """A run for new users has seen what the splits by time hide, and the reverse."""
    trained_for = _settings(folder).protocol
    if protocol not in (NEW_USERS if trained_for[0] in NEW_USERS else trained_for):
        raise UsageError(
            f"--weights {folder}: trained for {' and '.join(trained_for)}, and has seen ratings that "
            f"{protocol} hides; train one with: python train.py --protocol {protocol}"
        )


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {close[0]!r}? " if close else ""
    choices = ", ".join(dict.fromkeys(known))
    return f"policy {name!r} is unknown here; {suggestion}choose from all, {choices}"


def _print(
    report: Report, ratings: Ratings, protocol: EvaluationProtocol, shown: Result, show_users: int
) -> None:
    console = make_console()
    console.print(report.as_table())
    for line in report.difference_lines():
        console.print(line)
    for user in range(min(show_users, protocol.n_users)):
        console.print(f"\n{episode(ratings, protocol, shown, user)}", markup=False)


def _write(report: Report, arguments: Arguments) -> None:
    texts = {
        arguments.json: json.dumps(report.as_json(), indent=1) + "\n",
        arguments.markdown: report.as_markdown(),
    }
    for path, text in texts.items():
        if path is not None:
            try:
                write_text(path, text)
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror}") from error


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
