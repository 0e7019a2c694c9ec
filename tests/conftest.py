"""What all tests share: a quiet, deterministic TensorFlow, a tiny data set, and one tiny run of it.

Settings come first: TensorFlow reads them when it is imported.
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_DETERMINISTIC_OPS"] = "1"

import numpy as np
import pytest

from data import Ratings, load_dataset
from data.synthetic import SyntheticConfig, make_synthetic

REAL = ("DRR_DATA_ROOT", "DRR_LEGACY_WEIGHTS")


def pytest_configure(config: pytest.Config) -> None:
    for name in REAL:
        if os.environ.get(name) and not Path(os.environ[name]).is_dir():
            raise pytest.UsageError(f"{name} is {os.environ[name]!r}: no such folder; unset it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any(os.environ.get(name) for name in REAL):
        return  # each test checks for the one it needs
    reason = "needs real data: set DRR_DATA_ROOT to the folder that holds ml-1m/ratings.dat"
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(pytest.mark.skip(reason=reason))


TINY = SyntheticConfig(n_users=60, n_items=80, shortest=12, longest=40, typical=20.0)
# A run of a second or two: every part of the program, nothing large. Steps: 5 iterations of 80.
TINY_FLAGS = (
    *("--dataset", "ml-1m", "--device", "cpu", "--steps", "400"),
    *("--embedding.dim", "8", "--env.window", "6", "--env.episode-length", "5"),
    *("--agent.actor-hidden", "16", "--agent.critic-hidden", "16", "--agent.batch-size", "16"),
    *("--agent.counterfactual", "8", "--replay.capacity", "200"),
    *("--agent.low-rating", "0.3", "--agent.start-penalty", "0.1"),
    *("--loop.parallel-users", "16", "--loop.updates-per-rollout", "4", "--loop.warmup", "100"),
    *("--loop.evaluations", "2", "--loop.checkpoints", "5"),
)


def write_ml_1m(ratings: Ratings, root: Path) -> Path:
    """`ratings` as root/ml-1m; everybody is an F or M of 25, occupations in turn. Returns root."""
    folder = root / "ml-1m"
    folder.mkdir(parents=True)
    columns = (
        ratings.user_ids[ratings.users],
        ratings.item_ids[ratings.items],
        ratings.values.astype(int),
        ratings.timestamps,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    movies = zip(ratings.item_ids, ratings.titles, strict=True)
    people = [f"{user}::{'FM'[user % 2]}::25::{user % 21}::00000" for user in ratings.user_ids]
    lines = {
        "ratings": ["::".join(map(str, row)) for row in rows],
        "movies": [f"{item}::{title}::Drama" for item, title in movies],
        "users": people,
    }
    for name, content in lines.items():
        (folder / f"{name}.dat").write_text("".join(f"{line}\n" for line in content), "latin-1")
    return root


@pytest.fixture(scope="session")
def tiny() -> Ratings:
    """60 users, 80 films, about 1,400 ratings; read-only."""
    return make_synthetic(TINY, seed=1)


@pytest.fixture(scope="session")
def tiny_root(tiny: Ratings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that holds `tiny` as ml-1m."""
    return write_ml_1m(tiny, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tiny_data(tiny_root: Path) -> Ratings:
    """`tiny` as train.py reads it."""
    return load_dataset("ml-1m", tiny_root)


@pytest.fixture(scope="session")
def write() -> Callable[[Ratings, Path], Path]:
    """`write_ml_1m`."""
    return write_ml_1m


class Run(NamedTuple):
    """One `train.py`: its exit status, its folder, what it printed on stdout and stderr."""

    status: int
    folder: Path
    out: str
    err: str


Train = Callable[..., Run]


@pytest.fixture(scope="session")
def train(tiny_root: Path) -> Train:
    """`train(output_root, *flags, root=..., eager=...)` runs train.py in this process.

    On `tiny`, if no other data root is given. `eager` runs what is usually compiled line by line, and
    leaves out the quick baselines: quicker for a few updates, but not bit-identical to a compiled run.
    """

    def run(output_root: Path, *flags: str, root: Path = tiny_root, eager: bool = False) -> Run:
        import tensorflow as tf

        import train as program
        from training import conclusion

        flags = (*TINY_FLAGS, "--data-root", str(root), "--output-root", str(output_root), *flags)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            tf.config.run_functions_eagerly(eager)
            try:
                with pytest.MonkeyPatch.context() as patch:
                    if eager:
                        patch.setattr(conclusion, "best_quick", lambda *_: None)
                    status = program.main(flags)
            except SystemExit as end:  # usage errors leave through the argument parser
                status = int(end.code or 0)
            finally:
                tf.config.run_functions_eagerly(False)
        named = flags[flags.index("--run-name") + 1] if "--run-name" in flags else None
        folder = output_root / (named or "ml-1m-best-seed0")
        return Run(status, folder, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def eager() -> Iterator[None]:
    """Nothing is compiled: quicker for what runs a few times."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def tiny_run(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with TINY_FLAGS. Do not write into its folder."""
    run = train(tmp_path_factory.mktemp("runs"))
    assert run.status == 0, run.err
    return run


def weights(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a run's weight files, as {file/dataset: array}."""
    import h5py

    found: dict[str, np.ndarray] = {}

    def collect(prefix: str, name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            found[f"{prefix}/{name}"] = node[()]

    for path in sorted(folder.glob("*.weights.h5")):
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, node, file=path.name: collect(file, name, node))
    return found


@pytest.fixture(scope="session")
def read_weights() -> Callable[[Path], dict[str, np.ndarray]]:
    """The function above."""
    return weights


@pytest.fixture(scope="session")
def tiny_flags() -> tuple[str, ...]:
    """The settings of `tiny_run`."""
    return TINY_FLAGS
