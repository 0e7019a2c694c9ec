"""Workers that take parts of a batch and average what they computed make the whole batch's update."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from envs.vector import VectorOfflineEnv
from recommender.update import Learner

pytestmark = pytest.mark.slow

SEED = tf.constant([3, 5])
# without what every worker draws at random for its own part
FIXED = {"dropout": 0.0, "item_dropout": 0.0, "counterfactual": 0}
BEST = replace(toys.BEST, **FIXED, clip_norm=0.0)
PAPER = replace(toys.PAPER, **FIXED, clip_norm=0.5)


class FixedPositives(VectorOfflineEnv):
    """Gives the same positives whatever the seed; users have different numbers of them."""

    def sample_positives(self, users: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        everybody = tf.range(toys.N_USERS)
        drawn = super().sample_positives(everybody, count, tf.constant([0, 0]))
        mine = tf.range(count)[None] < 5 * everybody[:, None]
        return tf.gather(tf.where(mine, drawn, -1), users)


class Meeting:
    """Where two threads average their tensors."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2, timeout=60)
        self.brought: dict[int, list[tf.Tensor]] = {}

    def mean(self, worker: int) -> Callable[[list], list]:
        def average(tensors: list) -> list:
            self.brought[worker] = [tf.convert_to_tensor(tensor) for tensor in tensors]
            self.barrier.wait()
            pairs = zip(self.brought[0], self.brought[1], strict=True)
            means = [(first + second) / 2 for first, second in pairs]
            self.barrier.wait()
            return means

        return average


def learner(config, **arguments) -> Learner:
    """One that makes plain, moderate gradient steps: Adam's first ones magnify rounding."""
    log = FixedPositives(toys.log(), window=toys.WINDOW, episode_length=toys.T)
    made = Learner(
        config, toys.WINDOW, toys.features(), log, total_updates=100, seed=0, **arguments
    )
    clip = config.clip_norm or None
    made.actor_optimizer = keras.optimizers.SGD(0.1, global_clipnorm=clip)
    made.critic_optimizer = keras.optimizers.SGD(0.1, global_clipnorm=clip)
    return made


def updated(learner: Learner, batch: dict[str, tf.Tensor]) -> list[np.ndarray]:
    """Weights and optimizer states after one update."""
    learner.update(batch, SEED)
    return [np.asarray(variable) for variable in learner.variables]


@pytest.mark.parametrize("config", [BEST, PAPER], ids=["best", "paper"])
def test_two_halves_of_a_batch_make_the_update_of_the_whole(config):
    batch = toys.batch(config)
    halves = [{name: tf.split(v, 2)[half] for name, v in batch.items()} for half in range(2)]
    meeting = Meeting()
    two = [learner(config, mean=meeting.mean(worker)) for worker in range(2)]
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(updated, two, halves)
    whole, half = updated(learner(config), batch), updated(learner(config), halves[0])
    for mine, theirs, expected in zip(first, second, whole, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-6)
    assert not all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(half, whole, strict=True))
