"""What the benchmarks write, on the smallest settings: the keys are there and the numbers plausible."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import environment, evaluation, learner, profile, quality, replay
from benchmarks.workload import Workload
from config import preset


@pytest.fixture
def eager():
    """Not compiled: quicker for a few updates."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def short(monkeypatch):
    """Both presets with episodes of two steps."""

    def short_preset(name):
        config = preset(name)
        return replace(config, env=replace(config.env, episode_length=2))

    monkeypatch.setattr("config.preset", short_preset)


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


def test_learner(options, eager, short, monkeypatch, capsys):
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
    assert "updates/s" in capsys.readouterr().out


def test_environment(options, eager, short):
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


def test_the_parts_of_an_iteration_are_disjoint(tiny_data, eager):
    config = preset("paper")
    loop = replace(config.loop, parallel_users=2, updates_per_rollout=3)
    seconds = profile.parts(Workload(replace(config, loop=loop), tiny_data), repeats=1)
    assert set(profile.COMPILED) < set(seconds) and min(seconds.values()) > 0
    run = {"steps": 20, "updates": 3, "batch": 32, "seconds": seconds}
    run |= {"overhead": 0.5, "xla": True}
    (table,) = profile.tables({"presets": {"paper": run}})
    shares = [float(row[2].rstrip("%")) for row in table.rows]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_quality_reads_what_the_run_has_written(tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        folder = Path(command[command.index("--output-root") + 1]) / "run"
        folder.mkdir()
        drr = {"precision@5": {"mean": 0.25}, "reward@10": {"mean": -1.0}}
        results = {name: {"policies": {"drr": drr}} for name in ("catalog", "session")}
        (folder / "metrics.json").write_text(json.dumps({"results": results}))

    monkeypatch.setattr(quality.subprocess, "run", run)
    path = tmp_path / "figures.json"
    quality.main(quality.Arguments(steps=(20, 10), json=path))
    found = json.loads(path.read_text())["steps"]
    assert list(found) == ["20", "10"] and found["20"]["seconds"] > 0
    assert found["10"]["catalog_precision@5"] == 0.25 and found["10"]["session_reward@10"] == -1
    assert commands[0][4:6] == ["--steps", "20"]
