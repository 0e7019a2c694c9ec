"""Baselines by name: which exist for a protocol, how each is tuned, and how to build one."""

import hashlib
import importlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from baselines.profile import History
from config import Boredom
from data.policy import Adaptive, Policy
from data.ratings import Ratings

Parameters = dict[str, Any]
PROTOCOLS = ("catalog", "session", "engagement", "rerank", "simulator")
RATED = ("catalog", "session", "rerank", "simulator")  # where only what was rated pays
SUFFIX = "-adaptive"
CACHE_FORMAT = "2"  # raise it when a trained baseline changes, so that old files are not read


@dataclass(frozen=True)
class Entry:
    """Where a baseline's class lives, and in which protocols its adaptive form exists.

    The module is imported when the baseline is built, so that those on TensorFlow cost nothing
    until then. seeded: takes `seed`. told: takes `boredom`, the rule by which users leave.
    cached: training takes long; arrays() and restore() exist.
    """

    module: str
    cls: str
    adaptive_in: tuple[str, ...] = ()
    only_in: tuple[str, ...] = RATED
    seeded: bool = False
    told: bool = False
    cached: bool = False


SEQUENTIAL = ("session", "rerank", "simulator")
LEAVING = ("engagement",)
ENTRIES = {
    "random": Entry("popularity", "RandomOrder", only_in=PROTOCOLS, seeded=True),
    "popularity": Entry("popularity", "Popularity", only_in=PROTOCOLS),
    "popularity-mean": Entry("popularity", "PopularityMean", only_in=PROTOCOLS),
    "item-knn": Entry("item_based", "ItemKNN", SEQUENTIAL),
    "user-knn": Entry("user_knn", "UserKNN", ("session",)),
    "ease": Entry("item_based", "EASE", SEQUENTIAL),
    "pure-svd": Entry("item_based", "PureSVD", ("session",)),
    "ridge": Entry("item_based", "Ridge", ("session", *LEAVING), PROTOCOLS, seeded=True),
    "pmf": Entry("factors", "PMF", ("rerank", "simulator"), seeded=True),
    "mf": Entry("factors", "MF", (*SEQUENTIAL, *LEAVING), PROTOCOLS, seeded=True),
    "svd++": Entry("factors", "SVDpp", ("rerank", "simulator"), seeded=True, cached=True),
    "blend": Entry(
        "ensemble", "Blend", (*SEQUENTIAL, *LEAVING), PROTOCOLS, seeded=True, cached=True
    ),
    "ials": Entry("ials", "IALS", ("session",), seeded=True, cached=True),
    "two-tower": Entry("network_baselines", "TwoTower", SEQUENTIAL, seeded=True, cached=True),
    "sasrec": Entry(
        "sasrec", "SASRec", ("session",), ("catalog", "session"), seeded=True, cached=True
    ),
    "mf-mmr": Entry("diversity", "GenreMMR", only_in=LEAVING, seeded=True),
    "mf-mmr-price": Entry("diversity", "GenreMMR", only_in=LEAVING, seeded=True),
    "mf-foresight": Entry("diversity", "Foresight", only_in=LEAVING, seeded=True, told=True),
    "linucb": Entry("bandits", "LinUCB", only_in=("simulator",), seeded=True),
    "hlinucb": Entry("bandits", "HLinUCB", only_in=("simulator",), seeded=True),
}

# Tuned hyper-parameters by protocol, found by `experiments.tune_baselines`; docs/evaluation.md says how
# each was chosen. catalog and session were tuned on 960 held-out training users, rerank and simulator
# on held-out training time; the part a protocol tests on played no role. What is not listed is the
# class's own default.
IALS: Parameters = {"k": 64, "alpha": 5.0, "regularisation": 100.0}
RERANK_MF: Parameters = {"k": 12, "per_rating": 0.02, "sweeps": 20}
RERANK_BLEND: Parameters = {"members": tuple(("svd++", {"k": k}) for k in (20, 20, 12, 30, 30))}
CATALOG_BLEND: Parameters = {
    "members": (
        ("ials", {"k": 32, "alpha": 5.0, "regularisation": 100.0}),
        ("ials", {"k": 64, "alpha": 5.0, "regularisation": 100.0}),
        ("ials", {"k": 128, "alpha": 5.0, "regularisation": 100.0}),
        ("mf", {}),
    ),
    "standardise": True,
}
ENGAGEMENT_BLEND: Parameters = {"members": tuple(("mf", {"k": k}) for k in (8, 12, 16, 20, 30))}

TUNED: dict[str, dict[str, Parameters]] = {
    "item-knn": {
        "catalog": {"shrink": 20.0, "history": History(decay=0.9, other=0.2)},
        "session": {"shrink": 50.0, "history": History(decay=0.95, refused=-0.4)},
        "rerank": {"shrink": 100.0, "values": "residuals"},
    },
    "ease": {
        "catalog": {"regularisation": 20_000.0, "history": History(decay=0.9)},
        "session": {"regularisation": 4_000.0, "history": History(decay=0.95, refused=-0.35)},
        "rerank": {"regularisation": 2_000.0, "values": "residuals"},
    },
    "user-knn": {
        "catalog": {"neighbours": 100, "shrink": 20.0, "history": History(decay=0.9)},
        "session": {"neighbours": 100, "shrink": 20.0, "history": History(decay=0.9, refused=-0.4)},
    },
    "pure-svd": {
        "catalog": {"k": 30, "damping": 0.35, "history": History(decay=0.9)},
        "session": {"k": 50, "damping": 0.25, "history": History(decay=0.9, refused=-0.4)},
        "rerank": {"k": 20, "values": "residuals"},
    },
    "ridge": {
        "catalog": {"regularisation": 300.0, "history": History(decay=0.9, other=0.3)},
        "session": {
            "regularisation": 300.0,
            "history": History(decay=0.9, other=0.3, refused=-0.6),
        },
    },
    "mf": {
        "engagement": {"k": 20},
        "rerank": RERANK_MF,
        "simulator": {"k": 20, "per_rating": 0.02},
    },
    "pmf": {"rerank": {"k": 20, "regularisation": 8.0, "per_rating": 0.06}},
    "ials": {
        "catalog": IALS | {"history": History(decay=0.9)},
        "session": IALS | {"history": History(decay=0.9, refused=-0.6)},
    },
    "blend": {
        "catalog": CATALOG_BLEND,
        "session": CATALOG_BLEND,
        "engagement": ENGAGEMENT_BLEND,
        "rerank": RERANK_BLEND,
        "simulator": RERANK_BLEND,
    },
    "mf-mmr": {"engagement": {"k": 20}},
    "mf-mmr-price": {"engagement": {"k": 20, "price": 0.05}},
    "mf-foresight": {"engagement": {"k": 20}},
    "two-tower": {
        "rerank": {"window": 5, "positive_window": True, "among": "rated"},
        "simulator": {"window": 5, "positive_window": True},
    },
}
for _name in ("item-knn", "ease", "pure-svd", "pmf"):  # both are about the value of a rating
    TUNED[_name]["simulator"] = TUNED[_name]["rerank"]


def names(protocol: str) -> list[str]:
    """Every baseline defined for a protocol, an adaptive form after its static one."""
    _check_protocol(protocol)
    found = []
    for name, entry in ENTRIES.items():
        if protocol in entry.only_in:
            found.append(name)
            found += [name + SUFFIX] if protocol in entry.adaptive_in else []
    return found


def build(
    name: str,
    protocol: str,
    visible: Ratings,
    *,
    seed: int = 0,
    cache_dir: Path | None = None,
    boredom: Boredom | None = None,
) -> Policy:
    """A baseline fitted on `visible` with the parameters tuned for the protocol.

    Slow ones are read from and written to `cache_dir`, one file for each name, split and set of
    parameters, defaults and seed included. `boredom` goes to those who are told the rule. Raises
    ValueError, listing the choices, for a name the protocol does not have.
    """
    if name not in names(protocol):
        raise ValueError(f"no baseline {name!r} for {protocol}; choose from {names(protocol)}")
    plain = name.removesuffix(SUFFIX)
    told = {"boredom": boredom} if ENTRIES[plain].told and boredom else {}
    policy = make(plain, parameters(plain, protocol) | told, seed)
    if ENTRIES[plain].cached and cache_dir is not None:
        _fit_cached(policy, visible, _cache_file(cache_dir, plain, policy, visible))
    else:
        policy.fit(visible)
    return policy if plain == name else Adaptive(policy)


def parameters(name: str, protocol: str) -> Parameters:
    """What was tuned for a baseline; {} means its defaults."""
    return TUNED.get(name, {}).get(protocol, {})


def make(name: str, settings: Parameters, seed: int = 0) -> Any:
    """An unfitted baseline; a blend's members, given as (name, settings), are made too."""
    entry = ENTRIES[name]
    cls = getattr(importlib.import_module(f"baselines.{entry.module}"), entry.cls)
    settings = dict(settings)
    if name == "blend":
        members = enumerate(settings.pop("members"))
        made = [make(member, chosen, seed + number) for number, (member, chosen) in members]
        return cls(made, **settings)
    return cls(**settings, seed=seed) if entry.seeded else cls(**settings)


def _check_protocol(protocol: str) -> None:
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: got {protocol!r}, choose from {', '.join(PROTOCOLS)}")


def _cache_file(folder: Path, name: str, unfitted: Any, visible: Ratings) -> Path:
    key = "\n".join([CACHE_FORMAT, name, _settings(unfitted), visible.fingerprint()])
    return folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _settings(unfitted: Any) -> str:
    """Every attribute that a baseline's constructor set, its defaults and seed and members too."""
    found = []
    for name, value in sorted(vars(unfitted).items()):
        made = [_settings(member) for member in value] if name == "members" else value
        found.append(f"{name}={made!r}")
    return f"{type(unfitted).__name__}({', '.join(found)})"


def _fit_cached(policy: Any, visible: Ratings, path: Path) -> None:
    """Read the trained arrays; if there are none, or they are damaged, train and write them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            policy.restore(dict(file), visible)
            return
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        policy.fit(visible)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **policy.arrays())
        os.replace(temporary, path)  # a crash leaves no half-written file behind
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
