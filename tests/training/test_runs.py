"""Whole runs: equal in every process, and what they leave behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import config as settings
from training.conclusion import QUICK

ROOT = Path(__file__).resolve().parents[2]


def learned(folder: Path) -> dict:
    """What metrics.json says of the learning, without times, command and place."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for report in metrics["results"].values():
        for policy in report["policies"].values():
            policy.pop("seconds", None)
    return {name: metrics[name] for name in ("results", "curve", "seed", "data", "versions")}


@pytest.mark.slow
def test_the_papers_algorithm_runs_too(train, tmp_path):
    flags = ("--preset", "paper", "--agent.counterfactual", "0", "--run-name", "paper")
    run = train(tmp_path, *flags, "--loop.keep-checkpoints")
    assert run.status == 0, run.err
    assert [path.name for path in sorted((run.folder / "checkpoints").iterdir())] == [
        "checkpoint-00000004.drr",
        "checkpoint-00000005.drr",
    ]
    assert "paper preset, drr-ave, pmf embedding, CPU" in run.out


def test_what_a_run_leaves_behind(tiny_run):
    names = {path.name for path in tiny_run.folder.iterdir()}
    parts = {f"{part}.weights.h5" for part in ("actor", "critic", "state", "embedding")}
    assert parts | {"config.json", "metrics.json", "catalogue.json", "progress.png"} <= names
    assert list((tiny_run.folder / "tensorboard").glob("events*"))
    assert not (tiny_run.folder / "checkpoints").exists()  # nothing goes on from them
    image = (tiny_run.folder / "progress.png").read_bytes()
    assert image.startswith(b"\x89PNG") and len(image) > 10_000
    config = settings.from_json((tiny_run.folder / "config.json").read_text())
    assert config.steps == 400 and config.agent.actor_hidden == 16
    assert config.run_name == tiny_run.folder.name and config.dataset == "ml-1m"


@pytest.mark.parametrize("name", ["ml-1m", "ml-100k", "tiny"])
def test_tensorboard_has_every_point_of_the_curve(tiny_run, read_scalars, name):
    folder = tiny_run.folder if name == "tiny" else ROOT / "save_weights" / name
    metrics = json.loads((folder / "metrics.json").read_text())
    shown = [(step, value) for _, step, value in read_scalars(folder / "tensorboard")]
    points = [
        (row["step"], value)
        for row in metrics["curve"]
        for key, value in row.items()
        if key != "step"
    ]
    np.testing.assert_allclose(shown, points, rtol=1e-6, atol=1e-6)


def test_metrics_tell_what_is_needed_to_repeat_the_run(tiny_run, tiny_data):
    metrics = json.loads((tiny_run.folder / "metrics.json").read_text())
    assert metrics["seed"] == 0 and metrics["device"] == "CPU"
    assert metrics["command"].startswith("python train.py --dataset ml-1m")
    assert metrics["data"] == {"name": "ml-1m", "fingerprint": tiny_data.fingerprint()}
    assert {"python", "tensorflow", "keras", "numpy"} <= metrics["versions"].keys()
    assert "git_commit" in metrics and metrics["seconds"] > 0
    assert metrics["results"].keys() == {"catalog", "session"}
    rows = metrics["results"]["catalog"]["policies"]
    (rival,) = rows.keys() - {"drr", "popularity", "random"}
    assert rival.removesuffix("-demographics") in QUICK
    for row in rows.values():
        low, high = row["precision@5"]["ci95"]
        assert 0 <= low <= row["precision@5"]["mean"] <= high <= 1
    curve = metrics["curve"]
    assert [row["step"] for row in curve] == [0, 80, 160, 240, 320, 400]
    assert sum("precision@5" in row for row in curve) == 3  # the start, and two evaluations
    assert all("critic_loss" in row for row in curve[2:])


@pytest.mark.slow
def test_equal_seeds_are_bit_identical_in_another_process(
    tiny_run, tiny_flags, tiny_root, tmp_path, read_weights, read_scalars
):
    flags = (*tiny_flags, "--data-root", str(tiny_root), "--output-root", str(tmp_path))
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "train.py", *flags]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    found, expected = tmp_path / "ml-1m-best-seed0", tiny_run.folder
    mine, theirs = read_weights(found), read_weights(expected)
    assert mine.keys() == theirs.keys() and len(mine) > 20
    for name, array in theirs.items():
        np.testing.assert_array_equal(mine[name], array, err_msg=name)
    assert learned(found) == learned(expected)
    curves = [read_scalars(folder / "tensorboard") for folder in (found, expected)]
    assert curves[0] == curves[1] and len(curves[0]) > 50
