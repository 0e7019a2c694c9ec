"""Commands whose reader has gone, as in `python evaluate.py | head`, end as other Unix tools do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def unread(*words: str) -> subprocess.CompletedProcess[str]:
    """A command that prints into a pipe whose other end is closed."""
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, *words]
    try:
        return subprocess.run(
            command, cwd=ROOT, text=True, check=False, stdout=theirs, stderr=subprocess.PIPE
        )
    finally:
        os.close(theirs)


def test_a_table_that_nobody_reads_ends_silently():
    done = unread(
        *("evaluate.py", "--dataset", "synthetic", "--protocol", "catalog"),
        *("--policies", "popularity"),
    )
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_a_training_ignores_the_signal_since_a_lost_connection_sends_it_too():
    program = (
        "import signal, sys, train; sys.exit(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    )
    assert unread("-c", program).returncode == 1
