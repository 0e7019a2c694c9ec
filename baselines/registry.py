"""Baselines by name: which exist for a protocol, how each is tuned, and how to build one."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baselines import fit_cache
from baselines.ensemble import ColdStart
from baselines.profile import History
from config import NEW_USERS, Boredom
from data.policy import Adaptive, Policy
from data.ratings import Ratings

Parameters = dict[str, Any]
PROTOCOLS = ("catalog", "session", "engagement", "rerank", "simulator")
RATED = ("catalog", "session", "rerank", "simulator")  # where only what was rated pays
SUFFIX = "-adaptive"
DEMOGRAPHICS = "-demographics"


@dataclass(frozen=True)
class Entry:
    """Where a baseline's class lives, and in which protocols it and its adaptive form exist.

    The module is imported when the baseline is built, so that those on TensorFlow cost nothing
    until then. prior: whose order is shown to those of whom nothing is known. A form with
    demographics is an entry of its own.
    """

    module: str
    cls: str
    adaptive_in: tuple[str, ...] = ()
    only_in: tuple[str, ...] = RATED
    prior: str | None = "popularity"
    strength: float = 3.0  # of the prior, see ColdStart


SEQUENTIAL = ("session", "rerank", "simulator")
LEAVING = ("engagement",)
BLENDED = ("rerank", "simulator", *LEAVING)
BY_GROUP = "popularity-demographics"
ENTRIES = {
    "random": Entry("popularity", "RandomOrder", (), PROTOCOLS, None),
    "popularity": Entry("popularity", "Popularity", (), PROTOCOLS, None),
    "popularity-demographics": Entry("popularity", "PopularityByGroup", (), NEW_USERS, None),
    "popularity-mean": Entry("popularity", "PopularityMean", (), PROTOCOLS, None),
    "trending": Entry("popularity", "Trending", (), NEW_USERS, None),
    "trending-demographics": Entry("popularity", "Trending", (), NEW_USERS, None),
    "item-knn": Entry("item_based", "ItemKNN", SEQUENTIAL),
    "user-knn": Entry("user_knn", "UserKNN", ("session",)),
    "ease": Entry("item_based", "EASE", SEQUENTIAL),
    "pure-svd": Entry("item_based", "PureSVD", ("session",)),
    "ridge": Entry("item_based", "Ridge", ("session", *LEAVING), PROTOCOLS),
    "ridge-demographics": Entry("item_based", "Ridge", ("session",), NEW_USERS, BY_GROUP, 10.0),
    "pmf": Entry("factors", "PMF", ("rerank", "simulator")),
    "mf": Entry("factors", "MF", (*SEQUENTIAL, *LEAVING), PROTOCOLS),
    "svd++": Entry("factors", "SVDpp", ("rerank", "simulator")),
    "blend": Entry("ensemble", "Ensemble", BLENDED, BLENDED),
    "ensemble": Entry("ensemble", "Ensemble", ("session",), NEW_USERS),
    "ensemble-demographics": Entry("ensemble", "Ensemble", ("session",), NEW_USERS, BY_GROUP),
    "session-ridge": Entry("session_ridge", "SessionRidge", ("session",), NEW_USERS, None),
    "session-ridge-demographics": Entry(
        "session_ridge", "SessionRidge", ("session",), NEW_USERS, None
    ),
    "session-ridge-knn": Entry("ensemble", "Ensemble", ("session",), NEW_USERS, None),
    "session-ridge-knn-demographics": Entry("ensemble", "Ensemble", ("session",), NEW_USERS, None),
    "ials": Entry("ials", "IALS", ("session",)),
    "two-tower": Entry("network_baselines", "TwoTower", SEQUENTIAL),
    "two-tower-demographics": Entry("network_baselines", "TwoTower", SEQUENTIAL, RATED, BY_GROUP),
    "sasrec": Entry("sasrec", "SASRec", ("session",), NEW_USERS),
    "mf-mmr": Entry("factors", "GenreMMR", (), LEAVING),
    "mf-mmr-price": Entry("factors", "GenreMMR", (), LEAVING),
    "mf-foresight": Entry("factors", "Foresight", (), LEAVING),
    "linucb": Entry("bandits", "LinUCB", (), ("simulator",)),
    "hlinucb": Entry("bandits", "HLinUCB", (), ("simulator",)),
}

# Tuned hyper-parameters by protocol, found by `experiments.tune_baselines`; docs/evaluation.md says how
# each was chosen. catalog and session were tuned on 960 held-out training users, rerank and simulator
# on held-out training time; the part a protocol tests on played no role. What is not listed is the
# class's own default.
IALS: Parameters = {"k": 64, "alpha": 5.0, "regularisation": 100.0}
RIDGE: Parameters = {"regularisation": 300.0, "history": History(decay=0.9, other=0.3)}
SESSION_HISTORY = History(decay=0.9, other=0.3, refused=-0.6)
REFUSING = History(decay=0.9, refused=-0.4)
REFUSING_SLOWLY = History(decay=0.95, refused=-0.4)
WITH_GROUPS: Parameters = {"demographics": 0.5}
USER_KNN: Parameters = {"neighbours": 100, "shrink": 20.0}
TWO_TOWER: Parameters = {"window": 5, "positive_window": True}
RERANK_BLEND: Parameters = {
    "members": tuple(("svd++", {"k": k}) for k in (20, 20, 12, 30, 30)),
    "standardise": False,
}
ENGAGEMENT_BLEND: Parameters = {
    "members": tuple(("mf", {"k": k}) for k in (8, 12, 16, 20, 30)),
    "standardise": False,
}
TUNED: dict[str, dict[str, Parameters]] = {
    "item-knn": {
        "catalog": {"shrink": 20.0, "history": History(decay=0.9, other=0.2)},
        "session": {"shrink": 50.0, "history": REFUSING_SLOWLY},
        "rerank": {"shrink": 100.0, "values": "residuals"},
    },
    "ease": {
        "catalog": {"regularisation": 20_000.0, "history": History(decay=0.9)},
        "session": {"regularisation": 4_000.0, "history": History(decay=0.95, refused=-0.35)},
        "rerank": {"regularisation": 2_000.0, "values": "residuals"},
    },
    "user-knn": {
        "catalog": USER_KNN | {"history": History(decay=0.9)},
        "session": USER_KNN | {"history": REFUSING},
    },
    "pure-svd": {
        "catalog": {"k": 30, "damping": 0.35, "history": History(decay=0.9)},
        "session": {"k": 50, "damping": 0.25, "history": REFUSING},
        "rerank": {"k": 20, "values": "residuals"},
    },
    "ridge": {
        "catalog": RIDGE,
        "session": RIDGE | {"history": SESSION_HISTORY},
    },
    "ridge-demographics": {
        "catalog": RIDGE | WITH_GROUPS,
        "session": RIDGE | WITH_GROUPS | {"history": SESSION_HISTORY},
    },
    "session-ridge-demographics": {key: {"demographics": True} for key in NEW_USERS},
    "trending": {key: {"half_life": 104.0} for key in NEW_USERS},
    "trending-demographics": {
        key: {"half_life": 104.0, "by_age": True, "shrink": 1000.0} for key in NEW_USERS
    },
    "mf": {
        "engagement": {"k": 20},
        "rerank": {"k": 12, "per_rating": 0.02, "sweeps": 20},
        "simulator": {"k": 20, "per_rating": 0.02},
    },
    "pmf": {"rerank": {"k": 20, "regularisation": 8.0, "per_rating": 0.06}},
    "ials": {
        "catalog": IALS | {"history": History(decay=0.9)},
        "session": IALS | {"history": History(decay=0.9, refused=-0.6)},
    },
    "blend": {
        "engagement": ENGAGEMENT_BLEND,
        "rerank": RERANK_BLEND,
        "simulator": RERANK_BLEND,
    },
    "mf-mmr": {"engagement": {"k": 20}},
    "mf-mmr-price": {"engagement": {"k": 20, "price": 0.05}},
    "mf-foresight": {"engagement": {"k": 20}},
    "two-tower": {
        "rerank": TWO_TOWER | {"among": "rated"},
        "simulator": TWO_TOWER,
    },
}
for _name in ("item-knn", "ease", "pure-svd", "pmf"):  # both are about the value of a rating
    TUNED[_name]["simulator"] = TUNED[_name]["rerank"]
TUNED["two-tower-demographics"] = {
    _protocol: TUNED["two-tower"].get(_protocol, {}) | {"demographics": True}
    for _protocol in PROTOCOLS
}

# Ensembles: their members with settings, and weights.
SESSION_RIDGE: Parameters = RIDGE | {
    "values": "gains",
    "history": replace(SESSION_HISTORY, refused=-0.4),
}
SESSION_MEMBERS: tuple[tuple[str, Parameters], ...] = (
    ("user-knn", TUNED["user-knn"]["session"] | {"values": "gains"}),
    ("item-knn", TUNED["item-knn"]["session"]),
    ("ease", {"regularisation": 4_000.0, "history": REFUSING_SLOWLY}),
)
TUNED["ensemble"] = {
    "catalog": {
        "members": (
            ("ridge", RIDGE),
            ("item-knn", TUNED["item-knn"]["catalog"]),
            ("user-knn", TUNED["user-knn"]["catalog"]),
            ("ease", TUNED["ease"]["catalog"]),
        ),
        "weights": (1.0, 0.7, 0.2, 0.2),
    },
    "session": {
        "members": (("ridge", SESSION_RIDGE), *SESSION_MEMBERS),
        "weights": (0.5, 1.0, 1.0, 0.5),
    },
}
TUNED["ensemble-demographics"] = {
    "catalog": {
        "members": (
            ("ridge", TUNED["ridge-demographics"]["catalog"]),
            ("ridge", RIDGE | {"k": 200, "regularisation": 600.0, "demographics": 1.0}),
            ("item-knn", TUNED["item-knn"]["catalog"]),
            ("ease", {"regularisation": 10_000.0, "history": History(decay=0.9)}),
            ("user-knn", TUNED["user-knn"]["catalog"]),
            ("popularity-demographics", {"popularity": 0.0}),
        ),
        "weights": (0.7, 1.0, 0.4, 0.4, 0.2, 1.0),
    },
    "session": {
        "members": (("ridge", SESSION_RIDGE | WITH_GROUPS), *SESSION_MEMBERS),
        "weights": (0.5, 1.0, 1.0, 0.5),
    },
}
for _name, _groups in {"session-ridge-knn": False, "session-ridge-knn-demographics": True}.items():
    _members = ("session-ridge", {"demographics": _groups}), *SESSION_MEMBERS[:2]
    _blend: Parameters = {"members": _members, "weights": (1.0, 0.2, 0.3)}
    TUNED[_name] = {"catalog": _blend, "session": _blend}


def names(protocol: str) -> list[str]:
    """Every baseline defined for a protocol, an adaptive form after its static one."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: got {protocol!r}, choose from {', '.join(PROTOCOLS)}")
    found = []
    for name, entry in ENTRIES.items():
        if protocol in entry.only_in:
            found.append(name)
            found += [name + SUFFIX] if protocol in entry.adaptive_in else []
    return found


def comparable(found: Sequence[str], demographics: bool) -> list[str]:
    """Of these names, the rows of one table: with demographics where such a form exists, or without.

    Popularity, which other papers report, is in both.
    """
    with_groups = [name for name in found if DEMOGRAPHICS in name]
    without = {name.replace(DEMOGRAPHICS, "") for name in with_groups} - {"popularity"}
    left_out = without if demographics else with_groups
    return [name for name in found if name not in left_out]


def build(
    name: str,
    protocol: str,
    visible: Ratings,
    *,
    seed: int = 0,
    cache_dir: Path | None = None,
    boredom: Boredom | None = None,
    settings: Parameters | None = None,
) -> Policy:
    """A baseline fitted on `visible`, by default with the settings tuned for the protocol.

    What takes time to fit is read from and written to `cache_dir` (baselines/fit_cache.py).
    `boredom` goes to those who are told the rule. Raises ValueError, listing the choices, for a
    name the protocol does not have.
    """
    if name not in names(protocol):
        raise ValueError(f"no baseline {name!r} for {protocol}; choose from {names(protocol)}")
    plain = name.removesuffix(SUFFIX)
    entry = ENTRIES[plain]
    policy = make(plain, tuned(plain, protocol) if settings is None else settings, seed)
    if boredom and hasattr(policy, "boredom"):
        policy.boredom = boredom
    if protocol in NEW_USERS and entry.prior is not None:
        policy = ColdStart(policy, make(entry.prior, {}), entry.strength)
    policy = fit_cache.fit(policy, visible, cache_dir)
    return policy if plain == name else Adaptive(policy)


def tuned(name: str, protocol: str) -> Parameters:
    """What was tuned for a baseline; {} means its defaults."""
    return TUNED.get(name, {}).get(protocol, {})


def make(name: str, settings: Parameters, seed: int = 0) -> Any:
    """An unfitted baseline; an ensemble's members, given as (name, settings), are made too."""
    entry = ENTRIES[name]
    cls = getattr(importlib.import_module(f"baselines.{entry.module}"), entry.cls)
    if "members" in settings:
        members = enumerate(settings["members"])
        made = [make(member, chosen, seed + number) for number, (member, chosen) in members]
        settings = settings | {"members": made}
    policy = cls(**settings)
    if hasattr(policy, "seed"):
        policy.seed = seed
    policy.name = name
    return policy
