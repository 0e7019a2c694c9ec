"""Commands on a terminal and in pipes: help fits, and a reader who goes ends them silently."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.command_line import read_arguments

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ExampleArguments:
    """Names the flags of an example, at greater length than a narrow terminal has room for.

    python -m example
    """

    flag: int = 1
    """Of several lines,
    none of which is full."""


def test_help_wraps_at_the_width_of_the_terminal_alone(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "50")
    with pytest.raises(SystemExit):
        read_arguments(ExampleArguments, ["--help"], prog="python -m example")
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        "usage: python -m example [-h] [--flag INT]",
        "",
        "Names the flags of an example, at greater length",
    ]
    assert "python -m example" in lines and max(map(len, lines)) <= 50
    assert "Of several lines, none of" in "\n".join(lines)


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


def test_help_that_nobody_reads_to_its_end_ends_silently():
    assert unread("train.py", "--help").returncode == -signal.SIGPIPE


def test_a_training_ignores_the_signal_since_a_lost_connection_sends_it_too():
    program = (
        "import signal, sys, train; sys.exit(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    )
    assert unread("-c", program).returncode == 1
