"""The ranking metric by how much users rate: means over those with more than so many ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from data.observation import BoolArray, FloatArray
from data.ratings import Ratings
from evaluation.intervals import Estimate, over_users
from evaluation.protocols.base import EvaluationProtocol, Result

MORE_THAN = (50, 100, 150)  # ratings of a user, hidden ones included


@dataclass(frozen=True)
class Activity:
    """{more than: (number of users, {policy: {key: estimate}})}; groups without users are left out."""

    keys: tuple[str, ...]
    groups: dict[int, tuple[int, dict[str, dict[str, Estimate]]]]

    def as_json(self) -> dict[str, Any]:
        """{"50": {"n_users": U, "policies": {NAME: {KEY: {"mean", "ci95"}}}}, ...}."""
        return {
            str(least): {
                "n_users": n_users,
                "policies": {
                    name: {key: row[key].as_json() for key in self.keys}
                    for name, row in rows.items()
                },
            }
            for least, (n_users, rows) in self.groups.items()
        }

    def as_table(self, names: Sequence[str]) -> Table:
        """Of each group the mean of every key; policies in the order of `names`."""
        title = f"users with more than so many ratings: {', '.join(self.keys)}"
        table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("policy", no_wrap=True)
        for least, (n_users, _) in self.groups.items():
            table.add_column(f"> {least} ({n_users:,} users)", justify="right")
        for name in names:
            rows = [group[name] for _, group in self.groups.values()]
            cells = [" ".join(f"{row[key].mean:.4f}" for key in self.keys) for row in rows]
            table.add_row(name, *cells)
        return table


def by_activity(
    protocol: EvaluationProtocol,
    results: Mapping[str, Sequence[Result]],
    ratings: Ratings,
    seed: int = 0,
) -> Activity:
    """Means of what the protocol ranks by, for every k."""
    lengths = ratings.lengths[protocol.eval_users]
    ranked = protocol.headline_keys[0].partition("@")[0]
    keys = tuple(key for key in protocol.headline_keys if key.partition("@")[0] == ranked)
    groups = {}
    for least in MORE_THAN:
        active = lengths > least
        if active.any():
            rows = {name: _of(runs, keys, active, seed) for name, runs in results.items()}
            groups[least] = (int(active.sum()), rows)
    return Activity(keys, groups)


def _of(
    runs: Sequence[Result], keys: Sequence[str], active: BoolArray, seed: int
) -> dict[str, Estimate]:
    values: dict[str, FloatArray] = {
        key: np.mean([run.per_user[key][active] for run in runs], axis=0) for key in keys
    }
    return over_users(values, seed)
