"""Which run is shown, and on which data: the released one, any other, or a small one trained here."""

import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from config import ConfigError, read_json
from data import Ratings, load_dataset
from recommender import DRRAgent
from recommender.run_choice import RUNS, run_settings

ROOT = Path(__file__).resolve().parents[1]
SYNTHETIC = "demo-synthetic"
SMALL = ("--dataset", "synthetic", "--steps", "6000", "--loop.evaluations", "4")


class OpenedRun(NamedTuple):
    """A run that can be shown: its folder, data and agent, and its metrics.json."""

    folder: Path
    ratings: Ratings
    agent: DRRAgent
    metrics: dict[str, Any]


def open_run(weights: Path | None, dataset: str, data_root: str | None) -> OpenedRun:
    """The run in `weights`, else the one that fits the data set; DRRError says what is missing."""
    if weights is not None:
        config = run_settings(weights)
        wanted = config.dataset if dataset == "auto" else dataset
        csv = asdict(config.csv) if wanted == "csv" else None
        folder, ratings = weights, load_dataset(wanted, data_root or config.data_root, csv=csv)
    else:
        ratings = load_dataset(dataset, data_root)
        folder = _folder_for(ratings.name)
    agent = DRRAgent.load(folder, catalogue=ratings)
    agent.session().recommend(1)  # compiles, so that nobody waits for it
    file = folder / "metrics.json"
    metrics = read_json(file) if file.is_file() else {}
    return OpenedRun(folder.resolve(), ratings, agent, metrics)


def _folder_for(dataset: str) -> Path:
    """The released run of a data set; for the synthetic one, a small run that is trained once."""
    folder = ROOT / RUNS / (SYNTHETIC if dataset == "synthetic" else dataset)
    if folder.is_dir():
        return folder
    if dataset != "synthetic":
        raise ConfigError(
            f"no released run for {dataset}: train one with train.py, and give --weights"
        )
    print("training a small run on the synthetic set, half a minute ...", flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{SYNTHETIC}") as parent:
        command = [sys.executable, str(ROOT / "train.py"), *SMALL]
        command += ["--output-root", parent, "--run-name", SYNTHETIC]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ConfigError(f"the small run could not be trained:\n{done.stderr}")
        (Path(parent) / SYNTHETIC).rename(folder)
    return folder
