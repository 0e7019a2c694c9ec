"""How fast reading, evaluating and starting are.

    python -m benchmarks.evaluation --json evaluation.json

Users per second that each protocol plays to a baseline (popularity) and to an agent of the default
recipe's size, which scores the whole catalogue again after every answer; the time to read the data
set; and that of `train.py --help`, which must not import TensorFlow.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

import config as settings
from benchmarks.common import DataArguments, Table, conclude, load_ratings, median_seconds
from data import Ratings
from data.policy import Policy
from evaluation.protocols.base import EvaluationProtocol

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Arguments(DataArguments):
    repeats: int = 3
    """Timings of each thing; the median counts."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """auto: the first GPU if TensorFlow sees one, else the CPU."""


def main(arguments: Arguments) -> None:
    """Measure, print, write."""
    from training.process import select_device

    device = select_device(arguments.device)
    ratings = load_ratings(arguments)
    played = protocols(ratings)
    policies = (popularity, agent)
    calls: dict[tuple[str, str], Callable[[], Any]] = {
        (protocol.name, make.__name__): partial(protocol.evaluate, make(ratings, protocol))
        for protocol in played
        for make in policies
    }
    seconds = median_seconds(calls, arguments.repeats)
    rates = {
        protocol.name: {
            make.__name__: protocol.n_users / seconds[protocol.name, make.__name__]
            for make in policies
        }
        for protocol in played
    }
    starting = median_seconds(
        {"read": partial(load_ratings, arguments), "help": show_help}, arguments.repeats
    )
    figures = {
        "device": device,
        "dataset": ratings.name,
        "users_per_s": rates,
        "users": {protocol.name: protocol.n_users for protocol in played},
        "read_s": starting["read"],
        "help_s": starting["help"],
    }
    conclude(arguments.json, figures, tables(figures))


def tables(figures: dict[str, Any]) -> list[Table]:
    """The figures for people."""
    users, rates = figures["users"], figures["users_per_s"]
    return [
        Table(
            "Evaluated users per second",
            ["protocol", "users", *next(iter(rates.values()))],
            [[name, users[name], *rates[name].values()] for name in users],
        ),
        Table(
            "Seconds",
            ["", "s"],
            [
                [f"read {figures['dataset']}", figures["read_s"]],
                ["train.py --help", figures["help_s"]],
            ],
        ),
    ]


def protocols(ratings: Ratings) -> list[EvaluationProtocol]:
    """All four, over their default users."""
    from envs.simulator import Simulator as RatingModel
    from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
    from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol

    return [
        CatalogProtocol(ratings),
        SessionProtocol(ratings),
        RerankProtocol(ratings),
        SimulatorProtocol(ratings, RatingModel(ratings)),
    ]


def popularity(ratings: Ratings, protocol: EvaluationProtocol) -> Policy:
    """A policy that costs nothing."""
    from baselines import registry

    return registry.build("popularity", protocol.name, protocol.visible)


def agent(ratings: Ratings, protocol: EvaluationProtocol) -> Policy:
    """The default recipe's networks, untrained."""
    import embedding
    from recommender import DRRAgent
    from recommender.drr_policy import DRRPolicy

    config = settings.preset("best")
    random = settings.EmbeddingConfig(kind="random", dim=config.embedding.dim)
    table = embedding.fit(random, ratings, config.seed)
    return DRRPolicy(DRRAgent(config.agent, table, ratings, window=config.env.window))


def show_help() -> None:
    """`train.py --help`, in a new process."""
    command = [sys.executable, "train.py", "--help"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
