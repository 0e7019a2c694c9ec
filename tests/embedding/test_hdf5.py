"""What is read of an HDF5 file, and what is refused before anything is read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from embedding.hdf5 import HDF5Error, read_hdf5

Fill = Callable[[h5py.File], object]


def written(path: Path, fill: Fill, **how) -> Path:
    with h5py.File(path, "w", **how) as file:
        fill(file)
    return path


def weights(file: h5py.File) -> None:
    file.attrs["layer_names"] = ["first", "zweite Schicht äöü"]
    file.attrs["mean"] = 3.5
    file.attrs["pickled"] = np.void(b"\x80\x04cos\nsystem\n.")
    file["a/b/kernel"] = np.arange(6, dtype=np.float32).reshape(2, 3)
    file["a/b"].attrs["weight_names"] = np.array([b"kernel:0"])
    file["half"], file["double"] = np.ones(2, np.float16), np.float64(7.25)
    file["count"], file["text"] = np.arange(3), ["never", "read"]


@pytest.mark.parametrize("how", [{}, {"libver": "latest"}, {"track_order": True}])
def test_arrays_and_known_attributes_are_read(tmp_path: Path, how: dict) -> None:
    tree = read_hdf5(written(tmp_path / "a.h5", weights, **how))
    assert list(tree.arrays) == ["a/b/kernel", "count", "double", "half", "text"]
    kernel = tree.arrays["a/b/kernel"]
    np.testing.assert_array_equal(kernel.values, [[0, 1, 2], [3, 4, 5]])
    assert (kernel.path, kernel.kind, kernel.shape) == ("/a/b/kernel", "float32", (2, 3))
    assert tree.arrays["double"].values == 7.25 and tree.arrays["half"].values.dtype == np.float16
    assert tree.arrays["count"].values is None and tree.arrays["text"].values is None
    assert tree.attributes[""] == {"layer_names": ["first", "zweite Schicht äöü"], "mean": 3.5}
    assert tree.texts("a/b", "weight_names") == ["kernel:0"]
    assert tree.texts("", "mean") == tree.texts("a", "name") == tree.texts("absent", "name") == []


def external(file: h5py.File) -> None:
    file["a"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file: h5py.File) -> None:
    file["a"], file["b"] = np.ones(3), h5py.SoftLink("/a")


def circle(file: h5py.File) -> None:
    group = file.create_group("a/b")
    group["c"] = file["a"]


def elsewhere(file: h5py.File) -> None:
    file.create_dataset("a", (2,), "f4", external=[("/etc/passwd", 0, 8)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("a", layout)


def bomb(file: h5py.File) -> None:
    file.create_dataset("a", data=np.zeros(10**6, "f4"), compression="gzip")


def never_written(kind: str) -> Fill:
    return lambda file: file.create_dataset("a", (10**9, 10**4), kind)


def stored_type(file: h5py.File) -> None:
    file["a"] = np.dtype("f4")


REFUSED: dict[str, tuple[Fill, str]] = {
    "link to another file": (external, "/: its member a is a link, perhaps to another file"),
    "soft link": (soft, "/: its member b is a link"),
    "circle": (circle, "two names of one object"),
    "values in another file": (elsewhere, "/a: its values are in another file"),
    "virtual": (virtual, "/a: compressed, virtual or in pieces"),
    "compressed": (bomb, "/a: compressed, virtual or in pieces"),
    "36 TiB of nothing": (never_written("f4"), "/a: its values do not fill their shape"),
    "72 TiB of integers": (never_written("i8"), "/a: its values would not fit into the file"),
    "stored type": (stored_type, "/a: neither a group nor an array"),
}


@pytest.mark.parametrize(("fill", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_files_of_weights_do_not_hold_is_refused(tmp_path, fill: Fill, message: str) -> None:
    with pytest.raises(HDF5Error, match=message):
        read_hdf5(written(tmp_path / "a.h5", fill))
