"""`python -m experiments.stability`: finished runs are reused, and what counts as unstable."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from config import Config, to_json
from experiments import leaderboard, stability
from experiments.stability import Arguments

BOUND = 1 / (1 - Config().agent.discount)


def write_run(root, seed, precision, q_max=(30.0, 6.0, 2.0, 1.0, 1.5, 1.0, 1.2, 1.4)):
    """A finished run of eight iterations."""
    folder = root / f"ml-1m-best-seed{seed}"
    folder.mkdir(parents=True)
    config = replace(Config(), dataset="ml-1m", seed=seed)
    (folder / "config.json").write_text(to_json(config))
    row = {
        "precision@5": 0.4,
        "session_reward@10": 0.0,
        "critic_loss": 0.1,
        "action": 0.0,
        "q": 0.0,
    }
    curve = [{"step": 10.0 * place} | {"q_max": q} | row for place, q in enumerate(q_max)]
    means = {
        "catalog": {"precision@5": precision},
        "session": {"reward@10": 1.0, "reward@20": float(seed)},
    }
    results = {
        protocol: {"policies": {"drr": {key: {"mean": value} for key, value in keys.items()}}}
        for protocol, keys in means.items()
    }
    (folder / "metrics.json").write_text(json.dumps({"results": results, "curve": curve}))


@pytest.fixture
def arguments(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- ml-1m stability -->\n<!-- end -->\nafter\n")
    return Arguments(seeds=3, output_root=tmp_path / "runs", figures=tmp_path / "new", docs=page)


def cells(page):
    rows = [line.strip("| ").rsplit(" | ", 1) for line in page.read_text().splitlines()]
    return {row[0].split(":")[0].split(",")[0]: row[1] for row in rows if len(row) == 2}


def no_training(command, check):
    raise AssertionError(f"nothing is to be trained: {command}")


def test_finished_runs_are_taken_as_they_are(arguments, monkeypatch, capsys):
    values = (0.25, 0.5, 0.75)
    for seed, precision in enumerate(values):
        write_run(arguments.output_root, seed, precision)
    monkeypatch.setattr(subprocess, "run", no_training)
    stability.main(arguments)
    found = cells(arguments.docs)
    assert (found["seeds"], found["diverged"]) == ("3", "0")
    assert found["precision@5"] == "0.5000, 0.2500, 0.2500"
    assert found["reward@20"] == f"1.0000, {np.std([0, 1, 2], ddof=1):.4f}, 0.0000"
    lines = arguments.docs.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after"
    assert any("median of the last quarter" in line and "| 1.30 |" in line for line in lines)
    assert any("in any iteration" in line and "| 1.40 |" in line for line in lines)
    assert any("bound" in line and f"| {BOUND:g} |" in line for line in lines)
    assert (arguments.figures / "stability-ml-1m.png").read_bytes().startswith(b"\x89PNG")
    assert "precision@5" in capsys.readouterr().out


def test_a_run_that_would_be_stopped_today_has_diverged(arguments, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_training)
    for seed in range(2):
        write_run(arguments.output_root, seed, 0.5)
    write_run(arguments.output_root, 2, 0.5, q_max=(30, 2, 1, 1, 1, 11 * BOUND, 1, 1))
    stability.main(arguments)
    assert cells(arguments.docs)["diverged"] == "1"


def test_missing_seeds_are_trained_and_those_that_stop_are_counted(arguments, monkeypatch, capsys):
    trained = []

    def train(_, dataset, protocol, preset, seed):
        trained.append((dataset, protocol, preset, seed))
        if seed == 1:
            raise subprocess.CalledProcessError(1, "train.py")
        write_run(arguments.output_root, seed, 0.5)

    monkeypatch.setattr(leaderboard, "train", train)
    stability.main(arguments)
    assert trained == [("ml-1m", "catalog", "best", seed) for seed in range(3)]
    found = cells(arguments.docs)
    assert (found["seeds"], found["diverged"]) == ("3", "1")
    assert "seed 1 did not finish" in capsys.readouterr().err


def test_what_is_no_divergence_ends_the_command(arguments, monkeypatch):
    def train(*_):
        raise subprocess.CalledProcessError(130, "train.py")

    monkeypatch.setattr(leaderboard, "train", train)
    with pytest.raises(subprocess.CalledProcessError):
        stability.main(arguments)


def test_one_run_has_no_spread(arguments, monkeypatch):
    monkeypatch.setattr(leaderboard, "train", lambda *_: None)
    write_run(arguments.output_root, 0, 0.5)
    with pytest.raises(SystemExit, match="1 finished run"):
        stability.main(Arguments(seeds=1, output_root=arguments.output_root))
