"""A run's folder, read and written: config.json, catalogue.json and four weight files."""

import json
from pathlib import Path

import keras

import config as settings
from config import Config
from embedding.table import EmbeddingTable
from recommender.catalogue import FINISHED, RunError, SavedCatalogue, facts
from recommender.files import write_text
from recommender.history import Catalogue
from recommender.networks import Networks
from recommender.weights import load_weights, save_weights


class Bundle(keras.Model):
    """Several models in one weights file, each under its own name."""

    def __init__(self, models: list[keras.Model]) -> None:
        super().__init__()
        for model in models:
            setattr(self, model.name, model)
        self.built = True


def save_run(
    run_dir: Path, networks: Networks, table: EmbeddingTable, catalogue: Catalogue
) -> None:
    """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json, each atomically."""
    save_weights(networks.actor, run_dir / "actor.weights.h5")
    save_weights(_one_model(networks.critics), run_dir / "critic.weights.h5")
    save_weights(_one_model(networks.states), run_dir / "state.weights.h5")
    table.save(run_dir / "embedding.weights.h5")
    write_text(run_dir / "catalogue.json", json.dumps(facts(catalogue, run_dir)) + "\n")


def load_parts(
    run_dir: Path, catalogue: Catalogue | None
) -> tuple[Config, EmbeddingTable, SavedCatalogue]:
    """What a run's agent is built from.

    RunError, ConfigError, EmbeddingError or WeightsError, ValueErrors all, say what does not fit.
    """
    config = load_config(run_dir)
    saved = SavedCatalogue(run_dir / "catalogue.json")
    if catalogue is not None:
        saved.check(run_dir, catalogue)
    vectors = run_dir / "embedding.weights.h5"
    if not vectors.is_file():
        raise RunError(f"{vectors}: no such file; {FINISHED}")
    table = EmbeddingTable.load(vectors)
    if table.n_items != len(saved.item_ids):
        raise RunError(
            f"{run_dir}: embedding.weights.h5 holds {table.n_items} items, catalogue.json "
            f"{len(saved.item_ids)}: the files are of different runs; restore them"
        )
    return config, table, saved


def load_networks(run_dir: Path, networks: Networks) -> None:
    """The run's weights."""
    load_weights(networks.actor, run_dir / "actor.weights.h5")
    load_weights(_one_model(networks.critics), run_dir / "critic.weights.h5")
    load_weights(_one_model(networks.states), run_dir / "state.weights.h5")


def load_config(run_dir: Path) -> Config:
    """The resolved settings of a run."""
    source = run_dir / "config.json"
    if not source.is_file():
        raise RunError(f"{run_dir}: no config.json; give the folder that train.py wrote")
    return settings.load(source)


def _one_model(models: list[keras.Model]) -> keras.Model:
    return models[0] if len(models) == 1 else Bundle(models)
