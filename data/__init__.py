"""Ratings data: MovieLens, other domains, a synthetic stand-in. `load_dataset` is the way in."""

from data.datasets import DATASETS, find_dataset, load_dataset
from data.errors import DataError, DownloadError
from data.interactions import read_interactions
from data.ratings import Ratings

__all__ = [
    "DATASETS",
    "DataError",
    "DownloadError",
    "Ratings",
    "find_dataset",
    "load_dataset",
    "read_interactions",
]
