"""How every command ends when nobody reads on what it prints, as in ``python train.py | head``."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """Around a command: a closed pipe ends it as it ends Unix tools, silently, with 128 + SIGPIPE.

    The signal itself stays ignored, since it would end the process for a lost connection as well.
    """
    try:
        try:
            yield
        finally:
            for stream in _open_streams():
                stream.flush()
    except BrokenPipeError:
        unread = [stream for stream in _open_streams() if _is_unread(stream)]
        if not unread:  # another pipe or a socket
            raise
        for stream in unread:  # what is left in the buffers goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _open_streams() -> list[TextIO]:
    """Standard output and error; Python has None for one that was closed before it began (`>&-`)."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _is_unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe or socket whose other end is closed."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
