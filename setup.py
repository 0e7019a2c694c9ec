"""The extras of `pip install -e .[dev]`: pyproject.toml cannot read files that have `-r` lines."""

from pathlib import Path

from setuptools import setup


def requirements(path: Path) -> list[str]:
    """The requirements that a file lists itself, without comments and `-r` lines."""
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-r")]


PREFIX = "requirements-"
setup(
    extras_require={
        path.stem.removeprefix(PREFIX): requirements(path) for path in Path().glob(f"{PREFIX}*.txt")
    }
)
