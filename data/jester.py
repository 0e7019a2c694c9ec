"""Reader of the Jester joke ratings: the published matrices, saved as CSV from their Excel files.

One row per user: how many jokes were rated, then one column per joke, from -10 to 10, 99 where
the user did not rate it (eigentaste.berkeley.edu, data sets 1 and 3).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.delimited import open_table
from data.errors import DataError, quote
from data.ratings import Ratings, check_usable

SCALE = (-10.0, 10.0)
NOT_RATED = 99.0
POSITIVE_FROM = 0.001  # "above 0": ratings have at most three decimals


def read_jester(folder: Path) -> Ratings:
    """Every CSV of the folder, in the order of their names, users and jokes numbered from 1.

    There are no times: a user's ratings are in the order of the jokes. Raises DataError, naming
    file and line, for anything that is not such a matrix.
    """
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise DataError(f"{folder}: no *.csv; save the Excel files of Jester there as CSV")
    matrices = [_matrix(path) for path in paths]
    jokes = {path.name: matrix.shape[1] for path, matrix in zip(paths, matrices, strict=True)}
    if len(set(jokes.values())) > 1:
        raise DataError(f"{folder}: files of different data sets, jokes {jokes}; keep one set")
    matrix = np.concatenate(matrices)  # [U, I]
    users, items = np.nonzero(~np.isnan(matrix))
    ratings = Ratings.from_events(
        "jester",
        users + 1,
        items + 1,
        matrix[users, items],
        np.zeros(len(users)),
        user_ids=np.arange(1, matrix.shape[0] + 1),
        item_ids=np.arange(1, matrix.shape[1] + 1),
        scale=SCALE,
        positive_threshold=POSITIVE_FROM,
    )
    check_usable(folder, ratings)
    return ratings


def _matrix(path: Path) -> NDArray[np.float32]:
    """Ratings [U, I] of one file, NaN where there is none."""
    table = open_table(path, header=False)
    parts, begin = [], 0
    for block in table.blocks(table.columns):
        numbers = block.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        known = numbers[:, 1:] != NOT_RATED
        valid = (np.abs(numbers[:, 1:]) <= SCALE[1]) | ~known
        for row, column in np.argwhere(~valid)[:1]:
            raise DataError(
                f"{table.where(begin + row)}: joke {column + 1}: rating must be -10 to 10, or 99, "
                f"value {quote(block.iloc[row, column + 1])}; restore the file"
            )
        for row in np.flatnonzero(known.sum(axis=1) != numbers[:, 0])[:1]:
            raise DataError(
                f"{table.where(begin + int(row))}: first column says {quote(block.iloc[row, 0])} "
                f"ratings, the line has {known[row].sum()}; restore the file"
            )
        parts.append(np.where(known, numbers[:, 1:], np.nan).astype(np.float32))
        begin += len(block)
    return np.concatenate(parts)
