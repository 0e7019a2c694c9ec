"""Small MovieLens folders written on the spot, and the real ones where they are."""

import os
from pathlib import Path
from typing import ClassVar

import pytest

from data import Ratings, load_dataset


class MovieLensWriter:
    """`writer(ratings=..., movies=..., users=...)` writes an ml-1m folder and returns it."""

    files: ClassVar[dict[str, tuple[str, ...]]] = {
        "ratings": (
            "1::3::5::100",
            "1::1::3::100",
            "1::7::4::90",
            "2::7::1::50",
            "2::1::4::60",
            "5::3::2::70",
        ),
        "movies": (
            "1::Toys (1995)::Animation|Comedy",
            "3::Les Misérables (1995)::Drama",
            "7::Heat (1995)::Action|Drama",
            "9::Never Rated (1999)::Comedy",
        ),
        "users": ("1::F::1::10::48067", "2::M::56::16::70072", "5::M::25::15::55117"),
    }

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, **changed: tuple[str, ...] | bytes | None) -> Path:
        """Lines are written as Latin-1, bytes as they are; None leaves the file out."""
        folder = self.root / "ml-1m"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in {**self.files, **changed}.items():
            path = folder / f"{name}.dat"
            if content is None:
                path.unlink(missing_ok=True)
            else:
                lines = not isinstance(content, bytes)
                text = "".join(f"{line}\n" for line in content).encode("latin-1") if lines else b""
                path.write_bytes(text if lines else content)
        return folder


@pytest.fixture
def write_ml_1m(tmp_path: Path) -> MovieLensWriter:
    return MovieLensWriter(tmp_path / "root")


@pytest.fixture
def real_root() -> Path:
    root = os.environ.get("DRR_DATA_ROOT")
    if not root:
        pytest.skip("needs MovieLens: set DRR_DATA_ROOT to the folder that holds ml-1m/")
    return Path(root)


@pytest.fixture
def real_ml_1m(real_root: Path) -> Ratings:
    return load_dataset("ml-1m", real_root)
