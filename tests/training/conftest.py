"""A run in progress, for tests that break it."""

from collections.abc import Iterator

import pytest
import tensorflow as tf
from training.folder import RunFolder

import train as program
from training.loop import Training


@pytest.fixture(scope="session")
def two_iterations(tiny_flags, tiny_data, tmp_path_factory) -> Training:
    """A run with two iterations and a checkpoint behind it."""
    config = program.parse((*tiny_flags, "--loop.updates-per-rollout", "1"))
    folder = RunFolder(tmp_path_factory.mktemp("begun") / "run")
    folder.create(config)
    tf.config.run_functions_eagerly(True)
    run = Training(config, tiny_data, folder)
    for _ in range(2):
        run.history.append(run._iterate())
    run.save()
    tf.config.run_functions_eagerly(False)
    return run


@pytest.fixture
def begun(two_iterations: Training) -> Iterator[Training]:
    """`two_iterations`, uncompiled so that it can be broken, as it was before other tests did."""
    for path in two_iterations.folder.checkpoints.iterdir():
        if path.name != "checkpoint-00000002.drr":
            path.unlink()
    assert two_iterations.restore() and two_iterations.iteration == 2
    tf.config.run_functions_eagerly(True)
    yield two_iterations
    tf.config.run_functions_eagerly(False)
