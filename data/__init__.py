"""Ratings data: MovieLens, other domains, a synthetic stand-in. `load_dataset` is the way in."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.download import ARCHIVES, download_archive
from data.errors import DataError, DownloadError, quote
from data.interactions import read_interactions
from data.jester import read_jester
from data.movielens import read_ml_1m, read_ml_100k
from data.published import read_lastfm, read_yahoo_r3
from data.ratings import Ratings
from data.synthetic import make_synthetic

__all__ = [
    "DATASETS",
    "DataError",
    "DownloadError",
    "Ratings",
    "load_dataset",
    "read_interactions",
]

DEFAULT_ROOT = Path(__file__).parent
_READERS: dict[str, Callable[[Path], Ratings]] = {
    "ml-1m": read_ml_1m,
    "ml-100k": read_ml_100k,
    "jester": read_jester,
    "yahoo-r3": read_yahoo_r3,
    "lastfm": read_lastfm,
}
DATASETS = ("auto", *_READERS, "synthetic", "csv")


def load_dataset(
    name: str,
    data_root: str | Path | None = None,
    *,
    seed: int = 0,
    csv: Mapping[str, Any] | None = None,
) -> Ratings:
    """The ratings called `name`, one of DATASETS.

    `ml-1m`, `ml-100k`: the folder of that name in the data root, downloaded if it is not there.
    `jester`, `yahoo-r3`, `lastfm`: the folder of that name (docs/domains.md).
    `auto`: ml-1m, or the synthetic set, with a loud warning, if the download fails.
    `synthetic`: made up from `seed`, which the others ignore.
    `csv`: any file; `csv` holds the arguments of `read_interactions`.
    The data root is `data_root`, else $DRR_DATA_ROOT, else this folder.
    Raises DataError for an unknown name, a given data root that is missing, or bad files.
    """
    if name not in DATASETS:
        raise DataError(f"dataset {quote(name)}: unknown; choose one of {', '.join(DATASETS)}")
    if name in ("synthetic", "csv"):
        if data_root is not None:
            _find_root(data_root)
        if name == "synthetic":
            return make_synthetic(seed=seed)
        if csv is None or csv.get("path") is None:
            raise DataError("dataset 'csv': say which file it is with --csv.path FILE")
        return read_interactions(**csv)
    root = _find_root(data_root)
    try:
        folder = _local_or_downloaded("ml-1m" if name == "auto" else name, root)
    except DownloadError as error:
        if name != "auto":
            raise
        _warn_of_synthetic(error)
        return make_synthetic(seed=seed)
    return _READERS[folder.name](folder)


def _find_root(given: str | Path | None) -> Path:
    source, root = "--data-root", given
    if root is None:
        source, root = "$DRR_DATA_ROOT", os.environ.get("DRR_DATA_ROOT") or DEFAULT_ROOT
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(
            f"{source} {str(root)!r}: no such folder; give the folder that holds "
            "ml-1m/ratings.dat, or leave it out to download the data"
        )
    return root


def _local_or_downloaded(name: str, root: Path) -> Path:
    """A folder that exists and holds anything is local: a missing file in it is an error."""
    folder = root / name
    try:
        is_there = folder.exists() and any(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: not a readable folder ({error.strerror}); remove it") from None
    if is_there:
        return folder
    if name not in ARCHIVES:
        raise DataError(
            f"{folder}: no such folder, or empty; docs/domains.md says what to put there"
        )
    return download_archive(ARCHIVES[name], root)


def _warn_of_synthetic(error: DownloadError) -> None:
    bar = "!" * 78
    print(
        f"{bar}\nWARNING: MovieLens-1M is neither here nor could it be downloaded:\n  {error}\n"
        "Going on with the built-in SYNTHETIC data set. Its numbers say nothing about MovieLens.\n"
        f"{bar}",
        file=sys.stderr,
        flush=True,
    )
