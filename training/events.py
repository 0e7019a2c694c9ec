"""The TensorBoard scalars of a run, read back."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tensorboard.compat.proto.event_pb2 import Event


class Scalar(NamedTuple):
    """One logged number: its name, the run's transitions, seconds since 1970, the value."""

    name: str
    step: int
    time: float
    value: float


def read_scalars(folder: Path) -> Iterator[Scalar]:
    """Every scalar of the event files in `folder`, in the order in which they were written.

    A run that was killed and resumed has several files; steps between its last checkpoint and its
    end are in two of them, with equal values.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in _events(path.read_bytes()):
            for value in event.summary.value:
                (number,) = struct.unpack("<f", value.tensor.tensor_content)
                yield Scalar(value.tag, event.step, event.wall_time, number)


def _events(content: bytes) -> Iterator[Event]:
    """Records are: length (8 bytes), its checksum (4), the event, its checksum (4)."""
    start = 12
    while start <= len(content):
        end = start + int.from_bytes(content[start - 12 : start - 4], "little")
        if end + 4 > len(content):
            return  # the process was killed while it wrote
        yield Event.FromString(content[start:end])
        start = end + 16
