"""Named comparisons (studies), and what each of their rows changes in a preset.

A row that names fields gives them the values of the other preset: in `--preset best` those of the
plain Algorithm 1, in `--preset paper` those of the default recipe. Rows with values of their own
that change nothing in a preset are left out.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, Literal

import config as settings
from config import Config, Preset

Changes = Mapping[str, Any]  # "group.field" -> value
Study = Literal[
    "controls",
    "recipe",
    "replay",
    "exploration",
    "critics",
    "state",
    "discount",
    "embedding",
    "window",
    "networks",
    "training",
    "updates",
]

NOISE = ("agent.noise", "agent.noise_end")
EPSILON = ("agent.epsilon", "agent.epsilon_end")
GAUSSIAN = ("agent.exploration", *NOISE)
SHOWN = "agent.critic_action"  # drawn and counterfactual items need a critic that sees items
START = "agent.start"  # a ridge needs linear maps of the state
RATES = ("agent.actor_lr", "agent.critic_lr", "agent.tau", "agent.weight_decay")
ONE_USER = {"loop.parallel_users": 1}

BASE = "the preset"
# Fields: of both presets, or where they differ of "best" and of "paper".
Fields = tuple[str, ...] | tuple[tuple[str, ...], tuple[str, ...]]
STUDIES: dict[Study, dict[str, Changes | Fields]] = {
    "controls": {
        "reinforcement off (imitation alone)": {
            "agent.policy_gradient": 0.0,
            "agent.imitation": 1.0,
        },
        "discount 0": {"agent.discount": 0.0},
    },
    "recipe": {
        "imitation": (("agent.imitation",), ("agent.imitation", "agent.policy_gradient")),
        "counterfactual items": (("agent.counterfactual",), ("agent.counterfactual", SHOWN)),
        "the session's context in the state": ("agent.context",),
        "no demographics": {"agent.demographics": "off"},
        "what the critic sees": ((SHOWN, *GAUSSIAN, "agent.counterfactual"), (SHOWN,)),
    },
    "replay": {"uniform replay": {"replay.kind": "uniform"}},
    "exploration": {
        "no exploration": dict.fromkeys((*NOISE, *EPSILON), 0.0),
        "no noise": dict.fromkeys(NOISE, 0.0),
        "no epsilon": dict.fromkeys(EPSILON, 0.0),
        "epsilon": (*EPSILON, "agent.epsilon_decay"),
        "Gaussian noise or the softmax": (GAUSSIAN, (*GAUSSIAN, SHOWN)),
    },
    "critics": {"twin critics": {"agent.critics": 2}, "clipped targets": ("agent.clip_target",)},
    "state": {
        "a state module for each network": ("agent.separate_states",),
        "demographics dropout": ("agent.demographics_dropout",),
    },
    "discount": {"discount": ("agent.discount",)},
    "embedding": {
        "kind of embedding": ("embedding.kind",),
        "user-movie embedding": {"embedding.kind": "user-movie"},
        "movie-genre embedding": {"embedding.kind": "movie-genre"},
        "random embedding": {"embedding.kind": "random"},
        "components": ("embedding.dim",),
    },
    "window": {
        "item weights": ("agent.item_weights",),
        "starts with less known": ("env.random_start",),
        "window": ("env.window",),
        "window of 10": {"env.window": 10},
    },
    "networks": {
        "critic": (("agent.critic", START), ("agent.critic",)),
        "output of the actor": (("agent.actor_output", START), ("agent.actor_output",)),
        "start of the last layers": ((START,), (START, "agent.actor_output", "agent.critic")),
        "user vector": ("agent.user_vector",),
        "width of layers": ("agent.actor_hidden", "agent.critic_hidden"),
    },
    "training": {
        "dropout": ("agent.dropout", "agent.item_dropout"),
        "average actor deployed": ("agent.average_actor",),
        "schedule of learning rates": ("agent.lr_schedule",),
        "rates, tau, decay": RATES,
        "clipped gradients": ("agent.clip_norm",),
        "size of batches": ("agent.batch_size",),
    },
    "updates": {
        "one user, one update a step": ONE_USER,
        "one user, one update of 32 a step": ONE_USER | {"agent.batch_size": 32},
    },
}
ROWS: dict[str, Changes | Fields] = {BASE: {}}
for study_rows in STUDIES.values():
    ROWS |= study_rows
SLOW: tuple[Study, ...] = ("updates",)  # many times the updates: only for those who ask for it


def rows_of(study: Study, preset: Preset) -> tuple[str, ...]:
    """The preset itself, and the study's rows less those that change nothing more in it."""
    rows: dict[Config, str] = {}
    for row in (BASE, *STUDIES[study]):
        rows.setdefault(row_config(row, preset), row)
    return tuple(rows.values())


def row_config(row: str, preset: Preset) -> Config:
    """A row's settings.

    Raises:
        KeyError: there is no such row.
    """
    changes = ROWS[row]
    if not isinstance(changes, Mapping):
        other = settings.preset("paper" if preset == "best" else "best")
        fields = changes if isinstance(changes[0], str) else changes[preset == "paper"]
        changes = {str(field): attrgetter(str(field))(other) for field in fields}
    config = changed(settings.preset(preset), changes)
    if config.loop.parallel_users == 1:  # an iteration plays one episode of each user
        config = changed(config, {"loop.updates_per_rollout": config.env.episode_length})
    return config


def changed(config: Config, changes: Changes) -> Config:
    """`config` with fields replaced, those of one group at once."""
    groups: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, value in changes.items():
        group, field = name.split(".")
        groups[group][field] = value
    parts = {group: replace(getattr(config, group), **new) for group, new in groups.items()}
    return replace(config, **parts)
