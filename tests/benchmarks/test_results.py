"""What the benchmarks write, on the smallest settings: the keys are there and the numbers plausible."""

import json

import pytest
import tensorflow as tf

from benchmarks import environment, evaluation, learner, replay


@pytest.fixture
def eager():
    """Not compiled: quicker for a few updates."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def options(tiny_root, tmp_path):
    return {
        "json": tmp_path / "figures.json",
        "repeats": 1,
        "dataset": "ml-1m",
        "data_root": str(tiny_root),
        "device": "cpu",
    }


def written(options) -> dict:
    return json.loads(options["json"].read_text())


def test_learner(options, eager, monkeypatch, capsys):
    monkeypatch.setattr(learner, "OPERATIONS", 1)
    monkeypatch.setattr(learner, "EAGER_STEPS", 1)
    learner.main(learner.Arguments(**options, batches=(2, 4), matmuls=(8,), users=1, parallel=2))
    figures = written(options)
    assert set(figures["batch"]) == {"2", "4"}
    for rates in figures["batch"].values():
        assert rates["updates_per_s"] > 0 and rates["products_share_of_peak"] > 0
    two, four = (figures["batch"][size] for size in "24")
    flops = [rate["share_of_peak"] / rate["updates_per_s"] for rate in (two, four)]
    assert flops[1] == pytest.approx(2 * flops[0])
    both = figures["end_to_end"]
    assert both["ratio"] == pytest.approx(both["steps_per_s"] / both["eager_steps_per_s"])
    assert figures["parallel"]["transitions_per_s"] > 0 and figures["peak_gflops"] > 0
    assert "share of peak" in capsys.readouterr().out


def test_environment(options, eager):
    environment.main(environment.Arguments(**options, users=(2,)))
    figures = written(options)
    for name in ("paper", "best"):
        assert figures["steps_per_s"][name]["2"] > 0 and figures["eager_steps_per_s"][name] > 0


def test_evaluation(options, eager, monkeypatch):
    monkeypatch.setattr(evaluation, "show_help", lambda: None)
    evaluation.main(evaluation.Arguments(**options))
    figures = written(options)
    assert set(figures["users_per_s"]) == {"catalog", "session", "rerank", "simulator"}
    assert figures["users"]["rerank"] == 60 and figures["read_s"] > 0 and "help_s" in figures
    assert all(rates["agent"] > 0 for rates in figures["users_per_s"].values())


def test_replay(tmp_path):
    path = tmp_path / "figures.json"
    replay.main(replay.Arguments(json=path, repeats=1, capacity=500, batches=(8,)))
    row = json.loads(path.read_text())["batch"]["8"]
    assert row["ratio"] == pytest.approx(row["python_microseconds"] / row["microseconds"])
