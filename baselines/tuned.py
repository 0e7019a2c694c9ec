"""Tuned hyper-parameters of the baselines, by protocol; found by `experiments.tune_baselines`.

catalog and session were tuned on 960 held-out training users, rerank and simulator on held-out
training time; the part a protocol tests on played no role. What is not listed is the class's own
default. docs/evaluation.md says how each was chosen.
"""

from typing import Any

from baselines.history import History

Parameters = dict[str, Any]

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
    "mf": {"rerank": RERANK_MF, "simulator": {"k": 20, "per_rating": 0.02}},
    "pmf": {"rerank": {"k": 20, "regularisation": 8.0, "per_rating": 0.06}},
    "ials": {
        "catalog": IALS | {"history": History(decay=0.9)},
        "session": IALS | {"history": History(decay=0.9, refused=-0.6)},
    },
    "blend": {
        "catalog": CATALOG_BLEND,
        "session": CATALOG_BLEND,
        "rerank": RERANK_BLEND,
        "simulator": RERANK_BLEND,
    },
    "two-tower": {
        "rerank": {"window": 5, "positive_window": True, "among": "rated"},
        "simulator": {"window": 5, "positive_window": True},
    },
}
for _name in ("item-knn", "ease", "pure-svd", "pmf"):  # both are about the value of a rating
    TUNED[_name]["simulator"] = TUNED[_name]["rerank"]
