"""Ratings data: MovieLens and a synthetic stand-in. `load_dataset` is the way in."""

import os
from pathlib import Path

from data.errors import DataError, DownloadError
from data.movielens import read_ml_1m, read_ml_100k
from data.ratings import Ratings

__all__ = ["DATASETS", "DataError", "DownloadError", "Ratings", "load_dataset"]

DATASETS = ("auto", "ml-1m", "ml-100k", "synthetic")
DEFAULT_ROOT = Path(__file__).parent
_READERS = {"ml-1m": read_ml_1m, "ml-100k": read_ml_100k}


def load_dataset(name: str, data_root: str | Path | None = None, *, seed: int = 0) -> Ratings:
    root = Path(data_root or os.environ.get("DRR_DATA_ROOT") or DEFAULT_ROOT)
    name = "ml-1m" if name == "auto" else name
    return _READERS[name](root / name)
