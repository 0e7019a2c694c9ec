"""`python -m embedding.train`: fit one embedding on the training users and save it."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import embedding
from config import ConfigError, DRRError, EmbeddingConfig, in_flags
from config.command_line import read_arguments
from data import DataError, load_dataset
from data.splits import split_users


@dataclass(frozen=True)
class EmbeddingArguments:
    """Fit an embedding on the training users of a data set (the first 80% of the ids) and save it.

    Test users are never looked at.
    """

    kind: Literal["svd", "pmf", "user-movie", "movie-genre", "random"] = "pmf"
    """pmf: the paper's, by alternating least squares. svd: SVD of the positives plus
    log-popularity, the default of train.py. user-movie, movie-genre: the Keras networks of earlier
    DRR repositories. random: a control."""
    dataset: Literal["auto", "ml-1m", "ml-100k", "synthetic"] = "auto"
    """auto: ml-1m, local or downloaded, else the synthetic set with a warning."""
    data_root: Path | None = None
    """Folder that holds ml-1m/ratings.dat; default $DRR_DATA_ROOT, else data/."""
    dim: int = 100
    """k, the size of a vector (paper, section V: 100)."""
    seed: int = 0
    """Of the first vectors, the drawn pairs, and the choice of held-out users."""
    out: Path | None = None
    """File to write, HDF5; default save_weights/<dataset>-<kind>/embedding.weights.h5. An existing
    file is an error."""


class UsageError(DRRError):
    """The command line asks for something that cannot be done."""


def check_out(out: Path) -> None:
    """An error where the file could not be written: before the work, not after it."""
    if out.exists():
        raise FileExistsError(f"{out}: exists already; remove it or choose another --out")
    above = next(place for place in out.absolute().parents if place.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise UsageError(f"{out}: cannot be written, {above} is no writable folder; change --out")


def run(arguments: EmbeddingArguments) -> Path:
    """Load, fit, save; returns the file written. FileExistsError if it is there."""
    if not 0 <= arguments.seed < 2**31:
        raise UsageError(f"--seed is {arguments.seed}, expected 0 to 2147483647")
    config = EmbeddingConfig(kind=arguments.kind, dim=arguments.dim)
    if arguments.out is not None:
        check_out(arguments.out)
    ratings = load_dataset(arguments.dataset, arguments.data_root)
    default = Path("save_weights") / f"{ratings.name}-{arguments.kind}" / "embedding.weights.h5"
    out = arguments.out or default
    check_out(out)
    users, _ = split_users(ratings.n_users)
    start = time.perf_counter()
    table = embedding.fit(config, ratings.of_users(users), arguments.seed)
    seconds = time.perf_counter() - start
    table.save(out)
    print(
        f"{arguments.kind}, {table.n_items} items x {table.k}, fitted on {len(users)} training "
        f"users of {ratings.name} in {seconds:.1f} s -> {out}"
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. An error is one line, without a traceback."""
    arguments = read_arguments(EmbeddingArguments, argv)
    try:
        run(arguments)
    except (OSError, ValueError, MemoryError) as error:
        print(f"embedding.train: {in_flags(error)}", file=sys.stderr)
        asked = isinstance(error, DataError | UsageError | ConfigError | FileExistsError)
        return 2 if asked else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
