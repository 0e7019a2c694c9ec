"""The reader of HDF5 files against h5py, and what it refuses."""

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from embedding.hdf5 import Array, Group, HDF5Error, read_hdf5

Fill = Callable[[h5py.File], object]


def written(path: Path, fill: Fill, **how) -> Path:
    with h5py.File(path, "w", **how) as file:
        fill(file)
    return path


def by_h5py(path: Path) -> dict[str, tuple[dict, np.ndarray | None]]:
    """Attributes and values of everything, as the HDF5 library reads them."""
    found: dict[str, tuple[dict, np.ndarray | None]] = {}

    def note(name: str, node: h5py.Group | h5py.Dataset) -> None:
        values = node[()] if isinstance(node, h5py.Dataset) else None
        found[name] = dict(node.attrs), values

    with h5py.File(path) as file:
        note("", file)
        file.visititems(note)
    return found


def assert_equal_to_h5py(path: Path) -> int:
    """Returns the number of objects."""
    mine, theirs = read_hdf5(path), by_h5py(path)
    assert list(mine) == sorted(theirs)
    for name, (attributes, values) in theirs.items():
        node = mine[name]
        assert node.name == f"/{name}" and node.attributes.keys() == attributes.keys()
        for key, expected in attributes.items():
            found = node.attributes[key]
            if isinstance(found, list):
                texts = np.ravel(expected).tolist()
                assert found == [t.decode() if isinstance(t, bytes) else t for t in texts]
            else:
                np.testing.assert_array_equal(found, expected)
                assert found.dtype == np.asarray(expected).dtype
        assert isinstance(node, Group) == (values is None)
        if isinstance(node, Array) and node.kind != "text":
            np.testing.assert_array_equal(node.read(), values)
            assert node.read().dtype == values.dtype
    return len(mine)


def nested(file: h5py.File) -> None:
    for place in range(5):
        file[f"a/b{place}/c"] = np.full((place, 3), 0.5, np.float32)
    file["a/b1/d"] = np.arange(4, dtype=np.float16)
    file["a/scalar"] = np.float64(7.25)
    file["whole"] = np.arange(6, dtype=np.int64).reshape(2, 3)
    file["bytes"] = np.arange(3, dtype=np.uint8)
    file["text"] = ["never", "read"]


def crowded(file: h5py.File) -> None:
    """Enough members for several levels of the group's index."""
    for place in range(700):
        file.create_group(f"member_{place}").attrs["place"] = place


def described(file: h5py.File) -> None:
    group = file.create_group("layer")
    group.attrs["name"] = "dense_1"
    group.attrs["old"] = np.bytes_("Grün".encode())
    group.attrs["names"] = ["first", "", "zweite Schicht äöü"]
    group.attrs["fixed"] = np.array([b"kernel:0", b"b"])
    group.attrs["none"] = np.array([], dtype=float)
    group.attrs["matrix"] = np.arange(6.0).reshape(2, 3)
    group.attrs["count"] = np.int32(-3)
    for place in range(40):  # more than the header's first block holds
        group.attrs[f"more {place}"] = f"text {place}" * place


@pytest.mark.parametrize(("fill", "count"), [(nested, 17), (crowded, 701), (described, 2)])
def test_everything_is_read_as_h5py_reads_it(tmp_path: Path, fill: Fill, count: int) -> None:
    assert assert_equal_to_h5py(written(tmp_path / "a.h5", fill)) == count


def test_values_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file.attrs["pickled"] = np.void(b"\x80\x04cos\nsystem\n.")
        file.attrs["compound"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
        file.attrs["switch"] = True
        file.attrs["place"] = file.ref
        file.attrs["kept"] = 3
        file.attrs["nothing"] = h5py.Empty("f8")

    root = read_hdf5(written(tmp_path / "a.h5", fill))[""]
    assert list(root.attributes) == ["kept", "nothing"]
    assert root.attributes["nothing"].shape == (0,)


def external(file: h5py.File) -> None:
    file["a"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file: h5py.File) -> None:
    file["a"], file["b"] = np.ones(3), h5py.SoftLink("/a")


def hard(file: h5py.File) -> None:
    file["a"] = np.ones(3)
    file["b"] = file["a"]


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
    file.create_dataset("a", (10**6,), "f4", data=np.zeros(10**6, "f4"), compression="gzip")


def endless(file: h5py.File) -> None:
    """36 TiB that were never written."""
    file.create_dataset("a", (10**9, 10**4), "f4", chunks=(1000, 1000))


def unwritten(file: h5py.File) -> None:
    file.create_dataset("a", (10**9, 10**4), "f4")


def committed(file: h5py.File) -> None:
    file["type"] = np.dtype("f4")


def shared(file: h5py.File) -> None:
    file["T"] = np.dtype("f4")
    file.create_dataset("a", data=np.ones(3, "f4"), dtype=file["T"])


REFUSED: dict[str, tuple[Fill, str]] = {
    "link to another file": (external, "/: holds a link, perhaps to another file"),
    "soft link": (soft, "/: its member b is a link"),
    "two names": (hard, "two names of one object"),
    "circle": (circle, "two names of one object"),
    "values in another file": (elsewhere, "/a: its values are in another file"),
    "virtual": (virtual, "/a: compressed, virtual or in pieces"),
    "compressed": (bomb, "/a: compressed, virtual or in pieces"),
    "36 TiB in pieces": (endless, "/a: compressed, virtual or in pieces"),
    "36 TiB never written": (unwritten, "/a: truncated or damaged, 40000000000000 bytes"),
    "stored type": (committed, "/type: neither a group nor an array"),
    "shared type": (shared, "/a: shares its description"),
}


@pytest.mark.parametrize(("fill", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_files_of_weights_do_not_hold_is_refused(tmp_path, fill: Fill, message: str) -> None:
    with pytest.raises(HDF5Error, match=message):
        read_hdf5(written(tmp_path / "a.h5", fill))


def test_newer_layouts_are_named(tmp_path: Path) -> None:
    with pytest.raises(HDF5Error, match="superblock 3, expected 0: save it with the defaults"):
        read_hdf5(written(tmp_path / "a.h5", nested, libver="latest"))
    with pytest.raises(HDF5Error, match="newer kind"):
        read_hdf5(written(tmp_path / "a.h5", nested, track_order=True))


def test_an_array_that_is_no_number_is_not_read(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["text"], file["big"] = "words", np.ones(3, ">f4")

    nodes = read_hdf5(written(tmp_path / "a.h5", fill))
    for name, kind in {"text": "text", "big": "unusual type"}.items():
        with pytest.raises(HDF5Error, match=f"/{name}: expected numbers .* found .*{kind}"):
            nodes[name].read()


def test_every_shorter_file_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path / "a.h5", nested).read_bytes()
    for size in range(0, len(content), 97):
        (tmp_path / "a.h5").write_bytes(content[:size])
        with pytest.raises(HDF5Error, match=r"does not begin like HDF5|truncated|superblock"):
            read_hdf5(tmp_path / "a.h5")


def changed(content: bytes, at: int, value: int, layout: str) -> bytes:
    size = struct.calcsize(f"<{layout}")
    return content[:at] + struct.pack(f"<{layout}", value) + content[at + size :]


def test_counts_and_sizes_that_lie_are_noticed(tmp_path: Path) -> None:
    """A heap of texts that ends nowhere makes the HDF5 library loop; sizes make it allocate."""
    content = written(tmp_path / "a.h5", described).read_bytes()
    heap, node = content.index(b"GCOL"), content.index(b"SNOD")
    for at, value, layout in (
        (heap + 16, 0, "H"),  # the first text's index
        (heap + 24, 2**64 - 16, "Q"),  # its size: the walk would start again
        (heap + 24, 2**63, "Q"),
        (node + 6, 2**16 - 1, "H"),  # members of the root group
        (node + 16, 2**64 - 1, "Q"),  # where the first one lies
        (content.index(b"TREE") + 32, content.index(b"TREE"), "Q"),  # the index contains itself
    ):
        (tmp_path / "a.h5").write_bytes(changed(content, at, value, layout))
        with pytest.raises(HDF5Error, match="damaged"):
            read_hdf5(tmp_path / "a.h5")


def test_the_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding.hdf5.MOST_STEPS", 300)
    assert assert_equal_to_h5py(written(tmp_path / "a.h5", nested)) == 17
    with pytest.raises(HDF5Error, match="more than 300 parts"):
        read_hdf5(written(tmp_path / "a.h5", crowded))
