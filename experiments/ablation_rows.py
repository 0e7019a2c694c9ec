"""Named comparisons (studies), and what each of their rows changes in a preset.

A row named "(paper)" takes the value of the plain Algorithm 1, one named "(recipe)" that of the default
recipe: the first changes nothing in `--preset paper`, the second nothing in `--preset best`, and a row
that changes nothing, or the same as a row before it, is left out.
"""

from collections import defaultdict
from dataclasses import replace
from operator import attrgetter
from typing import Any, Literal

import config as settings
from config import Config, Preset

Changes = dict[str, Any]  # "group.field" -> value
Study = Literal[
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


PAPER, RECIPE = settings.preset("paper"), settings.preset("best")


def paper(*fields: str) -> Changes:
    """Fields as in the plain Algorithm 1."""
    return {field: attrgetter(field)(PAPER) for field in fields}


def recipe(*fields: str) -> Changes:
    """Fields as in the default recipe."""
    return {field: attrgetter(field)(RECIPE) for field in fields}


NOISE = ("agent.noise", "agent.noise_end")
EPSILON = ("agent.epsilon", "agent.epsilon_end")
GAUSSIAN = ("agent.exploration", *NOISE)
SHOWN = "agent.critic_action"  # drawn and counterfactual items need a critic that sees items
RATES = ("agent.actor_lr", "agent.critic_lr", "agent.tau", "agent.weight_decay")
WIDTHS = ("agent.actor_hidden", "agent.critic_hidden")
DROPOUT = ("agent.dropout", "agent.item_dropout")
ONE_USER: Changes = {"loop.parallel_users": 1}

BASE = "the preset"
STUDIES: dict[Study, dict[str, Changes]] = {
    "recipe": {
        "reinforcement off (imitation alone)": {
            "agent.policy_gradient": 0.0,
            "agent.imitation": 1.0,
        },
        "imitation off (paper)": paper("agent.imitation"),
        "imitation (recipe)": recipe("agent.imitation", "agent.policy_gradient"),
        "no counterfactual items (paper)": paper("agent.counterfactual"),
        "counterfactual items (recipe)": recipe("agent.counterfactual", SHOWN),
        "refused items not in the state (paper)": paper("agent.refused"),
        "refused items in the state (recipe)": recipe("agent.refused"),
        "critic on the actor's vector (paper)": paper(SHOWN, *GAUSSIAN, "agent.counterfactual"),
        "critic on the item shown (recipe)": recipe(SHOWN),
    },
    "replay": {"uniform replay": {"replay.kind": "uniform"}},
    "exploration": {
        "no exploration": dict.fromkeys((*NOISE, *EPSILON), 0.0),
        "no noise": dict.fromkeys(NOISE, 0.0),
        "no epsilon": dict.fromkeys(EPSILON, 0.0),
        f"epsilon from {PAPER.agent.epsilon:g} (paper)": paper(*EPSILON, "agent.epsilon_decay"),
        f"epsilon from {RECIPE.agent.epsilon:g} (recipe)": recipe(*EPSILON, "agent.epsilon_decay"),
        "Gaussian noise (paper)": paper(*GAUSSIAN),
        "items drawn by score (recipe)": recipe(*GAUSSIAN, SHOWN),
    },
    "critics": {
        "twin critics": {"agent.critics": 2},
        "targets not clipped (paper)": paper("agent.clip_target"),
        "targets clipped (recipe)": recipe("agent.clip_target"),
    },
    "state": {
        "one state module (paper)": paper("agent.separate_states"),
        "two state modules (recipe)": recipe("agent.separate_states"),
    },
    "discount": {
        "discount 0": {"agent.discount": 0.0},
        f"discount {RECIPE.agent.discount:g} (recipe)": recipe("agent.discount"),
        f"discount {PAPER.agent.discount:g} (paper)": paper("agent.discount"),
    },
    "embedding": {
        "SVD embedding (recipe)": recipe("embedding.kind"),
        "PMF embedding (paper)": paper("embedding.kind"),
        "user-movie embedding": {"embedding.kind": "user-movie"},
        "movie-genre embedding": {"embedding.kind": "movie-genre"},
        "random embedding": {"embedding.kind": "random"},
        f"{PAPER.embedding.dim} components (paper)": paper("embedding.dim"),
        f"{RECIPE.embedding.dim} components (recipe)": recipe("embedding.dim"),
    },
    "window": {
        "item weights by position (paper)": paper("agent.item_weights"),
        "item weights by rating too (recipe)": recipe("agent.item_weights"),
        "first windows only (paper)": paper("env.random_start"),
        "random windows (recipe)": recipe("env.random_start"),
        f"window of {PAPER.env.window} (paper)": paper("env.window"),
        "window of 10": {"env.window": 10},
        f"window of {RECIPE.env.window} (recipe)": recipe("env.window"),
    },
    "networks": {
        "MLP critic (paper)": paper("agent.critic"),
        "bilinear critic (recipe)": recipe("agent.critic"),
        "tanh actor (paper)": paper("agent.actor_output"),
        "linear actor with skip (recipe)": recipe("agent.actor_output"),
        "last layers begin at random (paper)": paper("agent.start_at_zero"),
        "last layers begin at zero (recipe)": recipe("agent.start_at_zero"),
        "user vector folded in (paper)": paper("agent.user_vector"),
        "user vector learned (recipe)": recipe("agent.user_vector"),
        f"layers of {PAPER.agent.actor_hidden} (paper)": paper(*WIDTHS),
        f"layers of {RECIPE.agent.actor_hidden} (recipe)": recipe(*WIDTHS),
    },
    "training": {
        "no dropout (paper)": paper(*DROPOUT),
        "dropout (recipe)": recipe(*DROPOUT),
        "online actor deployed (paper)": paper("agent.average_actor"),
        "average actor deployed (recipe)": recipe("agent.average_actor"),
        "constant learning rates (paper)": paper("agent.lr_schedule"),
        "cosine learning rates (recipe)": recipe("agent.lr_schedule"),
        "rates, tau, decay (paper)": paper(*RATES),
        "rates, tau, decay (recipe)": recipe(*RATES),
        "gradients not clipped (paper)": paper("agent.clip_norm"),
        "gradients clipped (recipe)": recipe("agent.clip_norm"),
        f"batches of {PAPER.agent.batch_size} (paper)": paper("agent.batch_size"),
        f"batches of {RECIPE.agent.batch_size} (recipe)": recipe("agent.batch_size"),
    },
    "updates": {
        "one user, one update a step": ONE_USER,
        "one user, one update of 32 a step": ONE_USER | {"agent.batch_size": 32},
    },
}
ROWS: dict[str, Changes] = {BASE: {}} | {
    row: changes for rows in STUDIES.values() for row, changes in rows.items()
}
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
    config = changed(settings.preset(preset), ROWS[row])
    if config.loop.parallel_users == 1:  # an iteration plays one episode of each user
        config = changed(config, {"loop.updates_per_rollout": config.env.episode_length})
    return config


def changed(config: Config, changes: Changes) -> Config:
    """`config` with fields replaced, those of one group at once."""
    groups: defaultdict[str, Changes] = defaultdict(dict)
    for name, value in changes.items():
        group, field = name.split(".")
        groups[group][field] = value
    parts = {group: replace(getattr(config, group), **new) for group, new in groups.items()}
    return replace(config, **parts)
