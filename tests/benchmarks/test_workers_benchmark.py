"""The benchmark of several workers: what one measures, and how clusters are started on this machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import workers
from config import preset
from training.cluster import read_cluster
from training.workers import ALONE


@pytest.fixture
def small(monkeypatch, tiny_root):
    """Settings that take no time, not compiled; the arguments."""
    base = preset("best")
    config = replace(
        base,
        env=replace(base.env, episode_length=2),
        agent=replace(base.agent, batch_size=8, counterfactual=2),
        loop=replace(base.loop, parallel_users=4, updates_per_rollout=2),
    )
    monkeypatch.setattr("config.preset", lambda name: config)
    tf.config.run_functions_eagerly(True)
    yield workers.Arguments(dataset="ml-1m", data_root=str(tiny_root), repeats=1)
    tf.config.run_functions_eagerly(False)


def test_one_worker_measures_episodes_updates_reductions_and_shares(small, monkeypatch):
    monkeypatch.setattr(workers, "SHARES", (1, 4))
    monkeypatch.setattr(workers, "UPDATES", 1)
    figures = workers.measure(ALONE, small)
    assert figures["batch"] == 8 and figures["floats"] > 10_000
    shares = figures.pop("share_ms")
    assert set(shares) == {"1", "4"} and min(*shares.values(), *figures.values()) > 0
    _, alone = workers.tables({"workers": {"1": figures | {"share_ms": {"1": 6.0, "4": 2.0}}}})
    assert alone.rows == [[1, 8, 6.0, 1.0], [4, 2, 2.0, 3.0]]


class Process:
    """Stands for a worker: the first writes the figures, all end with `status`."""

    status, started = 0, []

    def __init__(self, command, env, stdout):
        cluster = read_cluster(env)
        self.started.append(len(cluster.members) if cluster else 1)
        assert env["TF_NUM_INTRAOP_THREADS"] == "1"
        Path(command[-1]).write_text(json.dumps({"size": self.started[-1], "machine": "here"}))

    def wait(self):
        return self.status


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(workers.subprocess, "Popen", Process)
    monkeypatch.setattr(Process, "started", [])
    return Process


def test_clusters_of_each_size_are_started_and_compared(processes, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "tables", lambda figures: [])
    monkeypatch.delenv("TF_CONFIG", raising=False)
    path = tmp_path / "figures.json"
    workers.main(workers.Arguments(json=path, workers=(1, 3)))
    assert processes.started == [1, 3, 3, 3]
    assert json.loads(path.read_text())["workers"] == {"1": {"size": 1}, "3": {"size": 3}}


def test_a_worker_that_fails_ends_the_benchmark(processes, monkeypatch):
    monkeypatch.setattr(Process, "status", 1)
    with pytest.raises(SystemExit, match="one of 2 workers failed"):
        workers.measure_here(2)
