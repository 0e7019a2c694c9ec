"""Ctrl-C and SIGTERM: at once, or, during training, after the iteration that is under way."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop: `signal` is its number; `saved` where nothing is lost by it."""

    def __init__(self, number: int, *, saved: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number
        self.saved = saved


@contextmanager
def stop_at_once() -> Iterator[None]:
    """Both signals raise Interrupted wherever the program is."""
    with _handled_by(_raise):
        yield


@contextmanager
def stop_later() -> Iterator[list[int]]:
    """The first signal is noted in the list; a second one raises Interrupted at once."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received:
            _raise(number, frame)
        received.append(number)

    with _handled_by(note):
        yield received
        if received:  # in the last moment, when nobody asked for it any more
            raise Interrupted(received[0])


def _raise(number: int, _: Any) -> None:
    raise Interrupted(number)


@contextmanager
def _handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
