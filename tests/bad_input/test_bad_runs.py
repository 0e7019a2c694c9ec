"""Damaged runs through the commands: refused before anything is played or trained."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import ROOT, assert_refused, call, snapshot

import evaluate
import train as training
from data import Ratings, load_dataset

GOLDEN = ROOT / "tests" / "golden" / "0.1-best"


@pytest.fixture(scope="module")
def synthetic() -> Ratings:
    return load_dataset("synthetic")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of a run on the synthetic set, to be damaged."""
    return shutil.copytree(GOLDEN, tmp_path / "run")


def in_file(name: str, change: Callable[[h5py.File], object]) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        with h5py.File(folder / f"{name}.weights.h5", "r+") as file:
            change(file)

    return act


def without(name: str) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def with_array(name: str, values: np.ndarray) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return change


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def swapped(folder: Path) -> None:
    actor, critic = folder / "actor.weights.h5", folder / "critic.weights.h5"
    kept = actor.read_bytes()
    shutil.move(critic, actor)
    critic.write_bytes(kept)


def half(name: str) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return act


def set_field(name: str, field: str, value: object) -> Callable[[Path], object]:
    def act(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        values[field] = value
        (folder / name).write_text(json.dumps(values))

    return act


def removed(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


LOST = ("actor.weights.h5", "critic.weights.h5", "state.weights.h5", "catalogue.json")
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing layer": (in_file("actor", without("hidden_2")), "hidden_2/kernel: .* found nothing"),
    "NaN": (in_file("actor", with_array("action/vars/1", np.full(4, np.nan, np.float32))), "NaN"),
    "truncated": (half("critic.weights.h5"), r"critic\.weights\.h5: .*truncated"),
    "swapped": (swapped, r"actor\.weights\.h5: .* look like a critic's weights"),
    "unfinished": (removed(*LOST), r"catalogue\.json: .*; give the folder of a finished run"),
    "no embedding": (removed("embedding.weights.h5"), r"embedding\.weights\.h5: no such file"),
    "config garbage": (write("config.json", b"{"), r"config\.json:1: not valid JSON"),
    "another run's list": (set_field("catalogue.json", "item_ids", [1, 2]), "of different runs"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_runs_are_refused_before_anything_is_played(
    run: Path, tmp_path, monkeypatch, synthetic: Ratings, case: str
) -> None:
    change, says = DAMAGE[case]
    change(run)
    before = snapshot(tmp_path)
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_, **__: synthetic)
    monkeypatch.setattr(evaluate, "_play", lambda *_: pytest.fail("played"))
    flags = ("--dataset", "synthetic", "--weights", run, "--json", tmp_path / "out.json")
    assert_refused(call(evaluate.main, *flags), f"^evaluate: --weights {run}: .*{says}")
    assert snapshot(tmp_path) == before


def test_a_run_on_other_data_is_refused(run: Path, tiny_root: Path, tmp_path) -> None:
    flags = ("--dataset", "ml-1m", "--data-root", tiny_root, "--weights", run)
    message = "trained on 1000 items, the data set has 80 or other ids; pass the run's own data"
    assert_refused(call(evaluate.main, *flags), message)


CONFIGS = {
    "later version": (b'{"format": 9}', "unknown field 'format' in Config; is it of a later"),
    "contradictory": (b'{"steps": 9}', "loop.warmup is 2000, expected below --steps 9"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_run_with_damaged_settings_is_not_resumed(tmp_path, case: str) -> None:
    content, says = CONFIGS[case]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes(content)
    before = snapshot(tmp_path)
    flags = ("--resume", "--run-name", "run", "--output-root", tmp_path, "--dataset", "synthetic")
    ended = call(training.main, *flags)
    assert ended.status == 2 and ended.err.count("\n") == 1 and re.search(says, ended.err), ended
    assert snapshot(tmp_path) == before
