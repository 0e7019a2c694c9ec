"""What the tests of training share: a run in progress to be broken, and TensorBoard's scalars."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import train as program
from training.loop import Training
from training.run_folder import RunFolder

Scalars = list[tuple[str, int, float]]


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
def begun(two_iterations: Training, eager: None) -> Training:
    """`two_iterations`, uncompiled so that it can be broken, as it was before other tests did."""
    for path in two_iterations.folder.checkpoints.iterdir():
        if path.name != "checkpoint-00000002.drr":
            path.unlink()
    assert two_iterations.restore() and two_iterations.iteration == 2
    return two_iterations


@pytest.fixture(scope="session")
def read_scalars() -> Callable[[Path], Scalars]:
    """Every scalar of the event files in a folder: its name, the run's transitions, the value."""

    def read(folder: Path) -> Scalars:
        return [
            (value.tag, event.step, tf.make_ndarray(value.tensor).item())
            for path in sorted(folder.glob("events.out.tfevents.*"))
            for event in EventFileLoader(str(path)).Load()
            for value in event.summary.value
        ]

    return read
