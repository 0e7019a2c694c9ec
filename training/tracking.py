"""A run's curves at Weights & Biases (`--track`), whose own settings are the variables WANDB_*."""

import importlib
import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config import Config, ConfigError


def check_tracking(config: Config) -> None:
    """ConfigError where --track asks for what is not installed."""
    if config.track and importlib.util.find_spec("wandb") is None:
        raise ConfigError(
            "--track: Weights & Biases is not installed; pip install wandb, or leave out --track: "
            "the same curves are in the run's tensorboard/"
        )


def start_tracking(config: Config, folder: Path) -> Any:
    """A wandb run with the settings, named as the folder; None without --track."""
    if not config.track:
        return None
    wandb = importlib.import_module("wandb")
    return wandb.init(project="drr", name=folder.name, dir=str(folder), config=asdict(config))
