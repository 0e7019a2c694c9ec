"""`python -m embedding.train`: fit one embedding on the training users, measure it, save it."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import embedding
from config import ConfigError, DRRError, EmbeddingConfig
from data import DataError, Ratings, load_dataset
from data.splits import hold_out_users, split_users
from embedding.least_squares import FloatArray
from embedding.table import EmbeddingTable

HISTORY = 10  # ratings of a held-out user that are folded in, as in the catalog protocol
HELD_OUT = 0.05  # share of the training users on which the quality is measured


@dataclass(frozen=True)
class EmbeddingArguments:
    """Fit an embedding on the training users of a data set (the first 80% of the ids) and save it.

    Before that, its quality is measured by a fit without 5% of those users: their first 10 ratings
    are folded in, the others predicted. Test users are never looked at.
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
    measure: bool = True
    """Whether to fit a first time without the held-out users and print the quality."""


def order_probability(above: FloatArray, below: FloatArray) -> float:
    """P(a > b) + P(a = b) / 2 over all pairs of scores above [P], below [Q]; NaN without pairs."""
    if len(above) == 0 or len(below) == 0:
        return float("nan")
    ordered = np.sort(below)
    wins = np.searchsorted(ordered, above, "left") + np.searchsorted(ordered, above, "right")
    return float(wins.mean() / (2 * len(below)))


def scores_after_history(table: EmbeddingTable, ratings: Ratings, users: np.ndarray) -> FloatArray:
    """Scores [B, I] for users [B], of whom their first HISTORY ratings are known."""
    mine = ratings.of_users(users)
    place = np.arange(mine.n_ratings) - mine.offsets[mine.users]
    known = mine.keep(place < HISTORY)
    return table.scores(table.fold_in_rows(known.offsets, known.items, known.values)[users])


def measure(scores: FloatArray, ratings: Ratings, users: np.ndarray) -> list[float]:
    """How well scores [B, I] order the ratings of users [B] after the first HISTORY; two means.

    P(a liked item scores above one rated lower), and above one that the user never rated. Ties
    count half; chance is .5. Users without a pair are left out.
    """
    rows = []
    for row, user in zip(scores, users, strict=True):
        items, liked = ratings.items[ratings.row(user)], ratings.positive[ratings.row(user)]
        hidden, liked = items[HISTORY:], liked[HISTORY:]
        above = row[hidden[liked]]
        below = row[hidden[~liked]], np.delete(row, items)
        rows.append([order_probability(above, lower) for lower in below])
    means: list[float] = np.nanmean(rows, axis=0).tolist()
    return means


def rating_error(predicted: FloatArray, ratings: Ratings, users: np.ndarray) -> float:
    """RMSE of predictions [B, I] of the ratings of users [B] after the first HISTORY."""
    errors = []
    for row, user in zip(predicted, users, strict=True):
        hidden = slice(ratings.row(user).start + HISTORY, ratings.row(user).stop)
        errors.append(ratings.values[hidden] - row[ratings.items[hidden]])
    return float(np.sqrt(np.square(np.concatenate(errors)).mean()))


def report(config: EmbeddingConfig, ratings: Ratings, users: np.ndarray, seed: int) -> list[str]:
    """Lines on the quality of an embedding fitted without 5% of `users`, popularity beside it."""
    count = max(1, int(HELD_OUT * len(users)))
    fitted, held_out = hold_out_users(users, count, seed)
    part = ratings.of_users(fitted)
    table = embedding.fit(config, part, seed)
    counts = np.bincount(part.items[part.positive], minlength=ratings.n_items)
    scorings: dict[str, FloatArray] = {
        config.kind: scores_after_history(table, ratings, held_out),
        "popularity": np.broadcast_to(counts.astype(np.float32), (len(held_out), ratings.n_items)),
    }
    lines = [f"{len(held_out)} held-out training users, {HISTORY} ratings folded in:"]
    lines.append(f"  {'':12} liked above rated lower   liked above unrated   (chance .5)")
    for name, scores in scorings.items():
        rated, unrated = measure(scores, ratings, held_out)
        lines.append(f"  {name:12} {rated:.4f} {unrated:25.4f}")
    if config.kind == "pmf":
        mean = np.full((len(held_out), ratings.n_items), table.mean)
        error, alone = (rating_error(found, ratings, held_out) for found in (scorings["pmf"], mean))
        lines.append(f"  RMSE {error:.4f} stars; mean rating alone {alone:.4f}")
    return lines


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
    """Load, measure, fit, save; returns the file written. FileExistsError if it is there."""
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
    if arguments.measure:
        print("\n".join(report(config, ratings, users, arguments.seed)))
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
    import tyro  # deferred: only the command needs it

    arguments = tyro.cli(EmbeddingArguments, args=argv, prog="python -m embedding.train")
    try:
        run(arguments)
    except (OSError, ValueError, MemoryError) as error:
        print(f"embedding.train: {error}", file=sys.stderr)
        asked = isinstance(error, DataError | UsageError | ConfigError | FileExistsError)
        return 2 if asked else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
