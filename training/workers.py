"""Several processes that train one agent together, by tf.distribute.MultiWorkerMirroredStrategy.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]},
                "task": {"type": "worker", "index": 0}}'

Every worker holds the whole agent, plays its own users into its own replay, and makes each update
with the mean of all workers' gradients, so that all agents stay equal, bit for bit. The first one,
the chief, writes what a run leaves behind.
"""

import json
import os
import re
import signal
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import Config, ConfigError, DRRError
from config.command_line import quiet_stderr
from training import checkpoint
from training.checkpoint import CheckpointError
from training.process import select_device, signals_handled_by


class ClusterError(DRRError):
    """The processes cannot work together; the message says why and what to do."""


class LostWorkerError(ClusterError):
    """Another worker died, froze, or could not be reached for about ten seconds."""

    status = 1


class Workers:
    """This process and the others, W = `size`; alone, it agrees with itself."""

    def __init__(self, size: int = 1, index: int = 0) -> None:
        self.size, self.index, self.chief = size, index, index == 0
        self._run: Callable[..., Any]  # calls a function within the strategy
        self._gather: Callable[..., Any]

    def connect(self, device: str) -> None:
        """Wait for the others. No TensorFlow operation may come before.

        Raises:
            ClusterError: where TensorFlow cannot listen or connect.
        """
        if self.size == 1:
            return
        select_device(device)
        import tensorflow as tf

        print(f"worker {self.index} waits for the others, {self.size} in all", flush=True)
        try:
            # a signal ends the process without Python, which waits for TensorFlow
            with quiet_stderr(), signals_handled_by(signal.SIG_DFL):
                strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ClusterError(f"TF_CONFIG: the workers cannot meet: {reason}") from error
        self._run = lambda act, *tensors: strategy.run(act, args=tensors)
        self._gather = tf.function(lambda row: self._run(_all_rows, row))

    def mean(self, tensors: list[Any]) -> list[Any]:
        """Tensors, of the same shapes on every worker -> their means over the workers.

        One collective for all of them; sparse ones become dense, None stays None.
        """
        if self.size == 1:
            return tensors
        import tensorflow as tf

        given = [tf.convert_to_tensor(tensor) for tensor in tensors if tensor is not None]
        means = iter(self._run(_means, *given))
        return [None if tensor is None else next(means) for tensor in tensors]

    def gather(self, numbers: Sequence[float]) -> NDArray[np.float64]:
        """n numbers of every worker -> [W, n], equal on all of them. Waits for the others."""
        row = np.array([numbers], np.float64)
        return row if self.size == 1 else np.asarray(self._gather(row))

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """The others enter the block when the chief has left it."""
        if not self.chief:
            self.gather([0])
        yield
        if self.chief:
            self.gather([0])

    @contextmanager
    def losses_reported(self, advice: str) -> Iterator[None]:
        """In the block, the loss of another worker raises LostWorkerError, which ends in `advice`."""
        if self.size == 1:
            yield
            return
        from tensorflow import errors

        lost = (errors.UnavailableError, errors.DeadlineExceededError)
        try:
            yield
        except (*lost, errors.AbortedError, errors.CancelledError) as error:
            named = re.search(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", str(error))
            who = f"{named[1]} {named[2]}" if named else "another worker"
            raise LostWorkerError(
                f"lost contact with {who}: it died, or it cannot be reached; its own output may say "
                f"why. {advice}"
            ) from error

    def require_equal(self, what: str, content: bytes) -> None:
        """ClusterError unless all workers have the same `content`."""
        digests = self.gather([zlib.crc32(content)])[:, 0]
        for index in np.flatnonzero(digests != digests[0]):
            raise ClusterError(f"{what} of worker {index} is not that of worker 0, the chief")

    def save(self, folder: Path, step: int, arrays: checkpoint.Arrays) -> None:
        """Each worker writes a checkpoint of its own."""
        weights = [arrays[name].tobytes() for name in arrays if name.startswith("variable/")]
        self.require_equal("the weights", b"".join(weights))
        checkpoint.save(folder, step, arrays | {"workers": np.asarray(self.size)})

    def load_newest(self, folder: Path) -> tuple[int, checkpoint.Arrays] | None:
        """Step and arrays of the newest checkpoint that every worker has; None before the first.

        Raises:
            CheckpointError: where it is one of more or fewer workers.
            ClusterError: where they have none in common.
        """
        found = checkpoint.load_newest(folder)
        size = int(found[1].get("workers", 1)) if found else self.size
        if size != self.size:
            raise CheckpointError(
                f"{folder}: saved by {size} workers; resume with as many, not with {self.size}"
            )
        steps = self.gather([found[0] if found else 0])
        if steps.min() < steps.max():  # one of them died before it wrote its last one
            found = checkpoint.load_newest(folder, int(steps.min()))
            self.require_equal("the newest checkpoint", str(found and found[0]).encode())
        return found

    def share(self, config: Config) -> Config:
        """This worker's equal part of the run's users, batches and replay.

        Raises:
            ConfigError: where there are no equal parts.
        """
        agent, loop, replay = config.agent, config.loop, config.replay
        whole = (loop.parallel_users, agent.batch_size, replay.capacity)
        if self.size == 1:
            return config
        if loop.jit == "on" or any(number % self.size for number in whole):
            raise ConfigError(
                f"with {self.size} workers loop.parallel-users, agent.batch-size and replay.capacity "
                f"must be multiples of {self.size}, found {whole}, and loop.jit auto or off"
            )
        users, batch, capacity = (number // self.size for number in whole)
        return replace(
            config,
            agent=replace(agent, batch_size=batch),
            loop=replace(loop, parallel_users=users, jit="off"),
            replay=replace(replay, capacity=capacity),
        )

    def part(self, users: NDArray[Any]) -> NDArray[Any]:
        """The users [U / W] whose episodes this worker plays."""
        if len(users) < self.size:
            raise ConfigError(f"{len(users)} users to train on, expected {self.size} or more")
        return users[self.index :: self.size]

    def agree(self, row: Mapping[str, float]) -> dict[str, float]:
        """The workers' scalars as one row: their means; the largest of what ends in _max."""
        columns = zip(row, self.gather(list(row.values())).T, strict=True)
        return {
            name: float(values.max() if name.endswith("_max") else values.mean())
            for name, values in columns
        }

    def seed(self, seed: int) -> int:
        """A seed of this worker's own; the chief's is `seed` itself."""
        return (seed + 1_000_003 * self.index) % 2**31


def workers_from_environment(environment: Mapping[str, str] = os.environ) -> Workers:
    """What TF_CONFIG says; where it names no other process, this one alone.

    Raises:
        ConfigError: where it says nothing that could be.
    """
    text = environment.get("TF_CONFIG", "").strip() or "{}"
    try:
        values = json.loads(text)
        cluster = values.get("cluster") or {}
        tasks = [(job, n) for job in ("chief", "worker") for n in range(len(cluster.get(job, ())))]
        if len(tasks) < 2:
            return Workers()
        task = values["task"]
        return Workers(len(tasks), tasks.index((task["type"], task["index"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f'TF_CONFIG is {text!r:.200}, expected {{"cluster": {{"worker": ["host:port", ...]}}, '
            '"task": {"type": "worker", "index": N}} with N from 0'
        ) from error


def _all_rows(row: Any) -> Any:
    """[1, n] of this worker -> [W, n]. Collectives need a tensor that has a device: a copy."""
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0)


def _means(*tensors: Any) -> list[Any]:
    import tensorflow as tf

    placed = [tf.identity(tensor) for tensor in tensors]
    return list(tf.distribute.get_replica_context().all_reduce("MEAN", placed))
