"""Collector: plays episodes, exploring, into the replay; the learner improves the agent from it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig, Xla, number
from data.observation import Observation
from data.ratings import Catalogue
from embedding.table import EmbeddingTable
from recommender.agent import DRRAgent
from recommender.planning import LEARNERS
from recommender.ranking import Legal, SoftmaxPolicy, best_item, scorer
from recommender.ridge_start import PENALTY, RidgeStart, start_at
from recommender.state import Features
from recommender.update import Mean, own_values
from replay_buffer.buffers import PrioritizedReplay, UniformReplay

COLDEST = 1e-3  # a temperature of 0 would divide by it; at this one the best item is drawn


class Exploration(NamedTuple):
    """How much randomness now: noise (temperature or standard deviation), epsilon (probability)."""

    noise: float
    epsilon: float


def schedule(config: AgentConfig, progress: float) -> Exploration:
    """The exploration at a share `progress` in [0, 1] of the run."""
    decayed = min(1.0, progress / config.epsilon_decay) if config.epsilon_decay > 0 else 1.0
    return Exploration(
        noise=config.noise + (config.noise_end - config.noise) * min(1.0, progress),
        epsilon=config.epsilon + (config.epsilon_end - config.epsilon) * decayed,
    )


def explore(
    kind: str,
    action: tf.Tensor,
    items: tf.Tensor,
    legal: Legal,
    exploration: Exploration,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The item to show: drawn near the action, or with probability epsilon a random choice.

    "softmax" draws from softmax(scores / noise), and gambles on any legal item. "gaussian" explores
    in the space of actions: noise on the vector, and a gamble is a uniform random vector, so that the
    action returned always is the one that chose the item.

    Args:
        kind: "softmax" or "gaussian".
        action: pi(s) [E, k].
        items: item vectors [I, k].
        legal: block of items -> candidates among them [E, width] bool.
        exploration: the scalars noise and epsilon.
        seed: [2] int32; the same seed draws the same.

    Returns:
        the action that was played [E, k], the item [E] int32.
    """
    size, n_items = tf.shape(action)[0], items.shape[0]
    gamble = (tf.random.stateless_uniform([size], seed + [0, 2]) < exploration.epsilon)[:, None]
    if kind == "gaussian":
        noisy = action + exploration.noise * tf.random.stateless_normal(tf.shape(action), seed)
        anything = tf.random.stateless_uniform(tf.shape(action), seed + [0, 1], -1.0, 1.0)
        action = tf.where(gamble, anything, noisy)
        return action, best_item(scorer(action, items, legal), n_items)
    # an action of zeros scores all items alike: any legal item is as likely as another
    sharpened = tf.where(gamble, 0.0, action / tf.maximum(exploration.noise, COLDEST))
    return action, SoftmaxPolicy(sharpened, items, legal).sample(1, seed)[:, 0]


class Collector:
    """The learning half: collects transitions from an environment into a replay, and updates.

    Args:
        config: networks and update rules.
        table, catalogue, window: as for `DRRAgent`.
        environment: the vectorised environment of the training users.
        replay: where transitions go; made with `transition_spec`.
        total_updates: of the whole run, for the learning-rate schedule.
        seed: of the initial weights.
        mean: over the workers that train together, see `Learner`.
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
        mean: Mean = own_values,
        xla: Xla = Xla(),  # noqa: B008
    ) -> None:
        self.config, self.environment, self.replay = config, environment, replay
        self.features = Features(table, catalogue.scale, catalogue.demographics.shape[1])
        self.learner = LEARNERS[config.head](
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

    def start(self, begin: Callable[[int], Observation], users: int) -> None:
        """Start the networks in closed form; see `RidgeStart.fit`."""
        online = self.learner.online
        dropout, mean = self.config.demographics_dropout, self.learner.mean
        penalty = number(self.config.start_penalty, PENALTY)
        environment, state = self.environment, online.actor_state
        closed_form = RidgeStart(state, self.features, environment, penalty, dropout, mean)
        start_at(closed_form.fit(begin, users), online)
        self.learner.target.copy_from(online)

    def collect(
        self, start: Observation, exploration: Exploration, seed: tuple[int, int]
    ) -> dict[str, NDArray[Any]]:
        """Play one episode of every parallel user and store it; returns the stored fields [N, ...]."""
        played = self.play(
            start,
            Exploration(*(tf.constant(np.float32(value)) for value in exploration)),
            tf.constant(seed, tf.int32),
        )
        alive = played.pop("alive").numpy().ravel()
        stored = {
            name: value.numpy().reshape(len(alive), *value.shape[2:])[alive]
            for name, value in played.items()
        }
        self.replay.add(stored)
        return stored

    def _play(
        self, observation: Observation, exploration: Exploration, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """T steps of E users, fields [T, E, ...]; `alive` is False once an episode has ended."""
        length, size = self.environment.episode_length, observation.users.shape[0]
        window, k = observation.window_items.shape[1], self.features.table.k
        arrays = {
            name: tf.TensorArray(tf.as_dtype(kind), length, element_shape=[size, *shape])
            for name, (shape, kind) in transition_spec(self.config, window, length, k).items()
        }
        arrays["alive"] = tf.TensorArray(tf.bool, length, element_shape=[size])
        alive = tf.ones([size], tf.bool)
        for step in tf.range(length):
            action, item = explore(
                self.config.exploration,
                self.learner.online.act(observation),
                self.features.items,
                self.learner.legal(observation),
                exploration,
                seed + tf.stack([0, 4 * step]),
            )
            following, reward, terminated, _ = self.environment.step(observation, item)
            rating = self.environment.answers(observation.users, item[:, None])[:, 0]
            row = observation._asdict() | {
                "item": item,
                "rating": rating,
                "reward": reward,
                "terminated": tf.cast(terminated, tf.float32),
                "action": tf.cast(action, tf.float16),
                "alive": alive,
            }
            arrays = {name: array.write(step, row[name]) for name, array in arrays.items()}
            alive, observation = alive & ~terminated, following
        return {name: array.stack() for name, array in arrays.items()}

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


def transition_spec(
    config: AgentConfig, window: int, episode_length: int, k: int
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """A stored transition: an observation's own fields, and what followed. Ids, no states.

    Name -> (shape, NumPy dtype), for the replay.
    """
    spec: dict[str, tuple[tuple[int, ...], Any]] = {
        "users": ((), np.int32),
        "window_items": ((window,), np.int32),
        "window_ratings": ((window,), np.float32),
        "known_items": ((window,), np.int32),
        "known_ratings": ((window,), np.float32),
        "shown_items": ((episode_length,), np.int32),
        "shown_ratings": ((episode_length,), np.float32),
        "shown_rewards": ((episode_length,), np.float32),
        "item": ((), np.int32),
        "rating": ((), np.float32),
        "reward": ((), np.float32),
        "terminated": ((), np.float32),
    }
    return spec | ({"action": ((k,), np.float16)} if config.critic_action == "proto" else {})
