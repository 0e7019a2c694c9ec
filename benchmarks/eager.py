"""The baseline, Algorithm 1 as usually written: one user, one step, one eager update at a time."""

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.workload import Workload
from envs.offline import OfflineEnv
from recommender.exploration import explore, schedule
from recommender.state import Observation


class EagerLoop:
    """The networks, the replay and the very update of `workload`, with the Gymnasium environment."""

    def __init__(self, workload: Workload) -> None:
        self.workload, self.agent = workload, workload.agent
        env = workload.config.env
        self.environment = OfflineEnv(
            workload.ratings, window=env.window, episode_length=env.episode_length
        )
        self._places = env.window + env.episode_length
        self._seen: list[int] = []
        self._rewards: list[float] = []
        self._begin()

    def step(self) -> None:
        """One transition and one update."""
        self.play()
        self.update()

    def play(self) -> None:
        """Act, let the environment answer, store."""
        before = self._observed()
        action, item = self._act(before)
        self._answer, reward, terminated, truncated, info = self.environment.step(item)
        self._mask = info["action_mask"]
        transition = before | {
            "item": item,
            "rating": self._answer["ratings"][-1],  # is read only where the reward is positive
            "reward": reward,
            "terminated": float(terminated),
        }
        if self.workload.config.agent.critic_action == "proto":
            transition["action"] = action.astype(np.float16)
        self.agent.replay.add({k: np.asarray(v)[None] for k, v in transition.items()})
        self._seen, self._rewards = [*self._seen, item], [*self._rewards, reward]
        if terminated or truncated:
            self._begin()

    def update(self) -> None:
        """Draw a batch, update, write the priorities."""
        size = self.workload.config.agent.batch_size
        batch = self.agent.replay.sample(size, self.workload.rng)
        fields = {k: tf.constant(np.ascontiguousarray(v)) for k, v in batch.data.items()}
        fields["weights"] = tf.constant(batch.weights)
        errors, _ = self.agent.learner.update(fields, tf.constant(self.workload.seed()))
        self.agent.replay.update_priorities(batch.indices, errors.numpy())

    def _begin(self) -> None:
        seed = int(self.workload.rng.integers(2**30))
        self._answer, info = self.environment.reset(seed=seed)
        self._mask = info["action_mask"]
        self._seen = self._window().tolist()
        self._rewards = [0.0] * len(self._seen)

    def _window(self) -> np.ndarray[Any, Any]:
        items = self._answer["items"]
        return np.where(items < self.workload.ratings.n_items, items, -1)

    def _observed(self) -> dict[str, Any]:
        """What the agent knows, as the replay stores it."""
        rest = (0, self._places - len(self._seen))
        return {
            "users": np.int32(self._answer["user"]),
            "items": self._window().astype(np.int32),
            "ratings": self._answer["ratings"],
            "seen": np.pad(self._seen, rest, constant_values=-1).astype(np.int32),
            "seen_rewards": np.pad(self._rewards, rest).astype(np.float32),
        }

    def _act(self, observed: dict[str, Any]) -> tuple[np.ndarray[Any, Any], int]:
        observation = Observation.of({k: tf.constant(v)[None] for k, v in observed.items()})
        config, legal = self.workload.config.agent, tf.constant(self._mask[None], tf.bool)
        action, item = explore(
            config.exploration,
            self.agent.learner.online.act(observation),
            self.agent.features.items,
            lambda block: legal[:, block.start : block.start + block.width],
            schedule(config, 0.5),
            tf.constant(self.workload.seed()),
        )
        return action.numpy()[0], int(item[0])
