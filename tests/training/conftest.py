"""A run in progress, for tests that break it."""

from collections.abc import Iterator

import pytest
import tensorflow as tf

import train as program
from training.folder import RunFolder
from training.loop import Training


@pytest.fixture(scope="module")
def begun(tiny_flags, tiny_data, tmp_path_factory) -> Iterator[Training]:
    """A run with two iterations and a checkpoint behind it; uncompiled, so that it can be broken."""
    config = program.parse((*tiny_flags, "--loop.updates-per-rollout", "1"))
    folder = RunFolder(tmp_path_factory.mktemp("begun") / "run")
    folder.create(config)
    tf.config.run_functions_eagerly(True)
    run = Training(config, tiny_data, folder)
    for _ in range(2):
        run.history.append(run._iterate())
    run.save()
    yield run
    tf.config.run_functions_eagerly(False)
