"""Tuned hyper-parameters of the baselines, by protocol; found by `experiments.tune_baselines`.

catalog and session were tuned on 960 held-out training users, rerank and simulator on held-out
training time; the part a protocol tests on played no role. What is not listed is the class's own
default. docs/baselines.md says how each was chosen.
"""

from typing import Any

from baselines.history import History

Parameters = dict[str, Any]

TUNED: dict[str, dict[str, Parameters]] = {}
