"""What a command is asked and what it prints: nothing of TensorFlow's, no more where nobody reads."""

import ast
import dataclasses
import inspect
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeVar, cast

from config.checks import ConfigError

Arguments = TypeVar("Arguments")

# what other programs call it -> the flag of train.py
OF_TRAINING = {
    "--gamma": "--agent.discount",
    "--epochs": "--steps, the transitions of the whole run",
    "--episodes": "--steps, the transitions of the whole run",
    "--lr": "--agent.actor-lr and --agent.critic-lr",
    "--learning-rate": "--agent.actor-lr and --agent.critic-lr",
    "--buffer-size": "--replay.capacity",
    "--dropout": "--agent.dropout and --agent.item-dropout",
}


def read_arguments(
    kind: type[Arguments],
    argv: Sequence[str] | None = None,
    *,
    prog: str | None = None,
    description: str | None = None,
    default: Arguments | None = None,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Arguments:
    """A command's arguments; help that fits the terminal. On a bad flag it ends with status 2.

    elsewhere: what other programs call it -> what to say of it. ConfigError where it is given.
    """
    import tyro  # not for those who import the library

    argv = sys.argv[1:] if argv is None else argv
    for word in argv:
        if (flag := word.partition("=")[0]) in elsewhere:
            raise ConfigError(f"{flag} is not a flag here; {elsewhere[flag]}")
    _join_lines(kind)
    text = _fitted(description or kind.__doc__ or "")
    if prog is None and (module := sys.modules["__main__"].__spec__):
        prog = f"python -m {module.name.removesuffix('.__main__')}"
    known: dict[str, Any] = {} if default is None else {"default": default}
    on_closed_pipe = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # help | head
    try:
        found: Arguments = tyro.cli(kind, args=argv, prog=prog, description=text, **known)
        return found
    finally:
        sys.stdout.flush()
        signal.signal(signal.SIGPIPE, on_closed_pipe)


def _join_lines(kind: Any) -> None:
    """Every field's docstring without the source's line breaks, which tyro would keep."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for field in fields.values():
        if dataclasses.is_dataclass(field.type):
            _join_lines(field.type)
    (source,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    for before, after in pairwise(cast(ast.ClassDef, source).body):
        match before, after:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                fields[name].metadata = MappingProxyType({"help": " ".join(text.split())})


def _fitted(text: str) -> str:
    """A description at the terminal's width; indented lines, which are commands, as they are."""
    width = shutil.get_terminal_size().columns
    return "\n\n".join(
        block if block.startswith(" ") else textwrap.fill(block, width, subsequent_indent=" ")
        for block in inspect.cleandoc(text).split("\n\n")
    )


def end_when_nobody_reads() -> None:
    """From here on a closed pipe ends this process silently, as it ends other Unix tools.

    A lost network connection does the same: not for training, which several machines share, nor
    for servers.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """What C++ prints on stderr in the block goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # the file descriptor: the notices come from C++
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
