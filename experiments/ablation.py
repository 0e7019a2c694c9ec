"""What each departure from the paper brings: the default recipe with one setting put back.

    python -m experiments.ablation --seeds 3 --markdown docs/ablation.md
    python -m experiments.ablation --preset paper --rows "one user, one update a step"

Every cell (setting, seed) trains at a third of the steps on four fifths of the training users and is
measured on the held-out fifth; test users are cut off before anything else happens. Finished cells are
kept in the output folder, so an interrupted call goes on where it stopped.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

import config as settings
from config import Config, Preset

KEYS = ("precision@5", "precision@10", "session_reward@10", "session_reward@20")
BASE = "the preset"
TD3 = {"agent.critics": 2, "agent.algorithm": "td3"}  # in this order: td3 refuses one critic
NO_NOISE = {"agent.noise": 0.0, "agent.noise_end": 0.0}
NO_EPSILON = {"agent.epsilon": 0.0, "agent.epsilon_end": 0.0}
# row -> settings that replace the preset's, as "group.field"
ROWS: dict[str, dict[str, Any]] = {
    BASE: {},
    "reinforcement off": {"agent.policy_gradient": 0.0},
    "imitation off": {"agent.imitation": 0.0},
    "discount 0": {"agent.discount": 0.0},
    "discount 0.9 (paper)": {"agent.discount": 0.9},
    "refused items not in the state (paper)": {"agent.refused": False},
    "no counterfactual items (paper)": {"agent.counterfactual": 0},
    "one critic (paper)": {"agent.critics": 1},
    "TD3 (delayed actor, smoothed target actions)": TD3,
    "gradient at the stored action (earlier repositories)": {"agent.actor_gradient": "stored"},
    "state representation not trained": {"agent.train_state": False},
    "window of positives only": {"agent.positives_only": True},
    "no exploration": NO_NOISE | NO_EPSILON,
    "no noise": NO_NOISE,
    "no epsilon": NO_EPSILON,
    "targets not clipped (paper)": {"agent.clip_target": False},
    "MLP critic (paper)": {"agent.critic": "mlp"},
    "tanh actor without skip (paper)": {"agent.actor_output": "tanh"},
    "one state module (paper)": {"agent.separate_states": False},
    "user vector folded in (paper)": {"agent.user_vector": "fold-in"},
    "item weights by position only (paper)": {"agent.item_weights": "position"},
    "no dropout (paper)": {"agent.dropout": 0.0, "agent.item_dropout": 0.0},
    "first windows only": {"env.random_start": 0.0},
    "PMF embedding (paper)": {"embedding.kind": "pmf"},
    "user-movie embedding (earlier repositories)": {"embedding.kind": "user-movie"},
    "movie-genre embedding (earlier repositories)": {"embedding.kind": "movie-genre"},
    "random embedding": {"embedding.kind": "random"},
    "online actor deployed (paper)": {"agent.average_actor": False},
    "constant learning rates": {"agent.lr_schedule": "constant"},
    "gradients not clipped": {"agent.clip_norm": 0.0},
    "uniform replay": {"replay.kind": "uniform"},
}
# rows with many times the updates of the others, only for those who ask for them by name
SLOW: dict[str, dict[str, Any]] = {
    "one user, one update a step": {},
    "one user, one update of 32 a step (earlier repositories)": {"agent.batch_size": 32},
}
MEASURED_ONCE = {"loop.validation_share": 0.2, "loop.evaluations": 1, "loop.checkpoints": 0}


@dataclass(frozen=True)
class Arguments:
    """Train every row of the ablation for every seed, then print the table."""

    dataset: str = "ml-1m"
    """ml-1m, ml-100k or synthetic."""
    data_root: str | None = None
    """Folder that holds ml-1m/ratings.dat ...; default $DRR_DATA_ROOT, else data/."""
    preset: Preset = "best"
    """What the rows change: the default recipe, or the plain Algorithm 1."""
    rows: tuple[str, ...] = ()
    """Rows to train, by name; default all but the slow ones. The preset itself is always among
    them."""
    seeds: int = 3
    """Seeds 0 to this, paired across rows."""
    steps: int = 50_000
    """Transitions of one training, a third of the default."""
    output_root: Path = Path("runs/ablation")
    """Where finished cells are kept, one JSON file each."""
    markdown: Path | None = None
    """Write the table here."""
    cell: tuple[str, int] | None = None
    """Train only this row with this seed (how the command calls itself)."""


def main(arguments: Arguments) -> None:
    """All cells, each in a process of its own so that memory is given back; then the table."""
    if arguments.cell is not None:
        return train_cell(*arguments.cell, arguments)
    for seed in range(arguments.seeds):
        for row in chosen_rows(arguments):
            if not cell_file(arguments, row, seed).exists():
                print(f"{row}, seed {seed}", flush=True)
                command = [sys.executable, "-m", "experiments.ablation", *sys.argv[1:]]
                subprocess.run([*command, "--cell", row, str(seed)], check=True)
    table = as_markdown(arguments)
    print(table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table, encoding="utf-8")
    return None


def chosen_rows(arguments: Arguments) -> list[str]:
    """The rows asked for, in the order of ROWS; SystemExit names one that does not exist."""
    rows = ROWS | SLOW
    for row in arguments.rows:
        if row not in rows:
            raise SystemExit(f"row {row!r} is unknown; choose from: {'; '.join(rows)}")
    return [row for row in rows if row in (*(arguments.rows or ROWS), BASE)]


def cell_file(arguments: Arguments, row: str, seed: int) -> Path:
    """The file of a finished cell; its name holds all that the result depends on."""
    name = row.split(" (", maxsplit=1)[0].replace(" ", "-").lower()
    run = f"{arguments.dataset}-{arguments.preset}-{arguments.steps}"
    return arguments.output_root / f"{run}-{name}-{seed}.json"


def settings_of(row: str, config: Config) -> dict[str, Any]:
    """What a row changes in a preset."""
    if row in ROWS:
        return ROWS[row]
    steps = config.env.episode_length  # of one user between two rounds of updates
    return SLOW[row] | {"loop.parallel_users": 1, "loop.updates_per_rollout": steps}


def changed(config: Config, changes: dict[str, Any]) -> Config:
    """`config` with fields replaced, {"group.field": value}."""
    for name, value in changes.items():
        group, field = name.split(".")
        part = replace(getattr(config, group), **{field: value})
        config = replace(config, **{group: part})
    return config


def train_cell(row: str, seed: int, arguments: Arguments) -> None:
    """One training without the test users; its last validation point becomes the cell."""
    from data import load_dataset
    from data.splits import split_users
    from recommender.files import write_text
    from training.devices import select_device
    from training.folder import RunFolder

    select_device("auto")
    from training.loop import Training

    ratings = load_dataset(arguments.dataset, arguments.data_root)
    ratings = ratings.of_users(split_users(ratings.n_users)[0])  # no test user from here on
    config = settings.preset(arguments.preset)
    config = changed(config, MEASURED_ONCE | settings_of(row, config))
    config = replace(config, seed=seed, steps=arguments.steps)
    target = cell_file(arguments, row, seed)
    folder = RunFolder(target.with_suffix(""))
    folder.path.mkdir(parents=True, exist_ok=True)
    training = Training(config, ratings, folder)
    training.run()
    last = training.history[-1]
    write_text(target, json.dumps({key: last[key] for key in KEYS}) + "\n")


def as_markdown(arguments: Arguments) -> str:
    """Mean per row, and its mean paired difference to the preset; the preset's spread."""
    cells = {
        row: np.array(
            [
                [json.loads(cell_file(arguments, row, seed).read_text())[key] for key in KEYS]
                for seed in range(arguments.seeds)
            ]
        )
        for row in chosen_rows(arguments)
    }
    base = cells[BASE]
    lines = [["", *KEYS], ["---", *["---:"] * len(KEYS)]]
    for row, values in cells.items():
        means, difference = values.mean(axis=0), (values - base).mean(axis=0)
        texts = [f"{mean:.4f}" for mean in means]
        if row != BASE:
            texts = [f"{text} ({gap:+.4f})" for text, gap in zip(texts, difference, strict=True)]
        lines.append([row, *texts])
    spread = base.std(axis=0, ddof=1) if arguments.seeds > 1 else None
    if spread is not None:
        texts = [f"{value:.4f}" for value in spread]
        lines.append(["standard deviation of the preset over seeds", *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
