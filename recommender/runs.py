"""A run's folder, read and written: config.json, catalogue.json and four weight files."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import config as settings
from config import Config
from embedding.table import EmbeddingTable
from recommender.agent import Catalogue, DRRAgent
from recommender.files import write_text
from recommender.weights import load_weights, save_weights


class RunError(ValueError):
    """A run folder that cannot be used as asked; the message says why and what to do."""


class Bundle(keras.Model):
    """Several models in one weights file, each under its own name."""

    def __init__(self, models: list[keras.Model]) -> None:
        super().__init__()
        for model in models:
            setattr(self, model.name, model)
        self.built = True


class SavedCatalogue:
    """What a run remembers of its data set: ids, rating range, number of demographic features."""

    def __init__(self, source: Path) -> None:
        values = _read_json(source)
        try:
            self.item_ids: NDArray[np.int64] | NDArray[np.str_] = np.array(values["item_ids"])
            if self.item_ids.ndim != 1 or self.item_ids.dtype.kind not in "iU":
                raise ValueError("'item_ids'")
            self.scale: tuple[float, float] = (float(values["scale"][0]), float(values["scale"][1]))
            self.n_demographics = int(values["n_demographics"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RunError(
                f"{source}: field {error} is missing or not valid; train again"
            ) from error
        self.titles: tuple[str, ...] = ()
        self.demographics = np.zeros((0, self.n_demographics), np.float32)


def save_agent(agent: DRRAgent, run_dir: Path) -> None:
    """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json, each atomically."""
    networks = agent.networks
    save_weights(networks.actor, run_dir / "actor.weights.h5")
    save_weights(_one_model(networks.critics), run_dir / "critic.weights.h5")
    save_weights(_one_model(networks.states), run_dir / "state.weights.h5")
    agent.table.save(run_dir / "embedding.weights.h5")
    catalogue = agent.catalogue
    facts = {
        "item_ids": catalogue.item_ids.tolist(),
        "scale": list(catalogue.scale),
        "n_demographics": catalogue.demographics.shape[1],
    }
    write_text(run_dir / "catalogue.json", json.dumps(facts) + "\n")


def load_agent(cls: type[DRRAgent], run_dir: Path, catalogue: Catalogue | None) -> Any:
    """Rebuild the agent of a finished run; RunError or WeightsError say what does not fit."""
    saved = SavedCatalogue(run_dir / "catalogue.json")
    if catalogue is not None:
        _check_catalogue(run_dir, saved, catalogue)
    config = load_config(run_dir)
    table = EmbeddingTable.load(run_dir / "embedding.weights.h5")
    agent = cls(config.agent, table, catalogue or saved, window=config.env.window)
    networks = agent.networks
    load_weights(networks.actor, run_dir / "actor.weights.h5")
    load_weights(_one_model(networks.critics), run_dir / "critic.weights.h5")
    load_weights(_one_model(networks.states), run_dir / "state.weights.h5")
    return agent


def load_config(run_dir: Path) -> Config:
    """The resolved settings of a run."""
    source = run_dir / "config.json"
    if not source.is_file():
        raise RunError(f"{run_dir}: no config.json; give the folder that train.py wrote")
    return settings.from_json(source.read_text(encoding="utf-8"), source)


def _one_model(models: list[keras.Model]) -> keras.Model:
    return models[0] if len(models) == 1 else Bundle(models)


def _check_catalogue(run_dir: Path, saved: SavedCatalogue, catalogue: Catalogue) -> None:
    if not np.array_equal(saved.item_ids, catalogue.item_ids):
        raise RunError(
            f"{run_dir}: trained on {len(saved.item_ids)} items, the data set has "
            f"{len(catalogue.item_ids)} or other ids; pass the run's own data set with --dataset"
        )
    if saved.n_demographics != catalogue.demographics.shape[1]:
        raise RunError(
            f"{run_dir}: trained with {saved.n_demographics} demographic features, the data set has "
            f"{catalogue.demographics.shape[1]}; pass the run's own data set with --dataset"
        )


def _read_json(source: Path) -> Any:
    if not source.is_file():
        raise RunError(f"{source}: no such file; is this the folder of a finished run?")
    try:
        return json.loads(source.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{source}: not valid JSON ({error}); train again") from error
