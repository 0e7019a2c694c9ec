"""Commands whose reader has gone, as in `python train.py | head`: silent, with a Unix tool's status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNREAD = 141  # 128 + SIGPIPE, which a shell says of `yes | head`


def python(*words: str, **options) -> subprocess.CompletedProcess[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run([sys.executable, *words], cwd=ROOT, text=True, check=False, **pipes)


@pytest.fixture
def closed():
    """A pipe that nobody reads."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as pipe:
        yield pipe


def ending(body: str) -> str:
    """A program that does no more than `body`, ended as our commands are."""
    lines = ("import os, sys", "from config.command_line import until_nobody_reads")
    return "\n".join([*lines, "with until_nobody_reads():", f"    {body}"])


COMMANDS = {
    "help": ("train.py", "--help"),
    "table": (
        *("-u", "evaluate.py", "--dataset", "synthetic", "--protocol", "catalog"),
        *("--policies", "popularity"),
    ),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_that_nobody_reads_ends_silently(words, closed):
    done = python(*words, stdout=closed)
    assert done.returncode == UNREAD and "Broken" not in done.stderr


@pytest.mark.parametrize("body", ["print('x')", "print('x' * 100_000)", "print('x'); sys.exit(2)"])
def test_nothing_is_said_of_it(body, closed):
    done = python("-c", ending(body), stdout=closed)
    assert (done.returncode, done.stderr) == (UNREAD, "")


def test_an_error_that_goes_unread_ends_it_as_well(closed):
    program = ending("print('x' * 100_000, file=sys.stderr)")
    assert python("-c", program, stdout=closed, stderr=closed).returncode == UNREAD
    assert python("-c", program, stderr=closed).returncode == UNREAD


def test_another_pipe_that_breaks_is_an_error_like_any_other():
    done = python("-c", ending("r, w = os.pipe(); os.close(r); os.write(w, b'x')"))
    assert done.returncode == 1 and done.stderr.startswith("Traceback")


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-"])
def test_output_that_was_closed_before_the_command_began_is_no_error(closing):
    program = ending("print('x'); print('y', file=sys.stderr); sys.exit(3)")
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {closing}', sys.executable, program], cwd=ROOT, check=False
    )
    assert done.returncode == 3


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("sys.exit(3)", 3), ("1 / 0", 1)])
def test_a_command_that_is_read_ends_with_its_own_status(body, status):
    done = python("-c", ending(f"print('read'); {body}"))
    assert (done.returncode, done.stdout) == (status, "read\n")
