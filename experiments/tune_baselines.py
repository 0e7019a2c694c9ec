"""Tune one baseline on held-out training data and print the table.

python -m experiments.tune_baselines --baseline ease --protocol session \\
    --set regularisation=5000,20000 history.refused=-0.2,-0.4

catalog, session and engagement hold out 960 training users; rerank and simulator the last 20% of each
user's training ratings. Test users and test ratings are cut off before anything else happens. The
values chosen go into baselines/registry.py. Every combination of --set is tried, on top of what is
already tuned; values are JSON, or words.
"""

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from baselines import registry
from baselines.profile import History
from config import NEW_USERS
from config.command_line import end_when_nobody_reads
from data import load_dataset
from data.ratings import Ratings
from data.splits import hold_out_users, split_by_time, split_users
from envs.simulator import Simulator as RatingModel
from evaluation.protocols.base import EvaluationProtocol
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import NEW_USER_PROTOCOLS, EngagementProtocol

VALIDATION_USERS = 960
KEYS = {
    "catalog": ("precision@5", "precision@10"),
    "session": ("reward@10", "reward@20", "hits@10", "hits@20"),
    "engagement": ("cumulative_reward", "length"),
    "rerank": ("precision@5", "precision@10"),
    "simulator": ("total_reward",),
}


def validation(
    protocol: str, ratings: Ratings, split_seed: int, known: int = 10
) -> EvaluationProtocol:
    """The protocol as played within the training part."""
    if protocol in (*NEW_USERS, "engagement"):
        train = split_users(ratings.n_users)[0]
        ratings = ratings.of_users(train)  # the test users are gone from here on
        fit, held_out = hold_out_users(train, VALIDATION_USERS, split_seed)
        if protocol == "engagement":
            return EngagementProtocol(ratings, RatingModel(ratings), fit, held_out)
        return NEW_USER_PROTOCOLS[protocol](ratings, fit, held_out, window=known)
    ratings = split_by_time(ratings)[0]  # the test ratings are gone from here on
    if protocol == "rerank":
        return RerankProtocol(ratings)
    return SimulatorProtocol(ratings, RatingModel(ratings))


def grid(options: list[str]) -> list[dict[str, Any]]:
    """["a=1,2", "b=x"] -> [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]."""
    keys = [option.split("=", 1)[0] for option in options]
    values = [[_value(text) for text in option.split("=", 1)[1].split(",")] for option in options]
    return [dict(zip(keys, chosen, strict=True)) for chosen in itertools.product(*values)]


def settings(tuned: dict[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """The tuned settings, changed by one row of the grid; "history.x" changes one weight."""
    merged = tuned | {key: value for key, value in chosen.items() if "." not in key}
    weights = {key.split(".")[1]: value for key, value in chosen.items() if "." in key}
    if weights:
        merged["history"] = replace(merged.get("history", History()), **weights)
    return merged


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baseline", required=True)
    parser.add_argument("--protocol", required=True, choices=registry.PROTOCOLS)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=V1,V2")
    parser.add_argument("--known", type=int, default=10, help="in catalog and session")
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--data-root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split-seed", type=int, default=0)
    args = parser.parse_args()
    ratings = load_dataset(args.dataset, args.data_root)
    protocol = validation(args.protocol, ratings, args.split_seed, args.known)
    keys = KEYS[args.protocol]
    tuned = registry.tuned(args.baseline.removesuffix(registry.SUFFIX), args.protocol)
    print(f"{args.baseline}, {args.protocol}, {protocol.n_users} users: {', '.join(keys)}")
    with tempfile.TemporaryDirectory() as kept:  # what the rows of the grid can share
        for chosen in grid(args.set):
            began = time.perf_counter()
            policy = registry.build(
                args.baseline,
                args.protocol,
                protocol.visible,
                seed=args.seed,
                cache_dir=Path(kept),
                settings=settings(tuned, chosen),
            )
            measured = protocol.evaluate(policy)
            row = "  ".join(f"{measured[key].mean():10.4f}" for key in keys)
            print(f"{row}  {time.perf_counter() - began:6.1f} s  {chosen}", flush=True)


if __name__ == "__main__":
    end_when_nobody_reads()
    main()
