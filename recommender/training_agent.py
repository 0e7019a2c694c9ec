"""TrainingAgent: the learning half, which wires the networks to environment and replay."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig, Xla
from data.ratings import Catalogue
from embedding.table import EmbeddingTable
from recommender.agent import DRRAgent
from recommender.exploration import Exploration, explore
from recommender.ranking import Block
from recommender.state import Features, Observation
from recommender.updates import Learner, Mean, alone
from replay_buffer.prioritized import PrioritizedReplay
from replay_buffer.uniform import UniformReplay


class TrainingAgent:
    """The learning half: collects transitions from an environment into a replay, and updates.

    Args:
        config: networks and update rules.
        table, catalogue, window: as for `DRRAgent`.
        environment: the vectorised environment of the training users.
        replay: where transitions go; made with `transition_spec`.
        total_updates: of the whole run, for the learning-rate schedule.
        seed: of the initial weights.
        mean: over the workers that train together, see `Learner`.
        profiles: the vectors [U, k] of the environment's users, where the state needs them.
        xla: what XLA compiles.
    """

    def __init__(
        self,
        config: AgentConfig,
        table: EmbeddingTable,
        catalogue: Catalogue,
        *,
        window: int,
        environment: Any,
        replay: PrioritizedReplay | UniformReplay,
        total_updates: int,
        seed: int,
        mean: Mean = alone,
        profiles: NDArray[np.float32] | None = None,
        xla: Xla = Xla(),  # noqa: B008
    ) -> None:
        self.config = config
        self.environment = environment
        self.replay = replay
        self.features = Features(table, catalogue.demographics, catalogue.scale, profiles)
        self.learner = Learner(
            config,
            window,
            self.features,
            environment,
            total_updates=total_updates,
            seed=seed,
            mean=mean,
            jit_compile=xla.updates,
        )
        deployed = self.learner.target if config.average_actor else self.learner.online
        self.agent = DRRAgent(config, table, catalogue, window=window, networks=deployed)
        self.play = tf.function(self._play, jit_compile=xla.episodes)

    def collect(
        self, start: Any, exploration: Exploration, seed: tuple[int, int]
    ) -> dict[str, NDArray[Any]]:
        """Play one episode of every parallel user and store it; returns the stored fields [N, ...]."""
        played = self.play(
            start,
            Exploration(*(tf.constant(np.float32(value)) for value in exploration)),
            tf.constant(seed, tf.int32),
        )
        alive = played.pop("alive").numpy().ravel()
        shape = alive.shape[0]
        stored = {
            name: value.numpy().reshape(shape, *value.shape[2:])[alive]
            for name, value in played.items()
        }
        self.replay.add(stored)
        return stored

    def _play(self, state: Any, exploration: Exploration, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """T steps of E users, fields [T, E, ...]; `alive` is False once an episode has ended."""
        length, size = self.environment.episode_length, state.users.shape[0]
        k = self.features.table.k
        shapes = _fields(state.items.shape[1], state.seen.shape[1], k, self.config)
        arrays = {
            name: tf.TensorArray(kind, length, element_shape=[size, *shape])
            for name, (shape, kind) in shapes.items()
        }
        arrays["alive"] = tf.TensorArray(tf.bool, length, element_shape=[size])
        alive = tf.ones([size], tf.bool)
        for step in tf.range(length):
            action, item = self._explore(state, exploration, seed + tf.stack([0, 4 * step]))
            following, reward, terminated, _ = self.environment.step(state, item)
            rating, _ = self.environment.lookup(state.users, item[:, None])
            row = {
                "users": state.users,
                "items": state.items,
                "ratings": state.ratings,
                "seen": state.seen,
                "seen_rewards": state.seen_rewards,
                "item": item,
                "rating": rating[:, 0],
                "reward": reward,
                "terminated": tf.cast(terminated, tf.float32),
                "action": tf.cast(action, tf.float16),
                "alive": alive,
            }
            arrays = {name: array.write(step, row[name]) for name, array in arrays.items()}
            alive, state = alive & ~terminated, following
        return {name: array.stack() for name, array in arrays.items()}

    def _explore(
        self, state: Any, exploration: Exploration, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        action = self.learner.online.act(Observation.of(state._asdict()))
        kind, items = self.config.exploration, self.features.items

        def legal(block: Block) -> tf.Tensor:
            return self.environment.legal(state.users, state.seen, block.start, block.width)

        return explore(kind, action, items, legal, exploration, seed)

    def learn(
        self, updates: int, rng: np.random.Generator, seed: tuple[int, int], progress: float
    ) -> dict[str, float]:
        """`updates` updates on batches drawn by `rng`; returns the means of the logged scalars."""
        batch = self.replay.sample_many(updates, self.config.batch_size, rng, progress)
        fields = {name: tf.constant(np.ascontiguousarray(v)) for name, v in batch.data.items()}
        fields["weights"] = tf.constant(batch.weights)
        errors, scalars = self.learner.update_many(fields, tf.constant(seed, tf.int32))
        if np.isfinite(errors).all():  # else the scalars say so, and the loop stops the run
            self.replay.update_priorities(batch.indices, errors.numpy())
        row = {name: float(value) for name, value in scalars.items()}
        return row | {"replay_weight": float(batch.weights.mean())}


def _fields(window: int, places: int, k: int, config: AgentConfig) -> dict[str, Any]:
    fields = {
        "users": ((), tf.int32),
        "items": ((window,), tf.int32),
        "ratings": ((window,), tf.float32),
        "seen": ((places,), tf.int32),
        "seen_rewards": ((places,), tf.float32),
        "item": ((), tf.int32),
        "rating": ((), tf.float32),
        "reward": ((), tf.float32),
        "terminated": ((), tf.float32),
    }
    return fields | ({"action": ((k,), tf.float16)} if config.critic_action == "proto" else {})


def transition_spec(
    config: AgentConfig, window: int, episode_length: int, k: int
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Fields of one stored transition for the replay: name -> (shape, NumPy dtype). Ids, no states."""
    fields = _fields(window, window + episode_length, k, config)
    return {name: (shape, kind.as_numpy_dtype) for name, (shape, kind) in fields.items()}
