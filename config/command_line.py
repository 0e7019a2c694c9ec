"""How a command ends when nobody reads on what it prints, as in ``python evaluate.py | head``."""

import signal


def end_when_nobody_reads() -> None:
    """From here on a closed pipe ends this process silently, as it ends other Unix tools.

    A lost network connection does the same: not for training, which several machines share, nor
    for servers.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
