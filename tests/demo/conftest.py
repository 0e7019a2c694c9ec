"""A tiny run, on data with a hostile title and genres; all demo tests skip without FastAPI."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs pip install -r requirements-demo.txt")

from serving import HOSTILE, HOSTILE_ID, Caller, in_thread

from demo.app import create_app
from demo.runs import OpenedRun, open_run
from demo.store import Store

GENRES = ("Comedy|Drama", "Sci-Fi", "Western", "Drama")


@pytest.fixture(scope="session")
def demo_root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data with four kinds of films, one of which has code for a title."""
    root = tmp_path_factory.mktemp("demo") / "root"
    shutil.copytree(tiny_root, root)
    movies = root / "ml-1m" / "movies.dat"
    rows = [line.split("::") for line in movies.read_text("latin-1").splitlines()]
    for place, row in enumerate(rows):
        row[1] = HOSTILE if row[0] == str(HOSTILE_ID) else row[1]
        row[2] = GENRES[place % len(GENRES)]
    movies.write_text("".join("::".join(row) + "\n" for row in rows), "latin-1")
    return root


@pytest.fixture(scope="session")
def opened(tiny_run: Any, demo_root: Path) -> OpenedRun:
    return open_run(tiny_run.folder, "ml-1m", str(demo_root))


@pytest.fixture(scope="session")
def flags(tiny_run: Any, demo_root: Path) -> tuple[str, ...]:
    """What `python -m demo` is told to show the same; but for --database."""
    return ("--weights", str(tiny_run.folder), "--data-root", str(demo_root))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "demo.sqlite")


@pytest.fixture
def caller(opened: OpenedRun, store: Store) -> Iterator[Caller]:
    with in_thread(create_app(opened, store)) as caller:
        yield caller
