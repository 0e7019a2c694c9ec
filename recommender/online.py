"""The agent that goes on learning while it recommends, and forgets it after (section IV.C)."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from evaluation.policy import FloatArray, IntArray, States, take
from recommender.agent import DRRAgent
from recommender.policy import DRRPolicy
from recommender.state import Features, Observation
from recommender.updates import Learner, Log

Fields = dict[str, np.ndarray]  # of one transition, each [1, ...]


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
        start: States,
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
        self._trained = [np.copy(variable.numpy()) for variable in self.learner.variables]
        deployed = self.learner.target if config.average_actor else self.learner.online
        catalogue, window = agent.catalogue, agent.window
        mine = DRRAgent(config, agent.table, catalogue, window=window, networks=deployed)
        super().__init__(mine, name)
        self._act, self._steps = tf.function(mine.act), steps
        self._session: list[Fields] = []
        self._updates = 0

    def reset(self) -> None:
        """Back to the trained parameters, bit for bit, with nothing remembered."""
        for variable, value in zip(self.learner.variables, self._trained, strict=True):
            variable.assign(value)
        self._session, self._updates = [], 0

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores; of one user, who answered what was scored best the last time."""
        if states.feedback_items.shape[1]:
            self._hear(states)
            self._learn()
        else:
            self.reset()
        now = self._observed(states)
        fields = {name: tf.constant(value) for name, value in now.items()}
        action: FloatArray = self._act(Observation.of(fields)).numpy()
        self._session.append(now | {"action": action.astype(np.float16)})
        return take(action @ self.agent.table.items.T, candidates)

    def _observed(self, states: States) -> Fields:
        """The fields of the state, as the training stores them."""
        items, ratings = self.window(states)
        shown, rewards = states.feedback_items, self.rewards(states)
        ahead = [(0, 0), (0, self._steps - shown.shape[1])]
        starts = np.zeros_like(ratings)
        return {
            "users": states.users,
            "items": items,
            "ratings": ratings,
            "seen": np.pad(np.hstack([items, shown]), ahead, constant_values=-1),
            "seen_rewards": np.pad(np.hstack([starts, rewards]), ahead),
        }

    def _hear(self, states: States) -> None:
        """Complete the last transition with the user's answer."""
        self._session[-1] |= {
            "item": states.feedback_items[:, -1],
            "rating": np.nan_to_num(states.feedback_ratings[:, -1]),
            "reward": self.rewards(states)[:, -1],
            "terminated": np.zeros(1, np.float32),
        }

    def _learn(self) -> None:
        """One update on a batch in which the session's transitions take turns."""
        turns = np.arange(self.agent.config.batch_size) % len(self._session)
        batch = {
            name: tf.constant(
                np.concatenate([fields[name] for fields in self._session])[turns][None]
            )
            for name in self._session[0]
        }
        batch["weights"] = tf.ones([1, len(turns)])
        self.learner.update_many(batch, tf.constant([0, 16 * self._updates], tf.int32))
        self._updates += 1


def _features(agent: DRRAgent, start: States) -> Features:
    """The agent's, with the vectors of the evaluated users where the state needs them."""
    catalogue, profiles = agent.catalogue, None
    if agent.needs_profile:
        known = (start.offsets, start.items, start.ratings)
        profiles = np.zeros([len(catalogue.demographics), agent.table.k], np.float32)
        profiles[start.users] = agent.table.fold_in_rows(*known)
    return Features(agent.table, catalogue.demographics, catalogue.scale, profiles)
