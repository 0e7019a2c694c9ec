"""What a command prints: nothing of TensorFlow's, and no more where nobody reads on."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def end_when_nobody_reads() -> None:
    """From here on a closed pipe ends this process silently, as it ends other Unix tools.

    A lost network connection does the same: not for training, which several machines share, nor
    for servers.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextmanager
def quiet_stderr(quiet: bool = True) -> Iterator[None]:
    """What C++ prints on stderr in the block goes nowhere."""
    if not quiet:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # the file descriptor: the notices come from C++
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
