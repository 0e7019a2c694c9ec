"""The agent as a `data.policy.Policy`; and one that learns within sessions (section IV.C)."""

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from recommender.agent import DRRAgent, as_tensors
from recommender.planning import LEARNERS
from recommender.state import Features, user_vectors


class DRRPolicy:
    """Scores from the window, which shifts on positive feedback (equation 1).

    Args:
        agent: the trained agent.
        name: the row's name in tables.
    """

    adaptive = True
    users_per_batch = 256  # each is compared with thousands of training users

    def __init__(self, agent: DRRAgent, name: str = "drr") -> None:
        self.agent = agent
        self.name = name
        self._solved: tuple[IntArray, FloatArray] | None = None  # items known at a start, vectors

    @property
    def min_window(self) -> int:
        """n: a session that starts with fewer items has room for what is liked in it."""
        return self.agent.window

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """Scores of all items [B, I], or of candidates [B, C]."""
        return self.agent.scores(self.fitted(observation), candidates)

    def actions(self, observation: Observation) -> FloatArray:
        """pi(s) [B, k]."""
        return self.agent.act(as_tensors(self.fitted(observation))).numpy()

    def fitted(self, observation: Observation) -> Observation:
        """The observation with this agent's n places in its window, and its users' vectors."""
        n = self.agent.window
        fitted = observation.widened(n)
        return fitted._replace(
            window_items=fitted.window_items[:, -n:],
            window_ratings=fitted.window_ratings[:, -n:],
            profile=self._profile(observation) if self.agent.needs_profile else None,
        )

    def _profile(self, observation: Observation) -> FloatArray:
        """The vectors of what was known at the start [B, k], solved once for each start."""
        if self._solved is None or self._solved[0] is not observation.known_items:
            self._solved = (observation.known_items, user_vectors(self.agent.table, observation))
        return self._solved[1]


Fields = dict[str, np.ndarray]  # of one transition, each [1, ...]


class OnlinePolicy(DRRPolicy):
    """After every answer one update on the session's own transitions; reset before each session.

    The targets start as copies of the trained networks and Adam from zero: runs save neither.
    Nothing is explored, and learning rates stay as they were at the start of the training.

    Args:
        agent: the trained agent; it is copied, not changed.
        log: the environment that updates ask besides the session, fitted on what is visible; it
            holds the evaluated users' vectors where the state needs them.
        steps: T, the length of a session.
        name: the row's name in tables.
        jit_compile: compile the update with XLA.
    """

    users_per_batch = 1

    def __init__(
        self,
        agent: DRRAgent,
        log: Any,
        steps: int,
        name: str = "drr",
        *,
        jit_compile: bool = False,
    ) -> None:
        config = replace(agent.config, lr_schedule="constant")
        features = Features(agent.table, agent.catalogue.scale, agent.features.n_demographics)
        self.learner = LEARNERS[config.head](
            config, agent.window, features, log, total_updates=1, seed=0, jit_compile=jit_compile
        )
        for networks in (self.learner.online, self.learner.target):
            networks.copy_from(agent.networks)
        self._trained = [tf.identity(variable) for variable in self.learner.variables]
        deployed = self.learner.target if config.average_actor else self.learner.online
        table, catalogue, window = agent.table, agent.catalogue, agent.window
        super().__init__(DRRAgent(config, table, catalogue, window=window, networks=deployed), name)
        self._steps = steps
        self._begin, self._continue = tf.function(self._reset), tf.function(self._learn)
        self._session: list[Fields] = []

    def _reset(self, now: Observation) -> tf.Tensor:
        """Back to the trained parameters, bit for bit; then pi(s) [1, k]."""
        for variable, value in zip(self.learner.variables, self._trained, strict=True):
            variable.assign(value)
        return self.agent.act(now)

    def _learn(self, batch: dict[str, tf.Tensor], seed: tf.Tensor, now: Observation) -> tf.Tensor:
        """One update; then pi(s) [1, k]."""
        self.learner.update_many(batch, seed)
        return self.agent.act(now)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores; of one user, who answered what was scored best the last time."""
        now = self._padded(self.fitted(observation))
        if not observation.shown_items.shape[1]:
            self._session = []
            action = self._begin(as_tensors(now)).numpy()
        else:
            self._session[-1] |= {  # the last transition, completed with the answer
                "item": observation.shown_items[:, -1],
                "rating": observation.shown_ratings[:, -1],
                "reward": observation.shown_rewards[:, -1],
                "terminated": np.zeros(1, np.float32),
            }
            seed = tf.constant([0, 16 * len(self._session)], tf.int32)
            batch = {name: tf.constant(value) for name, value in self._batch().items()}
            action = self._continue(batch, seed, as_tensors(now)).numpy()
        self._session.append(now._asdict() | {"action": action.astype(np.float16)})
        return scores_at(action @ self.agent.table.items.T, candidates)

    def _padded(self, observation: Observation) -> Observation:
        """Room for all T steps, and of what is known the first window alone, as in training."""
        ahead = [(0, 0), (0, self._steps - observation.shown_items.shape[1])]
        start = self._session[0] if observation.shown_items.shape[1] else observation._asdict()
        return observation._replace(
            known_items=start["window_items"],
            known_ratings=start["window_ratings"],
            shown_items=np.pad(observation.shown_items, ahead, constant_values=-1),
            shown_ratings=np.pad(observation.shown_ratings, ahead),
            shown_rewards=np.pad(observation.shown_rewards, ahead),
        )

    def _batch(self) -> Fields:
        """A batch in which the session's transitions take turns, fields [1, B, ...]."""
        turns = np.arange(self.agent.config.batch_size) % len(self._session)
        batch = {
            name: np.concatenate([fields[name] for fields in self._session])[turns][None]
            for name, value in self._session[0].items()
            if value is not None
        }
        return batch | {"weights": np.ones([1, len(turns)], np.float32)}
