"""EmbeddingTable: item vectors, optional user vectors and biases, and the fold-in of new users.

Fold-in, as a sweep of ALS, is many small ridge regressions at once. Histories have very different
lengths: `blocks` groups those of similar length, so that each group is one padded array.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from config import DRRError
from data.files import replacing
from data.ratings import Ratings
from embedding.hdf5 import HDF5Error, StoredArray, StoredTree, hdf5_size, read_hdf5

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float32]

FORMAT = "drr-embedding-1"
BLOCK_ENTRIES = 1 << 17  # entries whose item vectors are gathered at once: bounds the memory
PADDED_ENTRIES = 1 << 16  # padded entries per block: 26 MB of features at k = 100
# The systems are small: threads inside BLAS cost more than they bring, on a busy machine 100 times
# as much, because they wait for each other.
_BLAS = ThreadpoolController()


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
    similar: FloatArray | None = None  # [I, k]: vectors of the items similar to each, summed

    def __post_init__(self) -> None:
        """Check the fields against each other, then make the arrays read-only."""
        n_items, k = self.items.shape
        if not n_items * k:
            raise EmbeddingError(
                f"field 'items': expected items and components, found {n_items, k}"
            )
        n_users = 0 if self.users is None else len(self.users)
        sizes: dict[str, tuple[int, ...]] = {"users": (n_users, k), "similar": (n_items, k)}
        sizes |= {"item_bias": (n_items,), "user_bias": (n_users,)}
        for name, expected in sizes.items():
            array = getattr(self, name)
            if array is not None and array.shape != expected:
                raise EmbeddingError(
                    f"field {name!r}: expected shape {expected}, found {array.shape}"
                )
        fits = {
            "regularisation": self.regularisation > 0,
            "per_rating": self.per_rating >= 0,
            "bias_regularisation": self.bias_regularisation is None or self.bias_regularisation > 0,
            "members": isinstance(self.members, int) and 0 <= self.members <= k,
            "genres": isinstance(self.genres, int) and 0 <= self.genres <= k,
        }
        for name, fit in fits.items():
            if not fit:
                raise EmbeddingError(f"field {name!r}: out of range, found {getattr(self, name)!r}")
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                array.setflags(write=False)

    @classmethod
    def without_biases(
        cls, kind: str, ratings: Ratings, items: FloatArray, users: FloatArray | None = None
    ) -> Self:
        """A table of vectors alone, centred at the mean of the ratings that it was fitted on."""
        return cls(
            kind=kind,
            items=items,
            users=users,
            item_bias=np.zeros(len(items), np.float32),
            user_bias=None,
            mean=float(ratings.values.mean(dtype=np.float64)),
            regularisation=1.0,
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
        size = max(1, BLOCK_ENTRIES // max(items.shape[1], 1))
        for start in range(0, len(items), size):
            rows = slice(start, start + size)
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
        if self.members:
            parts = [table.fold_in(items, ratings) for table in self._split()]
            ones = np.ones(len(items), np.float32)
            vectors = joined_members([(part, ones) for part in parts])
            return np.pad(vectors, [(0, 0), (0, self.k - vectors.shape[1])])
        mask = items >= 0
        targets = np.where(mask, ratings - self.item_bias[items] - np.float32(self.mean), 0)
        strength = self.regularisation + self.per_rating * mask.sum(axis=1)
        targets, strength = targets.astype(np.float32), strength.astype(np.float32)
        features = self.items[items]
        return ridge_with_bias(features, targets, mask, strength, self.bias_regularisation)[0]

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

    def _split(self) -> list["EmbeddingTable"]:
        """The members' own tables, from their columns."""
        used = self.k // self.members * self.members
        columns = self.items[:, :used] * np.sqrt(self.members, dtype="f4")
        return [
            replace(self, members=0, similar=None, items=part[:, :-1], item_bias=part[:, -1])
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
            file.attrs["format"] = FORMAT
            for name, value in vars(self).items():
                if name in ARRAYS and value is not None:
                    # Without time stamps equal tables are equal files.
                    file.create_dataset(name, data=value, track_times=False)
                elif value is not None:
                    file.attrs[name] = value

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


ARRAYS = {
    "items": 2,
    "users": 2,
    "similar": 2,
    "item_bias": 1,
    "user_bias": 1,
}  # name -> dimensions


def _values(tree: StoredTree) -> dict[str, Any]:
    """The fields of a table from a file's contents."""
    attributes = tree.attributes[""]
    if (found := attributes.get("format")) != [FORMAT]:
        raise EmbeddingError(f"attribute 'format': expected {FORMAT!r}, found {found!r}")
    values: dict[str, Any] = {"kind": "unknown", "users": None, "user_bias": None}
    for field in fields(EmbeddingTable):
        name = field.name
        if name in tree.arrays and name in ARRAYS:
            values[name] = _array(tree.arrays[name], name)
        elif name in attributes:
            values[name] = _plain(attributes[name], name)
        elif name not in values and field.default is MISSING:
            raise EmbeddingError(f"field {name!r}: missing")
    return values


def _array(stored: StoredArray, name: str) -> NDArray[np.floating]:
    values = stored.values
    if values is None or values.dtype != np.float32 or values.ndim != ARRAYS[name]:
        raise EmbeddingError(
            f"field {name!r}: expected float32 of {ARRAYS[name]} dimensions, found {stored.kind} "
            f"{stored.shape}"
        )
    if not np.isfinite(values).all():
        raise EmbeddingError(f"field {name!r}: holds values that are not finite")
    return values


def _plain(found: Any, name: str) -> str | float:
    """The kind, or a number."""
    if name == "kind" and isinstance(found, list) and found:
        return str(found[0])
    value = np.asarray(found)
    if value.shape != () or value.dtype.kind not in "fiu" or not np.isfinite(value):
        raise EmbeddingError(f"field {name!r}: expected a finite number, found {found!r}")
    number: float = value.item()
    return number


def joined_members(parts: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """[R, k] and [R] of each of m members -> [R, sum of (k + 1)], divided by sqrt(m)."""
    columns = [column for matrix, last in parts for column in (matrix, last[:, None])]
    joined: FloatArray = np.hstack(columns) / np.sqrt(len(parts), dtype=np.float32)
    return joined


def blocks(lengths: IntArray) -> Iterator[IntArray]:
    """Yield row ids [B], longest first, so that B x (longest of the block) <= PADDED_ENTRIES.

    Empty rows are left out; a single row longer than that is a block of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        size = max(1, PADDED_ENTRIES // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def padded_positions(offsets: IntArray, rows: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Positions [B, n] of the CSR rows' entries, right-padded with 0, and their mask [B, n]."""
    lengths = offsets[rows + 1] - offsets[rows]
    steps = np.arange(int(lengths.max(initial=0)))
    mask = steps < lengths[:, None]
    return np.where(mask, offsets[rows][:, None] + steps, 0), mask


def ridge(features: FloatArray, targets: FloatArray, strength: FloatArray) -> FloatArray:
    """Minimise |t - F x|^2 + s |x|^2 per row: features [B, n, k], targets [B, n] -> [B, k].

    (F'F + s I)^-1 F't, or by the smaller system F'(FF' + s I)^-1 t where n < k. Padding entries
    must be zero in features and targets. strength [B] must be positive.
    """
    n, k = features.shape[1:]
    transposed = features.transpose(0, 2, 1)
    penalty = strength[:, None, None] * np.eye(min(n, k), dtype="f4")
    with _BLAS.limit(limits=1, user_api="blas"):
        if n < k:
            dual = np.linalg.solve(features @ transposed + penalty, targets[..., None])
            return (transposed @ dual)[..., 0]
        gram = transposed @ features + penalty
        return np.linalg.solve(gram, transposed @ targets[..., None])[..., 0]


def ridge_with_bias(
    features: FloatArray,
    targets: FloatArray,
    mask: NDArray[np.bool_],
    strength: FloatArray,
    bias_strength: float | None,
) -> tuple[FloatArray, FloatArray]:
    """`ridge` for a vector and, unless `bias_strength` is None, a constant solved jointly with it.

    features [B, n, k], targets [B, n], mask [B, n] (False: ignored), strength [B]
    -> vectors [B, k], biases [B] (zeros without a bias).
    """
    features = features * mask[..., None]
    targets = targets * mask
    if bias_strength is None:
        return ridge(features, targets, strength), np.zeros(len(features), np.float32)
    # b = c w turns the penalty bias_strength * b^2 into strength * w^2: one common strength.
    constant = np.sqrt(strength / np.float32(bias_strength))
    column = constant[:, None, None] * mask[..., None]
    solution = ridge(np.concatenate([features, column], axis=2), targets, strength)
    return solution[:, :-1], constant * solution[:, -1]
