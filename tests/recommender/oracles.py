"""Learners to look into, and what their updates must compute, in a few lines of NumPy."""

from dataclasses import replace

import numpy as np
import tensorflow as tf
import toys

from recommender.state import Observation

SEED = tf.constant([3, 5])
PLAIN = {"dropout": 0.0, "item_dropout": 0.0}
BEST = replace(toys.BEST, **PLAIN)
PAPER = toys.PAPER
TD3 = replace(PAPER, algorithm="td3", critics=2)


def scrambled(config, seed: int = 0):
    """A learner whose online and target networks have nothing in common."""
    learner, rng = toys.learner(config), np.random.default_rng(seed)
    for variable in [*learner.online.variables, *learner.target.variables]:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return learner


def recorded(learner):
    learner.actor_optimizer, learner.critic_optimizer = toys.Recorder(), toys.Recorder()
    return learner


def arrays(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def equal(first: list, second: list) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


def next_observation(batch) -> Observation:
    """Equation 1, row by row."""
    rows = {name: value.numpy() for name, value in batch.items()}
    items, ratings = rows["items"].copy(), rows["ratings"].copy()
    for row in np.flatnonzero(rows["reward"] > 0):
        items[row] = [*items[row][1:], rows["item"][row]]
        ratings[row] = [*ratings[row][1:], rows["rating"][row]]
    seen, rewards = rows["seen"].copy(), rows["seen_rewards"].copy()
    seen[:, toys.WINDOW], rewards[:, toys.WINDOW] = rows["item"], rows["reward"]
    arrays = (rows["users"], items, ratings, seen, rewards)
    return Observation(*(tf.constant(array) for array in arrays))


def td_target(learner, batch) -> tuple[np.ndarray, np.ndarray]:
    """y = r + gamma (1 - terminated) min_j Q'_j(s', a') -> y [B], its second term [B]."""
    config, networks, following = learner.config, learner.target, next_observation(batch)
    action = networks.actor(networks.actor_state(following)).numpy()
    if config.critic_action == "item":
        vectors = learner.features.items.numpy()
        scores = action @ vectors.T
        for row, shown in enumerate(following.seen.numpy()):
            scores[row, shown[shown >= 0]] = -np.inf
        action = vectors[scores.argmax(axis=1)]
    state = networks.critic_state(following)
    value = np.min([critic(state, action).numpy()[:, 0] for critic in networks.critics], axis=0)
    continuation = config.discount * (1 - batch["terminated"].numpy()) * value
    target = batch["reward"].numpy() + continuation
    bound = 1 / (1 - config.discount) if config.clip_target else np.inf
    return np.clip(target, -bound, bound), continuation


def stored_action(learner, batch) -> np.ndarray:
    if learner.config.critic_action == "proto":
        return batch["action"].numpy().astype(np.float32)
    return learner.features.items.numpy()[batch["item"].numpy()]
