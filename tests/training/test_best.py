"""`--loop.keep best`: the run ends with the weights of its best point, also when it is resumed."""

import dataclasses
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from training.best import Best
from training.folder import RunFolder
from training.signals import Interrupted

import train as program
from training.loop import Training

CURVE = {2: 0.1, 3: 0.5, 4: 0.5, 5: 0.3}  # precision by iteration; the first has no point


def test_the_first_of_the_largest_values_counts():
    best, weights = Best("precision@5"), [tf.Variable([0.0])]
    best.put_back(weights)
    assert weights[0].numpy() == [0.0]  # nothing was offered
    for step, value in CURVE.items():
        weights[0].assign([float(step)])
        best.offer({"step": float(step), "precision@5": value}, weights)
        best.offer({"step": float(step), "reward": 9.0}, weights)  # not a point of the curve
    assert best.summary() == {"kept": "best", "step": 3, "precision@5": 0.5}
    again = Best("precision@5")
    again.load_state_dict(best.state_dict())
    again.put_back(weights)
    assert weights[0].numpy() == [3.0] and again.summary() == best.summary()


@pytest.fixture(scope="module", autouse=True)
def uncompiled() -> Iterator[None]:
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def make(tiny_flags, tiny_data, tmp_path, monkeypatch):
    """A run with a scripted learning curve, in a folder that stays; asked for the best weights."""

    def evaluate(run: Training) -> dict[str, float]:
        return {"precision@5": CURVE[run.iteration]} if run.iteration in CURVE else {}

    monkeypatch.setattr(Training, "_evaluate", evaluate)
    few = ("--loop.updates-per-rollout", "1", "--loop.evaluations", "5")

    def make_run(keep: str) -> Training:
        config = program.parse((*tiny_flags, *few, "--loop.keep", keep))
        folder = RunFolder(tmp_path / keep)
        if not folder.config_file.exists():
            folder.create(config)
        return Training(dataclasses.replace(config, run_name=keep), tiny_data, folder)

    return make_run


def deployed(run: Training) -> list[np.ndarray]:
    return [variable.numpy() for variable in run.agent.networks.variables]


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, left, right))


def test_the_best_weights_are_deployed_and_survive_a_stop(make, monkeypatch):
    last = make("last")
    last.run()
    assert last.best is None

    seen, iterate = {}, Training._iterate

    def noted(run: Training):
        row = iterate(run)
        seen[run.iteration] = deployed(run)
        if run.iteration == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return row

    monkeypatch.setattr(Training, "_iterate", noted)
    with pytest.raises(Interrupted):
        make("best").run()
    resumed = make("best")
    assert resumed.restore() and resumed.iteration == 4
    resumed.run()
    assert resumed.best.summary() == {"kept": "best", "step": 240, "precision@5": 0.5}
    assert same(deployed(resumed), seen[3]) and not same(seen[3], seen[5])
    assert same(seen[5], deployed(last))  # nothing else depends on what is kept
