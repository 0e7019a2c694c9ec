"""What is timed: the parts of a run, put together as training/loop.py does, without its logging."""

from dataclasses import replace
from typing import Any

import numpy as np

import embedding
from config import Config
from data import Ratings
from envs.episodes import draw_starts
from envs.vector import EnvState, VectorOfflineEnv
from recommender.exploration import schedule
from recommender.collector import Collector, transition_spec
from recommender.updates import Mean, alone
from replay_buffer.buffers import PrioritizedReplay
from training.devices import on_gpu


class Workload:
    """Acting, environment, replay and updates of one run, on all users of `ratings`.

    The embedding is random, because its values make no difference to the time. `mean` is over the
    workers that learn together, see `Learner`.
    """

    def __init__(self, config: Config, ratings: Ratings, mean: Mean = alone) -> None:
        self.config, self.ratings = config, ratings
        env, replay = config.env, config.replay
        table = embedding.fit(replace(config.embedding, kind="random"), ratings, config.seed)
        self.environment = VectorOfflineEnv(
            ratings, window=env.window, episode_length=env.episode_length
        )
        spec = transition_spec(config.agent, env.window, env.episode_length, table.k)
        self.agent = TrainingAgent(
            config.agent,
            table,
            ratings,
            window=env.window,
            environment=self.environment,
            replay=PrioritizedReplay(
                replay.capacity, spec, replay.alpha, replay.beta, replay.epsilon
            ),
            total_updates=10**6,
            seed=config.seed,
            mean=mean,
            xla=config.xla(on_gpu()),
        )
        self.users = np.flatnonzero(ratings.lengths > 1)
        self.rng = np.random.default_rng(config.seed)

    def begin(self, count: int) -> EnvState:
        """First states of `count` episodes."""
        env = self.config.env
        known = min(env.window, self.config.known)  # as training/tasks.py has it
        users, starts = draw_starts(
            self.rng, self.ratings, self.users, known, env.random_start, count
        )
        return self.environment.reset(users, starts)

    def collect(self, users: int) -> None:
        """One episode of `users` users at once, stored."""
        self.agent.collect(self.begin(users), schedule(self.config.agent, 0.5), self.seed())

    def learn(self, updates: int) -> None:
        """Batches drawn, `updates` updates in one compiled call, priorities written back."""
        self.agent.learn(updates, self.rng, self.seed(), 0.5)

    def batches(self, updates: int, size: int) -> dict[str, Any]:
        """Batches [updates, size, ...] for `Learner.update_many`."""
        import tensorflow as tf

        batch = self.agent.replay.sample_many(updates, size, self.rng)
        fields = {name: tf.constant(np.ascontiguousarray(v)) for name, v in batch.data.items()}
        return fields | {"weights": tf.constant(batch.weights)}

    def seed(self) -> tuple[int, int]:
        """For one compiled call."""
        first, second = self.rng.integers(2**30, size=2)
        return int(first), int(second)
