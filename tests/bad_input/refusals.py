"""The commands as a user calls them, and what a refusal must be: one message, nothing left behind."""

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import embedding.train
import evaluate
import train as training

ROOT = Path(__file__).resolve().parents[2]
ADVICE = (
    r"restore|correct|remove|choose|give|[Pp]ass|lower|leave out|try again|save it|earlier file"
)


class Ended(NamedTuple):
    """What a command did: its exit status, and what it printed."""

    status: int
    out: str
    err: str


def call(main: Callable[[list[str]], int], *flags: object) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(flag) for flag in flags])
        except SystemExit as end:
            status = int(end.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


COMMANDS: dict[str, Callable[[Path, Path], Ended]] = {
    "train": lambda root, out: call(
        training.main, "--dataset", "ml-1m", "--data-root", root, "--output-root", out
    ),
    "evaluate": lambda root, out: call(
        evaluate.main,
        *("--dataset", "ml-1m", "--data-root", root, "--json", out.with_suffix(".json")),
        *("--policies", "popularity"),
    ),
    "embedding.train": lambda root, out: call(
        embedding.train.main,
        *("--dataset", "ml-1m", "--data-root", root, "--dim", 4, "--out", out / "a.weights.h5"),
    ),
}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(ended: Ended, says: str, status: int = 2) -> None:
    assert ended.status == status, ended
    announced = [line.endswith(" ...") for line in ended.out.splitlines()]  # "reading the data ..."
    assert ended.err.count("\n") == 1 and all(announced), ended
    assert "Traceback" not in ended.err
    assert re.search(says, ended.err), f"{says!r} not in {ended.err!r}"
    assert re.search(ADVICE, ended.err), f"no advice: {ended.err!r}"
