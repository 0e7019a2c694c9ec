"""Several processes that train one agent together: what each does, and what they agree on.

Every worker holds the whole agent, and plays its own users into its own replay. The gradients are
averaged by the collectives of `tf.distribute.MultiWorkerMirroredStrategy`, so that all agents stay
equal, bit for bit. One process alone is a worker that shares with nobody.
"""

import os
import re
import signal
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import Config, ConfigError
from training import checkpoint
from training.checkpoint import CheckpointError
from training.cluster import Cluster, ClusterError, await_members, read_cluster

START_SECONDS = 300.0  # for all workers to come up


def from_environment(environment: Mapping[str, str] = os.environ) -> "Workers":
    """What TF_CONFIG says, see `training.cluster`; without it, this process alone."""
    cluster = read_cluster(environment)
    return ALONE if cluster is None else MirroredWorkers(cluster)


class Workers:
    """One process alone: it does everything, waits for nobody and agrees with itself.

    `size` is W, the number of workers; `index` is this one's. Worker 0 is the chief, who writes
    what a run leaves behind.
    """

    index = 0
    size = 1

    @property
    def chief(self) -> bool:
        return self.index == 0

    def connect(self) -> None:
        """Meet the others. No TensorFlow operation may come before."""

    def mean(self, tensors: list[Any]) -> list[Any]:
        """Tensors, of the same shapes on every worker -> their means over the workers."""
        return tensors

    def gather(self, numbers: Sequence[float]) -> NDArray[np.float64]:
        """n numbers of every worker -> [W, n], equal on all of them. Waits for the others."""
        return np.array([numbers], np.float64)

    def meet(self) -> None:
        """Go on when all workers are here."""
        self.gather([])

    @contextmanager
    def losses_reported(self, advice: str) -> Iterator[None]:
        """In the block, the loss of another worker raises ClusterError, which ends in `advice`."""
        yield

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """The others enter the block when the chief has left it."""
        if not self.chief:
            self.meet()
        yield
        if self.chief:
            self.meet()

    @contextmanager
    def chief_last(self) -> Iterator[None]:
        """The chief enters the block when the others have left it."""
        if self.chief:
            self.meet()
        yield
        if not self.chief:
            self.meet()

    def require_equal(self, what: str, content: bytes) -> None:
        """ClusterError unless all workers have the same `content`."""
        digests = self.gather([zlib.crc32(content)])[:, 0]
        for index in np.flatnonzero(digests != digests[0]):
            raise ClusterError(f"{what} of worker {index} is not that of worker 0, the chief")

    def save(self, folder: Path, step: int, arrays: checkpoint.Arrays) -> None:
        """Each worker writes its own checkpoint, the chief last: what it has, the others have."""
        weights = [arrays[name].tobytes() for name in arrays if name.startswith("variable/")]
        self.require_equal("the weights", b"".join(weights))
        with self.chief_last():
            checkpoint.save(folder, step, arrays | {"workers": np.asarray(self.size)})

    def load_newest(self, folder: Path) -> tuple[int, checkpoint.Arrays] | None:
        """Step and arrays of the newest checkpoint that every worker has; None before the first.

        Raises:
            CheckpointError: where they have none in common, or it is one of more or fewer workers.
        """
        up_to, begun = checkpoint.LAST, False
        while True:
            found = checkpoint.load_newest(folder, up_to)
            steps = self.gather([found[0] if found else 0])[:, 0]
            begun = begun or steps[0] > 0
            if begun and not steps.all():
                raise CheckpointError(
                    f"{folder}: the workers have no checkpoint in common; resume with as many as the "
                    "run was begun with, or start a new run"
                )
            if (steps == steps[0]).all():
                break
            up_to = int(steps.min())
        size = int(found[1].get("workers", 1)) if found else self.size
        if size != self.size:
            raise CheckpointError(
                f"{folder}: saved by {size} workers; resume with as many, not with {self.size}"
            )
        return found

    def share(self, config: Config) -> Config:
        """This worker's equal part of the run's users, batches and replay.

        Raises:
            ConfigError: where there are no equal parts.
        """
        if self.size == 1:
            return config
        agent, loop, replay = config.agent, config.loop, config.replay
        if loop.jit == "on":
            raise ConfigError("loop.jit is 'on', expected auto or off with several workers")
        return replace(
            config,
            agent=replace(agent, batch_size=self._part("agent.batch-size", agent.batch_size)),
            loop=replace(
                loop,
                parallel_users=self._part("loop.parallel-users", loop.parallel_users),
                jit="off",
            ),
            replay=replace(replay, capacity=self._part("replay.capacity", replay.capacity)),
        )

    def _part(self, name: str, value: int) -> int:
        if value % self.size:
            raise ConfigError(f"{name} is {value}, expected a multiple of the {self.size} workers")
        return value // self.size

    def part(self, users: NDArray[Any]) -> NDArray[Any]:
        """The users [U / W] whose episodes this worker plays."""
        if len(users) < self.size:
            raise ConfigError(
                f"{len(users)} users to train on, expected one or more for each of the "
                f"{self.size} workers"
            )
        return users[self.index :: self.size]

    def agree(self, row: Mapping[str, float]) -> dict[str, float]:
        """The workers' scalars as one row: their means; the largest of what ends in _max."""
        rows = self.gather(list(row.values()))
        means, largest = rows.mean(axis=0).tolist(), rows.max(axis=0).tolist()
        return {
            name: maximum if name.endswith("_max") else mean
            for name, mean, maximum in zip(row, means, largest, strict=True)
        }

    def seed(self, seed: int) -> int:
        """A seed of this worker's own; the chief's is `seed` itself."""
        if self.chief:
            return seed
        return int(np.random.SeedSequence([seed, self.index]).generate_state(1)[0] >> 1)


ALONE = Workers()


class MirroredWorkers(Workers):
    """This process and the others of a cluster.

    When one dies, freezes, or cannot be reached for about ten seconds, TensorFlow ends the
    collectives of the others with an error.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.index, self.size = cluster.index, len(cluster.members)
        self._strategy: Any = None

    def connect(self) -> None:
        """See Workers; ClusterError where another one does not come up."""
        import tensorflow as tf

        from training.devices import quiet_stderr

        print(f"{self.cluster.members[self.index]} waits for the other {self.size - 1} to come up")
        await_members(self.cluster, START_SECONDS)
        with quiet_stderr(), _killed_by_signals():
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._gather = tf.function(self._sum)

    def mean(self, tensors: list[Any]) -> list[Any]:
        """See Workers. One collective for all tensors; sparse ones become dense, None stays None."""
        import tensorflow as tf

        given = [tf.convert_to_tensor(tensor) for tensor in tensors if tensor is not None]
        means = iter([total / self.size for total in self._sum(given)])
        return [None if tensor is None else next(means) for tensor in tensors]

    def gather(self, numbers: Sequence[float]) -> NDArray[np.float64]:
        """See Workers."""
        import tensorflow as tf

        table = np.zeros([self.size, 1 + len(numbers)])  # never empty
        table[self.index, 1:] = numbers
        (total,) = self._gather([tf.constant(table)])
        gathered: NDArray[np.float64] = total.numpy()[:, 1:]
        return gathered

    def _sum(self, tensors: list[Any]) -> list[Any]:
        import tensorflow as tf

        def reduce(*values: Any) -> list[Any]:
            placed = [tf.identity(value) for value in values]  # the collective asks for a device
            context = tf.distribute.get_replica_context()
            return list(context.all_reduce(tf.distribute.ReduceOp.SUM, placed))

        return list(self._strategy.run(reduce, args=tuple(tensors)))

    def meet(self) -> None:
        """Go on when all workers are here."""
        self.gather([])

    @contextmanager
    def losses_reported(self, advice: str) -> Iterator[None]:
        """See Workers."""
        import tensorflow as tf

        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.DeadlineExceededError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
        ) as error:
            raise ClusterError(
                f"lost contact with {self._named_in(str(error))}: it died, or it cannot be reached; "
                f"its own output may say why. {advice}"
            ) from error

    def _named_in(self, message: str) -> str:
        """The worker that TensorFlow complains of; the chief, which watches the others, by default."""
        for job, task in re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", message):
            for member in self.cluster.members:
                if (member.job, str(member.task)) == (job, task):
                    return str(member)
        return str(self.cluster.members[0])


@contextmanager
def _killed_by_signals() -> Iterator[None]:
    """While TensorFlow waits for the others no Python runs, and nobody would handle Ctrl-C."""
    stopping = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in stopping}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
