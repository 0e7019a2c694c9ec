"""The data sets that `load_dataset` knows by name: one table, and how each is found."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from config import in_flags
from data.download import Published, download
from data.errors import DataError, DownloadError, Faults, quote
from data.interactions import read_interactions
from data.movielens import ML_1M, ML_10M, ML_100K, ML_CSV, Layout, read_movielens
from data.ratings import Ratings, check_usable
from data.synthetic import make_synthetic
from data.tables import open_table

DEFAULT_ROOT = Path(__file__).parent
GROUPLENS = "https://files.grouplens.org/datasets/movielens"


def _movielens(
    name: str,
    layout: Layout,
    size: tuple[int, int],
    md5: str | None = None,
    sha256: str | None = None,
    folder: str | None = None,
) -> Published:
    read = partial(read_movielens, name, layout=layout)
    address = f"{GROUPLENS}/{name}.zip"
    return Published(name, layout.files, size, address, read, md5, sha256, folder or name)


def read_lastfm(folder: Path) -> Ratings:
    """Last.fm 2K (HetRec 2011): how often users played artists; no times."""
    ratings = read_interactions(
        folder / "user_artists.dat",
        user="userID",
        item="artistID",
        rating="weight",
        feedback="counts",
        titles=folder / "artists.dat",
        delimiter="tab",
    )
    return replace(ratings, name="lastfm")


def read_coat(folder: Path) -> Ratings:
    """Coat (Schnabel et al., 2016): 24 coats that each user chose to rate, 16 drawn at random.

    Users and coats are numbered from 1 in the order of the matrices. The ratings of test.ascii,
    free of selection bias, are `held_out`, and come later in time than those of train.ascii. A
    coat that a user has in both files counts as drawn: known before, it would be no test.
    """
    parts = [_read_matrix(folder / name) for name in ("train.ascii", "test.ascii")]
    if parts[0].shape != parts[1].shape:
        raise DataError(
            f"{folder}: train.ascii has {parts[0].shape} users and coats, test.ascii "
            f"{parts[1].shape}; restore the files"
        )
    both = np.stack([np.where(parts[1] > 0, 0, parts[0]), parts[1]])
    late, users, items = np.nonzero(both)
    ratings = Ratings.from_events(
        "coat",
        users + 1,
        items + 1,
        both[late, users, items],
        late,
        user_ids=np.arange(1, parts[0].shape[0] + 1),
        item_ids=np.arange(1, parts[0].shape[1] + 1),
        held_out=late == 1,
    )
    check_usable(folder, ratings)
    return ratings


def _read_matrix(path: Path) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Ratings [U, I] as published: 1 to 5, and 0 where there is none."""
    table = open_table(path, header=False, delimiter="space")
    faults, rows = Faults(table.where), []
    for block in table.blocks(table.columns, faults):
        for name in table.columns:
            faults.add("not 0 to 5", block[name][~block[name].isin(list("012345"))])
        rows.append(block)
    faults.refuse("restore the file")
    return np.concatenate([block.to_numpy().astype(np.int64) for block in rows])


REGISTRY: dict[str, Published] = {
    "ml-1m": _movielens(
        "ml-1m", ML_1M, (3_883, 1_000_209), "c4d9eecfca2ab87c1945afe126590906",
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    ),
    "ml-100k": _movielens(
        "ml-100k", ML_100K, (1_682, 100_000), "0e33842e24a9c977be4e0107933c0723",
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    ),
    "ml-latest-small": _movielens("ml-latest-small", ML_CSV, (9_742, 100_836)),
    "ml-10m": _movielens(
        "ml-10m", ML_10M, (10_681, 10_000_054), "ce571fd55effeba0271552578f2648bd",
        folder="ml-10M100K",
    ),
    "ml-20m": _movielens(
        "ml-20m", ML_CSV, (27_278, 20_000_263), "cd245b17a1ae2cc31bb14903e1204af3"
    ),
    "ml-25m": _movielens(
        "ml-25m", ML_CSV, (62_423, 25_000_095), "6b51fb2759a8657d3bfcbfc42b592ada"
    ),
    "ml-32m": _movielens(
        "ml-32m", ML_CSV, (87_585, 32_000_204), "d472be332d4daa821edc399621853b57"
    ),
    "lastfm": Published(
        "lastfm", ("user_artists.dat", "artists.dat"), (17_632, 92_834),
        "https://grouplens.org/datasets/hetrec-2011", read_lastfm,
    ),
    "coat": Published(
        "coat", ("train.ascii", "test.ascii"), (300, 11_234),
        "https://www.cs.cornell.edu/~schnabts/mnar", read_coat,
    ),
}  # fmt: skip
DATASETS = ("auto", *REGISTRY, "synthetic", "csv")


def load_dataset(
    name: str,
    data_root: str | Path | None = None,
    *,
    seed: int = 0,
    csv: Mapping[str, Any] | None = None,
) -> Ratings:
    """The ratings called `name`, one of DATASETS.

    A name of REGISTRY: the folder of that name in the data root, or the data root if it is that
    folder; else the archive, downloaded, where its checksum is known.
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
    root, wanted = _find_root(data_root), "ml-1m" if name == "auto" else name
    try:
        folder = _local_or_downloaded(wanted, root)
    except DownloadError as error:
        if name != "auto":
            raise
        _warn_of_synthetic(error)
        return make_synthetic(seed=seed)
    ratings = REGISTRY[wanted].read(folder)
    _warn_if_incomplete(folder, ratings, REGISTRY[wanted].size)
    return ratings


def find_dataset(name: str, data_root: str | Path | None = None) -> Ratings | None:
    """`load_dataset`, or None, with a warning, where the data are neither here nor can be downloaded.

    A trained run recommends without them, too, but knows no titles.
    """
    try:
        return load_dataset(name, data_root)
    except DownloadError as error:
        print(f"WARNING: no titles: {error}", file=sys.stderr, flush=True)
        return None


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
    found = REGISTRY[name]
    for folder in (root / name, root / (found.folder or name)):
        try:
            if folder.exists() and any(folder.iterdir()):
                return folder
        except OSError as error:
            raise DataError(
                f"{folder}: not a readable folder ({error.strerror}); remove it"
            ) from None
    other = root.resolve().name in {*REGISTRY} - {name}  # several sets have files of equal names
    if not other and all((root / file).is_file() for file in found.files):
        return root
    if found.md5 is None:
        raise DataError(
            f"{root / name}: no such folder, or empty; give it {' and '.join(found.files)} from "
            f"{found.address}"
        )
    return download(found, root)


def _warn_if_incomplete(folder: Path, ratings: Ratings, size: tuple[int, int]) -> None:
    """A file cut between two lines is a valid file: only its published size gives it away."""
    if ratings.n_items == size[0] and ratings.n_ratings != size[1]:
        print(
            f"WARNING: {folder}: {ratings.n_ratings} ratings, {size[1]} were published. Is it "
            "complete?",
            file=sys.stderr,
        )


def _warn_of_synthetic(error: DownloadError) -> None:
    bar = "!" * 78
    print(
        f"{bar}\nWARNING: MovieLens-1M is neither here nor could it be downloaded:\n"
        f"  {in_flags(error)}\n"
        "Going on with the built-in SYNTHETIC data set. Its numbers say nothing about MovieLens.\n"
        f"{bar}",
        file=sys.stderr,
        flush=True,
    )
