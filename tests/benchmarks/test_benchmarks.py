"""The benchmarks on the smallest settings: the keys are there, the arithmetic is right."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from benchmarks import growth, learner, quality
from config import preset

pytestmark = pytest.mark.usefixtures("eager")


def small_preset(name):
    """A preset with two users at once, two steps and two updates."""
    config = preset(name)
    few = {"counterfactual": min(config.agent.counterfactual, 4), "batch_size": 4}
    return replace(
        config,
        embedding=replace(config.embedding, dim=4),
        env=replace(config.env, window=3, episode_length=2),
        agent=replace(config.agent, actor_hidden=8, critic_hidden=8, **few),
        loop=replace(config.loop, parallel_users=2, updates_per_rollout=2),
    )


@pytest.fixture
def options(tiny_root, tmp_path, monkeypatch):
    monkeypatch.setattr("config.preset", small_preset)
    file, root = tmp_path / "figures.json", str(tiny_root)
    return {"json": file, "repeats": 1, "dataset": "ml-1m", "data_root": root, "device": "cpu"}


@pytest.mark.slow
def test_learner(options, monkeypatch):
    monkeypatch.setattr(learner, "CASES", (("best", 4), ("paper", 2)))
    sizes = {"matmuls": (8,), "capacity": 500, "batches": (8,)}
    learner.main(learner.LearnerArguments(**options, **sizes))
    figures = json.loads(options["json"].read_text())
    assert set(figures["updates"]) == {"best, batch 4", "paper, batch 2"}
    for row in figures["updates"].values():
        assert set(row) == {"ms", "transitions/s", "share of peak", "x tf.function", "x eager"}
        assert min(row.values()) > 0
    steps = {way: row["steps/s"] for way, row in figures["steps"].items()}
    assert figures["steps"]["eager"]["x"] == pytest.approx(steps["compiled"] / steps["eager"])
    assert figures["replay_us"]["batch 8"]["ours"] > 0


def test_the_operations_are_counted_that_an_update_executes():
    """Of a layer [3, 5] on 7 rows, and of its gradient; of a batch of 2 products, transposed."""
    weights, rows = tf.Variable(tf.ones([3, 5])), tf.ones([7, 3])

    def update():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(rows @ weights)
        tape.gradient(loss, weights)
        tf.matmul(tf.ones([2, 4, 3]), tf.ones([2, 4, 6]), transpose_a=True)

    expected = 2 * (2 * 7 * 3 * 5) + 2 * 2 * 4 * 3 * 6
    assert learner.product_operations(update) == expected
    assert learner.product_operations(update) == expected  # nothing is left behind


def test_the_synthetic_set_has_the_size_that_was_asked_for():
    ratings = growth.random_ratings((300, 400, 9000))
    assert (ratings.n_users, ratings.n_items) == (300, 400)
    assert ratings.n_ratings == 9000


@pytest.mark.slow
def test_growth(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "REQUESTS", 5)
    monkeypatch.setattr(growth, "UPDATES", 1)
    config = replace(small_preset("best"), dataset="synthetic")
    monkeypatch.setattr(growth, "K", 50)
    monkeypatch.setattr(growth, "Config", lambda **_: config)
    monkeypatch.setattr(growth, "ProcessPoolExecutor", ThreadPoolExecutor)
    path, sizes = tmp_path / "growth.json", ((60, 120, 1000), (60, 240, 1000))
    growth.main(growth.GrowthArguments(json=path, repeats=1, sizes=sizes))
    sets = json.loads(path.read_text())["sets"]
    assert list(sets) == [f"60 users, {items} items, 1,000 ratings" for items in (120, 240)]
    assert all(value > 0 for row in sets.values() for value in row.values())


def fake_python(*command):
    """Stands for train.py and evaluate.py: writes what a run and a report would hold."""
    values = {"precision@5": {"mean": 0.25}, "reward@10": {"mean": -1.0}}
    flags = dict(zip(command[1::2], command[2::2], strict=False))
    if "--output-root" in flags:
        folder = Path(flags["--output-root"]) / "run"
        folder.mkdir()
        results = {name: {"policies": {"drr": values}} for name in quality.MEASURES}
        (folder / "metrics.json").write_text(json.dumps({"results": results}))
    if "--policies" in flags:
        policies = {flags["--policies"]: values, "oracle": {}}
        Path(flags["--json"]).write_text(json.dumps({"policies": policies}))
    return {"seconds": 4.0, "peak GiB": 0.5}


def test_quality_reads_what_the_commands_have_written(options, tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "run_python", fake_python)
    monkeypatch.setattr(quality, "FIGURE", tmp_path / "figure.png")
    monkeypatch.setattr("evaluation.report.DOCS", tmp_path)
    page = tmp_path / "performance.md"
    page.write_text("<!-- quality -->\n<!-- end -->\n")
    few = {"steps": (2000,), "baselines": ("ease",), "run": tiny_run.folder, "requests": 21}
    quality.main(quality.QualityArguments(**options, **few, write_docs=True))
    figures = json.loads(options["json"].read_text())
    measured = {"catalog precision@5": 0.25, "session reward@10": -1.0}
    assert figures["drr"] == {"2,000": {"seconds": 4.0, "peak GiB": 0.5} | measured}
    assert figures["session"]["ease"]["reward@10"] == -1.0
    assert all(row["p99"] >= row["p50"] > 0 for row in figures["ms"].values())
    assert quality.FIGURE.read_bytes().startswith(b"\x89PNG")
    assert "`evaluate.py --protocol session --policies N-adaptive`" in page.read_text()
