"""Read the arrays, names and attributes of an HDF5 file of weights, in bounded Python.

Weight files come from anywhere, and the HDF5 library is not made for that: it follows links into
other files, unpacks filters, allocates what a header claims, and a few changed bytes make it loop
for ever or crash (SECURITY.md). This reader knows what Keras and h5py write by default, groups of
whole arrays with plain attributes, and refuses the rest. Nothing that it reads is ever executed,
it looks at no other file, and its work is bounded by the size of the file.

The layout is that of the HDF5 File Format Specification, version 3.0: superblock 0, object headers
of version 1, symbol tables. Addresses and sizes have 8 bytes; all numbers are little-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_STEPS = 100_000  # messages, members and heap entries; a file of weights has a few hundred
LONGEST_NAME = 4096
DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT = 0x1, 0x2, 0x3, 0x6, 0x7, 0x8
ATTRIBUTE, CONTINUATION, SYMBOL_TABLE = 0xC, 0x10, 0x11
SHARED = 2  # flag of a message that is stored elsewhere
CONTIGUOUS, SOFT_LINK, NULL = 1, 2, 2
TEXT = "text"

Type = np.dtype[np.generic]
Attributes = dict[str, NDArray[np.generic] | list[str]]


def _float(bits: int, exponent: int, bias: int) -> bytes:
    """Bytes 1 to 19 of the datatype message of an IEEE number."""
    mantissa = bits - exponent - 1
    places = (bits, mantissa, exponent, 0, mantissa, bias)
    return struct.pack("<BHIHHBBBBI", 0x20, bits - 1, bits // 8, 0, *places)


FLOATS = {_float(16, 5, 15): "<f2", _float(32, 8, 127): "<f4", _float(64, 11, 1023): "<f8"}


class HDF5Error(ValueError):
    """Not an HDF5 file, a damaged one, or one that holds what files of weights do not."""


@dataclass(frozen=True, eq=False)
class Group:
    """A group; its name is its path, `/` for the root."""

    name: str
    attributes: Attributes


@dataclass(frozen=True, eq=False)
class Array:
    """An array, not read yet. kind: its type for messages; dtype: None where it is no number."""

    name: str
    attributes: Attributes
    shape: tuple[int, ...]
    kind: str
    dtype: Type | None
    content: memoryview

    def read(self) -> NDArray[np.generic]:
        """The values; HDF5Error where they are no numbers or do not fill the shape."""
        size = prod(self.shape) * (self.dtype.itemsize if self.dtype else 0)
        if self.dtype is None or len(self.content) != size:
            found = f"{self.kind} of shape {list(self.shape)} in {len(self.content)} bytes"
            raise HDF5Error(f"{self.name}: expected numbers that fill their shape, found {found}")
        return _numbers(self.name, self.content, self.dtype, self.shape)


def read_hdf5(path: Path) -> dict[str, Group | Array]:
    """Everything in a file by its path without the leading `/`; the root group is "".

    Raises:
        OSError: the file cannot be read.
        HDF5Error: it is damaged, or holds links, packed or virtual arrays, data in other files.
    """
    return _Reader(path.read_bytes()).tree()


class _Reader:
    """A file's bytes, and how many more steps may be spent on them."""

    def __init__(self, content: bytes) -> None:
        self.content = memoryview(content)
        self.steps = MOST_STEPS

    def tree(self) -> dict[str, Group | Array]:
        """All objects by path, in alphabetical order."""
        pending, seen = [("", self._root())], set[int]()
        nodes: dict[str, Group | Array] = {}
        while pending:
            path, address = pending.pop()
            if address in seen or path in nodes:
                raise HDF5Error(f"/{path}: two names of one object, or two objects of one name")
            seen.add(address)
            nodes[path], table = self._object(f"/{path}", address)
            for member, place in self._members(f"/{path}", table) if table else ():
                pending.append((f"{path}/{member}".lstrip("/"), place))
        return dict(sorted(nodes.items()))

    def _root(self) -> int:
        """Address of the root group's header, from the superblock."""
        if self.content[:8] != SIGNATURE:
            raise HDF5Error("it does not begin like HDF5")
        version, offsets, lengths = self._at(8, "B4xBB", "superblock")
        base, end, root = self._at(24, "Q8xQ16xQ", "superblock")
        if (version, offsets, lengths, base) != (0, 8, 8, 0):
            raise HDF5Error(f"superblock {version}, expected 0: save it with the defaults of h5py")
        if end > len(self.content):
            raise HDF5Error(f"truncated: {len(self.content)} bytes of {end}")
        return root

    def _object(self, name: str, address: int) -> tuple[Group | Array, bytes | None]:
        """The object at an address; with it, of a group, its symbol-table message."""
        parts: dict[int, bytes] = {}
        attributes: Attributes = {}
        for kind, flags, body in self._messages(name, address):
            if kind in (DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE) and flags & SHARED:
                raise HDF5Error(f"{name}: shares its description with another object")
            if kind == ATTRIBUTE:
                attributes |= self._attribute(name, body)
            parts[kind] = body
        if LINK in parts or LINK_INFO in parts:
            raise HDF5Error(f"{name}: holds a link, perhaps to another file")
        if SYMBOL_TABLE in parts:
            return Group(name, attributes), parts[SYMBOL_TABLE]
        return self._array(name, attributes, parts), None

    def _messages(self, name: str, address: int) -> Iterator[tuple[int, int, bytes]]:
        """(type, flags, body) of the messages of an object header, wherever it continues."""
        version, left, length = self._at(address, "BxH4xI", name)
        if version != 1:
            raise HDF5Error(f"{name}: damaged, or its header is of a newer kind ({version})")
        blocks = [(address + 16, length)]
        for start, length in blocks:  # grows while it is walked through
            at, end = start, start + len(self._take(start, length, name))
            while left and at + 8 <= end:
                kind, size, flags = self._at(at, "HHB", name)
                body = bytes(self._take(at + 8, size, name))
                at, left = at + 8 + size, left - 1
                self._spend(1)
                if kind == CONTINUATION:
                    further, size = _fields(body, 0, "QQ", name)
                    blocks.append((further, size))
                else:
                    yield kind, flags, body

    def _members(self, name: str, table: bytes) -> Iterator[tuple[str, int]]:
        """(name, address) of a group's members: a B-tree of symbol nodes, and a heap of names."""
        root, heap = _fields(table, 0, "QQ", name)
        self._expect(heap, (b"HEAP",), name)
        size, start = self._at(heap + 8, "Q8xQ", name)
        names = self._take(start, size, name)
        pending, seen = [root], set[int]()
        while pending:
            at = pending.pop()
            if at in seen:
                raise HDF5Error(f"{name}: damaged, its index runs in a circle")
            seen.add(at)
            (count,) = self._at(at + 6, "H", name)
            self._spend(1 + count)
            if self._expect(at, (b"TREE", b"SNOD"), name) == b"TREE":
                pending += [self._at(at + 32 + 16 * place, "Q", name)[0] for place in range(count)]
            else:
                for entry in range(at + 8, at + 8 + 40 * count, 40):
                    yield self._member(name, names, entry)

    def _member(self, group: str, names: memoryview, entry: int) -> tuple[str, int]:
        """Name and address in an entry of a symbol node."""
        start, address, kind = self._at(entry, "QQI", group)
        found, end, _ = bytes(names[start : start + LONGEST_NAME]).partition(b"\0")
        name = _text(found, group)
        if not end or name in ("", ".") or "/" in name:
            raise HDF5Error(f"{group}: damaged, a member's name is {name!r}")
        if kind == SOFT_LINK:
            raise HDF5Error(f"{group}: its member {name} is a link")
        return name, address

    def _array(self, name: str, attributes: Attributes, parts: dict[int, bytes]) -> Array:
        """An array that lies in the file in one piece, as it is."""
        if EXTERNAL in parts:
            raise HDF5Error(f"{name}: its values are in another file")
        if not {DATASPACE, DATATYPE, LAYOUT} <= parts.keys():
            raise HDF5Error(f"{name}: neither a group nor an array")
        if _fields(parts[LAYOUT], 0, "BB", name) != (3, CONTIGUOUS):
            raise HDF5Error(f"{name}: compressed, virtual or in pieces, expected a plain array")
        address, size = _fields(parts[LAYOUT], 2, "QQ", name)
        content = self._take(address, size, name) if size else self.content[:0]
        kind, dtype = _type(parts[DATATYPE], name)
        return Array(name, attributes, _shape(parts[DATASPACE], name), kind, dtype, content)

    def _attribute(self, owner: str, body: bytes) -> Attributes:
        """{name: value}; {} for a kind of value that weights do not have."""
        version, flags, *sizes = _fields(body, 0, "BBHHH", owner)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise HDF5Error(f"{owner}: damaged, or an attribute of a newer kind ({version})")
        at, parts = (9 if version == 3 else 8), []
        for size in sizes:
            parts.append(body[at : at + size])
            at += -(-size // 8) * 8 if version == 1 else size
        kind, dtype = _type(parts[1], owner)
        shape, data = _shape(parts[2], owner), body[at:]
        if dtype is None and kind != TEXT:
            return {}
        return {_text(parts[0].rstrip(b"\0"), owner): self._value(owner, kind, dtype, shape, data)}

    def _value(
        self, owner: str, kind: str, dtype: Type | None, shape: tuple[int, ...], data: bytes
    ) -> NDArray[np.generic] | list[str]:
        """An attribute's numbers in their shape, or its texts in their order."""
        count, size = prod(shape), dtype.itemsize if dtype else 16
        if count * size > len(data):
            raise HDF5Error(f"{owner}: damaged, an attribute is cut off")
        if dtype is None:
            return [self._heap_text(owner, data[16 * n : 16 * n + 16]) for n in range(count)]
        values = _numbers(owner, data[: count * size], dtype, shape)
        return [_text(text, owner) for text in values.ravel().tolist()] if kind == TEXT else values

    def _heap_text(self, owner: str, reference: bytes) -> str:
        """Text of variable length: its length, address and index in a global heap collection."""
        length, address, index = _fields(reference, 0, "IQI", owner)
        if not length:
            return ""
        self._expect(address, (b"GCOL",), owner)
        at, end = address + 16, address + self._at(address + 8, "Q", owner)[0]
        while at + 16 <= end:
            found, size = self._at(at, "H6xQ", owner)
            self._spend(1)
            if found == index and length <= min(size, LONGEST_NAME):
                return _text(bytes(self._take(at + 16, length, owner)), owner)
            if found in (0, index):
                break
            at += 16 + -(-size // 8) * 8
        raise HDF5Error(f"{owner}: damaged, an attribute's text is not where it should be")

    def _expect(self, at: int, signatures: tuple[bytes, ...], owner: str) -> bytes:
        found = bytes(self._take(at, 4, owner))
        if found not in signatures:
            raise HDF5Error(f"{owner}: damaged, {found!r} at byte {at}, expected {signatures}")
        return found

    def _at(self, at: int, layout: str, owner: str) -> tuple[int, ...]:
        return _fields(self.content, at, layout, owner)

    def _take(self, at: int, size: int, owner: str) -> memoryview:
        if at + size > len(self.content):
            raise HDF5Error(f"{owner}: truncated or damaged, {size} bytes expected at byte {at}")
        return self.content[at : at + size]

    def _spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise HDF5Error(f"more than {MOST_STEPS} parts, which no file of weights has")


def _fields(data: bytes | memoryview, at: int, layout: str, owner: str) -> tuple[int, ...]:
    """Numbers in the notation of `struct`."""
    try:
        return struct.unpack_from(f"<{layout}", data, at)
    except (struct.error, OverflowError):
        raise HDF5Error(f"{owner}: truncated or damaged at byte {at}") from None


def _shape(body: bytes, owner: str) -> tuple[int, ...]:
    """Dimensions in a dataspace message; (0,) where there are no values at all."""
    version, rank, _, kind = _fields(body, 0, "BBBB", owner)
    if (version, kind) == (2, NULL):
        return (0,)
    if version not in (1, 2) or rank > 32:
        raise HDF5Error(f"{owner}: damaged, a shape of {rank} dimensions, version {version}")
    return _fields(body, 8 if version == 1 else 4, f"{rank}Q", owner)


def _type(body: bytes, owner: str) -> tuple[str, Type | None]:
    """Name and NumPy type in a datatype message; None where values are not of one fixed size."""
    family, bits, size = _fields(body, 0, "BBxxI", owner)
    dtype = None
    if family & 15 == 0 and size in (1, 2, 4, 8) and not bits & 1:
        dtype = np.dtype(f"<{'i' if bits & 8 else 'u'}{size}")
    elif family & 15 == 1 and body[1:20] in FLOATS:
        dtype = np.dtype(FLOATS[body[1:20]])
    elif family & 15 == 3 and 0 < size <= LONGEST_NAME:
        return TEXT, np.dtype(f"S{size}")
    elif family & 15 == 9 and bits & 15 == 1:
        return TEXT, None
    return (dtype.name if dtype else "an unusual type"), dtype


def _numbers(
    owner: str, data: bytes | memoryview, dtype: Type, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    try:
        return np.ndarray(shape, dtype, bytes(data))
    except (TypeError, ValueError):
        raise HDF5Error(f"{owner}: damaged, its shape is {list(shape)}") from None


def _text(found: bytes, owner: str) -> str:
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError:
        raise HDF5Error(f"{owner}: damaged, a name is not UTF-8") from None
