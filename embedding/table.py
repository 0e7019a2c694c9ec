"""EmbeddingTable: item vectors, optional user vectors and biases, and the fold-in of new users."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from config import DRRError
from data.files import replacing
from data.ratings import Ratings
from embedding.hdf5 import HDF5Error, StoredTree, hdf5_size, read_hdf5
from embedding.least_squares import (
    FloatArray,
    IntArray,
    blocks,
    padded_positions,
    ridge_with_bias,
)

FORMAT = "drr-embedding-1"
BLOCK_ENTRIES = 1 << 17  # entries whose item vectors are gathered at once: bounds the memory


class EmbeddingError(DRRError):
    """An embedding file or table that does not hold what it should."""


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Factors of I items and, where they were fitted, of U users, with k components each.

    `predict` is mean + item_bias + user_bias + user . item: a rating for the kinds "pmf" and "mf",
    an affinity without unit for the others. The last four fields are what `fold_in` needs.
    """

    kind: str
    items: FloatArray  # [I, k]
    users: FloatArray | None  # [U, k]; zero rows for users without ratings in the fitted part
    item_bias: FloatArray  # [I]
    user_bias: FloatArray | None  # [U]
    mean: float  # rating at which a known history is centred
    regularisation: float  # ridge strength of a history of n ratings: this + per_rating * n
    per_rating: float = 0.0
    bias_regularisation: float | None = None  # of the user bias; None: the model has no user bias
    members: int = 0  # factorisations side by side in `items`, as `fit_blend` puts them
    genres: int = 0  # the last components of `items`, as `fit_with_genres` puts them

    def __post_init__(self) -> None:
        """Check shapes against each other, then make the arrays read-only."""
        n_items, k = self.items.shape
        if not n_items * k:
            raise EmbeddingError(
                f"field 'items': expected items and components, found {n_items, k}"
            )
        n_users = 0 if self.users is None else len(self.users)
        sizes = {"users": (n_users, k), "item_bias": (n_items,), "user_bias": (n_users,)}
        for name, expected in sizes.items():
            array = getattr(self, name)
            if array is not None and array.shape != expected:
                raise EmbeddingError(
                    f"field {name!r}: expected shape {expected}, found {array.shape}"
                )
        for name in ("regularisation", "bias_regularisation"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise EmbeddingError(f"field {name!r}: expected a positive number, found {value!r}")
        if not self.per_rating >= 0:
            found = f"found {self.per_rating!r}"
            raise EmbeddingError(f"field 'per_rating': expected 0 or more, {found}")
        for name in COUNTS:
            count = getattr(self, name)
            if not (type(count) is int and 0 <= count <= k):
                raise EmbeddingError(f"field {name!r}: expected 0 to {k}, found {count!r}")
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                array.setflags(write=False)

    @classmethod
    def without_biases(
        cls,
        kind: str,
        ratings: Ratings,
        items: FloatArray,
        users: FloatArray | None = None,
        regularisation: float = 1.0,
    ) -> Self:
        """A table of vectors alone, centred at the mean of the ratings that it was fitted on."""
        return cls(
            kind=kind,
            items=items,
            users=users,
            item_bias=np.zeros(len(items), np.float32),
            user_bias=None,
            mean=float(ratings.values.mean(dtype=np.float64)),
            regularisation=regularisation,
        )

    @property
    def k(self) -> int:
        """Number of components."""
        return int(self.items.shape[1])

    @property
    def n_items(self) -> int:
        """Number of items I."""
        return len(self.items)

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Scores of items [B, C] for users [B] -> [B, C]; LookupError without user vectors."""
        if self.users is None:
            raise LookupError(f"embedding of kind {self.kind!r} has no user vectors; use fold_in")
        predicted = np.empty(items.shape, np.float32)
        for rows in _row_blocks(*items.shape):
            vectors = self.users[users[rows]][:, :, None]
            predicted[rows] = (self.items[items[rows]] @ vectors)[..., 0]
        if self.user_bias is not None:
            predicted += self.user_bias[users][:, None]
        return predicted + self.item_bias[items] + np.float32(self.mean)

    def scores(self, vectors: FloatArray) -> FloatArray:
        """mean + item_bias + vector . item for vectors [B, k] and all items -> [B, I].

        The user bias is left out: it does not change the order of one user's items.
        """
        return vectors @ self.items.T + (self.item_bias + np.float32(self.mean))

    def fold_in(self, items: IntArray, ratings: FloatArray) -> FloatArray:
        """Vectors [B, k] of users known by histories items [B, n] (-1: padding), ratings [B, n].

        The ridge solution on the centred ratings, items fixed: exactly the user half of an ALS
        sweep. A model with a user bias solves it jointly and drops it. A history of padding alone
        gives zeros.
        """
        items, ratings = np.asarray(items), np.asarray(ratings, np.float32)
        if items.ndim != 2 or items.shape != ratings.shape:
            raise ValueError(f"items {items.shape} and ratings {ratings.shape} must be one [B, n]")
        if items.size and not -1 <= items.min() <= items.max() < self.n_items:
            raise ValueError(f"items must be -1 (padding) or in 0..{self.n_items - 1}")
        vectors = np.zeros((len(items), self.k), np.float32)
        for rows in _row_blocks(*items.shape):
            vectors[rows] = self._fold_in_block(items[rows], ratings[rows])
        return vectors

    def fold_in_rows(
        self, offsets: IntArray, items: IntArray, ratings: FloatArray
    ) -> NDArray[np.float32]:
        """`fold_in` of histories in CSR form: offsets [B + 1], items and ratings [H] -> [B, k]."""
        nobody = np.full((len(offsets) - 1, 1), -1)
        vectors = self.fold_in(nobody, np.zeros(nobody.shape, np.float32))
        for rows in blocks(np.diff(offsets)):
            positions, mask = padded_positions(offsets, rows)
            vectors[rows] = self.fold_in(
                np.where(mask, items[positions], -1), np.where(mask, ratings[positions], 0)
            )
        return vectors

    def _fold_in_block(self, items: IntArray, ratings: FloatArray) -> FloatArray:
        if self.members:
            parts = [table._fold_in_block(items, ratings) for table in self._split()]
            ones = np.ones(len(items), np.float32)
            vectors = joined_members([(part, ones) for part in parts])
            return np.pad(vectors, [(0, 0), (0, self.k - vectors.shape[1])])
        mask = items >= 0
        targets = np.where(mask, ratings - self.item_bias[items] - np.float32(self.mean), 0)
        strength = self.regularisation + self.per_rating * mask.sum(axis=1)
        targets, strength = targets.astype(np.float32), strength.astype(np.float32)
        features = self.items[items]
        return ridge_with_bias(features, targets, mask, strength, self.bias_regularisation)[0]

    def _split(self) -> list["EmbeddingTable"]:
        """The members' own tables, from their columns."""
        used = self.k // self.members * self.members
        columns = self.items[:, :used] * np.sqrt(self.members, dtype="f4")
        return [
            replace(self, members=0, items=part[:, :-1], item_bias=part[:, -1])
            for part in np.split(columns, self.members, axis=1)
        ]

    def save(self, path: str | Path) -> None:
        """Write HDF5, atomically: a crash leaves either the old file or the new one."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = [getattr(self, name) for name in ARRAYS]
        room = hdf5_size(array for array in arrays if array is not None)
        # Room first: a disk that fills up inside the HDF5 library would end the process.
        with replacing(path, room) as temporary, h5py.File(temporary, "w") as file:
            self._write(file)

    def _write(self, file: h5py.File) -> None:
        file.attrs["format"] = FORMAT
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name in ARRAYS:
                # Without time stamps equal tables are equal files.
                file.create_dataset(field.name, data=value, track_times=False)
            else:
                file.attrs[field.name] = value

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file written by `save`.

        Raises FileNotFoundError, or EmbeddingError naming the file, the field, what was expected
        and what was found.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such embedding file; write one with python -m embedding.train"
            )
        try:
            return cls(**_values(read_hdf5(path)))
        except EmbeddingError as error:
            raise EmbeddingError(f"{path}: {error}; restore the file") from None
        except HDF5Error as error:
            reason = f"not a readable HDF5 file ({error})"
            raise EmbeddingError(f"{path}: {reason}; restore the file") from error


ARRAYS = {"items": 2, "users": 2, "item_bias": 1, "user_bias": 1}  # name -> dimensions
COUNTS = ("members", "genres")  # of components
SCALARS = ("mean", "regularisation", "per_rating", "bias_regularisation", *COUNTS)
OPTIONAL = {"users": None, "user_bias": None, "bias_regularisation": None} | dict.fromkeys(
    COUNTS, 0
)


def _values(tree: StoredTree) -> dict[str, Any]:
    """The fields of a table from a file's contents."""
    attributes = tree.attributes[""]
    if (found := attributes.get("format")) != [FORMAT]:
        raise EmbeddingError(f"attribute 'format': expected {FORMAT!r}, found {found!r}")
    values: dict[str, Any] = {"kind": str((attributes.get("kind") or ["unknown"])[0])}
    for name in (*ARRAYS, *SCALARS):
        if name in (tree.attributes if name in ARRAYS else attributes):
            values[name] = _array(tree, name) if name in ARRAYS else _number(attributes[name], name)
        elif name in OPTIONAL:
            values[name] = OPTIONAL[name]
        else:
            raise EmbeddingError(f"field {name!r}: missing")
    for name in COUNTS:
        if values[name] == int(values[name]):  # else the table refuses it
            values[name] = int(values[name])
    return values


def _array(tree: StoredTree, name: str) -> NDArray[np.float32]:
    array = tree.arrays.get(name)
    values = None if array is None else array.values
    if values is None or values.dtype != np.float32 or values.ndim != ARRAYS[name]:
        found = f"{array.kind} {array.shape}" if array else "a group"
        raise EmbeddingError(
            f"field {name!r}: expected float32 of {ARRAYS[name]} dimensions, found {found}"
        )
    if not np.isfinite(values).all():
        raise EmbeddingError(f"field {name!r}: holds values that are not finite")
    return values.astype(np.float32)


def _number(found: Any, name: str) -> float:
    value = np.asarray(found)
    if value.shape != () or value.dtype.kind not in "fiu" or not np.isfinite(value):
        raise EmbeddingError(f"field {name!r}: expected a finite number, found {found!r}")
    return float(value)


def joined_members(parts: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """[R, k] and [R] of each of m members -> [R, sum of (k + 1)], divided by sqrt(m)."""
    columns = [column for matrix, last in parts for column in (matrix, last[:, None])]
    joined: FloatArray = np.hstack(columns) / np.sqrt(len(parts), dtype=np.float32)
    return joined


def _row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of rows with at most BLOCK_ENTRIES entries together."""
    size = max(1, BLOCK_ENTRIES // max(n_columns, 1))
    for start in range(0, n_rows, size):
        yield slice(start, start + size)
