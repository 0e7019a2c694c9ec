"""Read the arrays and some attributes of an HDF5 file of weights, after a check of its tree.

Weight files come from anywhere, and the HDF5 library follows links into other files, unpacks
filters and allocates what a header claims. So before any array is read, all there is in the file
must be a group or a plain array, in one piece, and together no larger than the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from config import DRRError

ATTRIBUTES = (
    *("name", "layer_names", "weight_names"),  # of Keras
    *("format", "kind", "mean", "regularisation", "per_rating", "bias_regularisation"),
    *("members", "genres"),
)
OVERHEAD = 1 << 16  # bytes of the format beside some dozens of arrays
PLAIN = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)


class HDF5Error(DRRError):
    """Not an HDF5 file, a damaged one, or one that holds what files of weights do not."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array of a file; values: None unless they are floating-point numbers."""

    path: str
    kind: str
    shape: tuple[int, ...]
    values: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class StoredTree:
    """Arrays and attributes by the path of their owner, without the leading `/`; "" is the root.

    An attribute is a list of texts, or an array of numbers.
    """

    arrays: dict[str, StoredArray]
    attributes: dict[str, dict[str, Any]]

    def texts(self, path: str, attribute: str) -> list[str]:
        """An attribute's texts; none where it has none."""
        found = self.attributes.get(path, {}).get(attribute)
        return found if isinstance(found, list) else []


def read_hdf5(path: Path) -> StoredTree:
    """All arrays of a file, and those attributes that files of weights have.

    Raises:
        HDF5Error: the file cannot be read, is damaged, or holds links, packed or virtual arrays,
            or values in other files.
    """
    try:
        with h5py.File(path, "r") as file:
            nodes = _checked_nodes(file, path.stat().st_size)
            attributes = {
                name: {key: _plain(node.attrs[key]) for key in ATTRIBUTES if key in node.attrs}
                for name, node in nodes.items()
            }
            sets = {name: node for name, node in nodes.items() if isinstance(node, h5py.Dataset)}
            arrays = {name: _array(name, dataset) for name, dataset in sets.items()}
    except HDF5Error:
        raise
    except Exception as error:  # of a damaged file the library complains in many ways
        raise HDF5Error(" ".join(f"{error}".split()) or type(error).__name__) from error
    return StoredTree(arrays, attributes)


def hdf5_size(arrays: Iterable[NDArray[Any]]) -> int:
    """Bytes of a file with these arrays, at most."""
    return sum(array.nbytes for array in arrays) + OVERHEAD


def _checked_nodes(file: h5py.File, size: int) -> dict[str, h5py.Group | h5py.Dataset]:
    """Everything in a file of `size` bytes by its path, in alphabetical order; nothing is read."""
    pending: list[tuple[str, h5py.Group | h5py.Dataset]] = [("", file)]
    nodes: dict[str, h5py.Group | h5py.Dataset] = {}
    seen: set[int] = set()
    while pending:
        path, node = pending.pop()
        address = h5py.h5o.get_info(node.id).addr
        if address in seen:
            raise HDF5Error(f"/{path}: two names of one object")
        seen.add(address)
        nodes[path] = node
        if isinstance(node, h5py.Dataset):
            size -= _checked_size(path, node)
        elif isinstance(node, h5py.Group):
            for name in node:
                if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                    raise HDF5Error(
                        f"/{path}: its member {name} is a link, perhaps to another file"
                    )
                pending.append((f"{path}/{name}".lstrip("/"), node[name]))
        else:
            raise HDF5Error(f"/{path}: neither a group nor an array")
        if size < 0:
            raise HDF5Error(f"/{path}: its values would not fit into the file")
    return dict(sorted(nodes.items()))


def _checked_size(path: str, dataset: h5py.Dataset) -> int:
    """Bytes of an array that lies in the file in one piece, as it is."""
    layout = dataset.id.get_create_plist()
    if layout.get_external_count():
        raise HDF5Error(f"/{path}: its values are in another file")
    if layout.get_layout() not in PLAIN:
        raise HDF5Error(f"/{path}: compressed, virtual or in pieces, expected a plain array")
    size: int = prod(dataset.shape or ()) * dataset.dtype.itemsize
    if dataset.dtype.kind == "f" and dataset.id.get_storage_size() != size:
        raise HDF5Error(f"/{path}: its values do not fill their shape {list(dataset.shape)}")
    return size


def _array(name: str, dataset: h5py.Dataset) -> StoredArray:
    kind = "text" if h5py.check_string_dtype(dataset.dtype) else dataset.dtype.name
    values = dataset[()] if dataset.dtype.kind == "f" else None
    return StoredArray(f"/{name}", kind, dataset.shape or (), values)


def _plain(value: Any) -> Any:
    """Texts of any kind as a list of `str`, everything else as an array."""
    array = np.asarray(value)
    if array.dtype.kind not in "OSU":
        return array
    texts = array.ravel().tolist()
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
