"""`python -m embedding.train`: fit one embedding on the training users and save it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import OmitArgPrefixes

import embedding
from config import ConfigError, Dataset, DRRError, EmbeddingConfig, in_flags
from config.command_line import read_arguments
from data import load_dataset
from data.splits import split_users


@dataclass(frozen=True)
class EmbeddingArguments:
    """Fit an embedding on the training users of a data set (the first 80% of the ids) and save it.

    Test users are never looked at.
    """

    out: Path
    """File to write, HDF5; an existing one is an error."""
    embedding: OmitArgPrefixes[EmbeddingConfig] = EmbeddingConfig("pmf", 100)  # noqa: RUF009
    dataset: Dataset = "auto"
    """auto: ml-1m, local or downloaded, else the synthetic set with a warning."""
    data_root: Path | None = None
    """Folder that holds ml-1m/ratings.dat; default $DRR_DATA_ROOT, else data/."""
    seed: int = 0
    """Of the first vectors and the drawn pairs."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status. An error is one line, without a traceback."""
    arguments = read_arguments(EmbeddingArguments, argv)
    out = arguments.out
    try:
        if out.exists():
            raise ConfigError(f"{out}: exists already; remove it or choose another --out")
        ratings = load_dataset(arguments.dataset, arguments.data_root)
        users, _ = split_users(ratings.n_users)
        table = embedding.fit(arguments.embedding, ratings.of_users(users), arguments.seed)
        table.save(out)
    except (DRRError, OSError) as error:
        print(f"embedding.train: {in_flags(error)}", file=sys.stderr)
        return 2
    print(
        f"{table.kind}, {table.n_items} items x {table.k}, fitted on {len(users)} training users of "
        f"{ratings.name} -> {out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
