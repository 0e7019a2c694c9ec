"""The agent that goes on learning while it recommends, and forgets it after (section IV.C)."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from data import observation as known
from data.observation import FloatArray, IntArray
from data.policy import scores_at
from recommender.agent import DRRAgent
from recommender.drr_policy import DRRPolicy
from recommender.state import Features, Observation
from recommender.updates import Learner, Log

Fields = dict[str, np.ndarray]  # of one transition, each [1, ...]
Tensors = dict[str, tf.Tensor]


class OnlinePolicy(DRRPolicy):
    """After every answer one update on the session's own transitions; reset before each session.

    The targets start as copies of the trained networks and Adam from zero: runs save neither.
    Nothing is explored, and learning rates stay as they were at the start of the training.

    Args:
        agent: the trained agent; it is copied, not changed.
        log: what updates ask besides the session, fitted on what is visible.
        start: the evaluated users before their first recommendation.
        steps: T, the length of a session.
        name: the row's name in tables.
        jit_compile: compile the update with XLA.
    """

    users_per_batch = 1

    def __init__(
        self,
        agent: DRRAgent,
        log: Log,
        start: known.Observation,
        steps: int,
        name: str = "drr",
        *,
        jit_compile: bool = False,
    ) -> None:
        config = replace(agent.config, lr_schedule="constant")
        features = _features(agent, start)
        self.learner = Learner(
            config, agent.window, features, log, total_updates=1, seed=0, jit_compile=jit_compile
        )
        for networks in (self.learner.online, self.learner.target):
            networks.copy_from(agent.networks)
        self._trained = [tf.identity(variable) for variable in self.learner.variables]
        deployed = self.learner.target if config.average_actor else self.learner.online
        catalogue, window = agent.catalogue, agent.window
        mine = DRRAgent(config, agent.table, catalogue, window=window, networks=deployed)
        super().__init__(mine, name)
        self._steps = steps
        self._begin, self._continue = tf.function(self._reset), tf.function(self._learn)
        self._session: list[Fields] = []

    def _reset(self, now: Tensors) -> tf.Tensor:
        """Back to the trained parameters, bit for bit; then pi(s) [1, k]."""
        for variable, value in zip(self.learner.variables, self._trained, strict=True):
            variable.assign(value)
        return self.agent.act(Observation.of(now))

    def _learn(self, batch: Tensors, seed: tf.Tensor, now: Tensors) -> tf.Tensor:
        """One update; then pi(s) [1, k]."""
        self.learner.update_many(batch, seed)
        return self.agent.act(Observation.of(now))

    def scores(self, observed: known.Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores; of one user, who answered what was scored best the last time."""
        now = self._observed(observed)
        if not observed.shown_items.shape[1]:
            self._session = []
            action = self._begin(_tensors(now)).numpy()
        else:
            self._hear(observed)
            seed = tf.constant([0, 16 * len(self._session)], tf.int32)
            action = self._continue(_tensors(self._batch()), seed, _tensors(now)).numpy()
        self._session.append(now | {"action": action.astype(np.float16)})
        return scores_at(action @ self.agent.table.items.T, candidates)

    def _observed(self, observed: known.Observation) -> Fields:
        """The fields of the state, as the training stores them."""
        items, ratings = self.latest(observed)
        shown, rewards = observed.shown_items, self.rewards(observed)
        first = self._session[0]["items"] if shown.shape[1] else items
        ahead = [(0, 0), (0, self._steps - shown.shape[1])]
        starts = np.zeros_like(ratings)
        return {
            "users": observed.users,
            "items": items,
            "ratings": ratings,
            "seen": np.pad(np.hstack([first, shown]), ahead, constant_values=-1),
            "seen_rewards": np.pad(np.hstack([starts, rewards]), ahead),
        }

    def _hear(self, observed: known.Observation) -> None:
        """Complete the last transition with the user's answer."""
        self._session[-1] |= {
            "item": observed.shown_items[:, -1],
            "rating": np.nan_to_num(observed.shown_ratings[:, -1]),
            "reward": self.rewards(observed)[:, -1],
            "terminated": np.zeros(1, np.float32),
        }

    def _batch(self) -> Fields:
        """A batch in which the session's transitions take turns, fields [1, B, ...]."""
        turns = np.arange(self.agent.config.batch_size) % len(self._session)
        batch = {
            name: np.concatenate([fields[name] for fields in self._session])[turns][None]
            for name in self._session[0]
        }
        return batch | {"weights": np.ones([1, len(turns)], np.float32)}


def _tensors(fields: Fields) -> Tensors:
    return {name: tf.constant(value) for name, value in fields.items()}


def _features(agent: DRRAgent, start: known.Observation) -> Features:
    """The agent's, with the vectors of the evaluated users where the state needs them."""
    catalogue, profiles = agent.catalogue, None
    if agent.needs_profile:
        profiles = np.zeros([len(catalogue.demographics), agent.table.k], np.float32)
        profiles[start.users] = agent.table.fold_in(start.known_items, start.known_ratings)
    return Features(agent.table, catalogue.demographics, catalogue.scale, profiles)
