"""Learners to look into, and what their updates must compute, in a few lines of NumPy."""

from dataclasses import replace

import numpy as np
import tensorflow as tf
import toys

from data.observation import Observation
from recommender.agent import as_tensors

SEED = tf.constant([3, 5])
PLAIN = {"dropout": 0.0, "item_dropout": 0.0}
BEST = replace(toys.BEST, **PLAIN)
PAPER = toys.PAPER
RESIDUAL = replace(BEST, user_vector="pretrained", residual=True)


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


def next_observation(learner, batch) -> Observation:
    """Equation 1, and the next free place for what was shown, row by row."""
    now = learner.log.observation(batch)
    rows = {name: value.numpy().copy() for name, value in now._asdict().items()}
    answers = zip(*(batch[name].numpy() for name in ("item", "rating", "reward")), strict=True)
    for row, (item, rating, reward) in enumerate(answers):
        if reward > 0:
            rows["window_items"][row] = [*rows["window_items"][row][1:], item]
            rows["window_ratings"][row] = [*rows["window_ratings"][row][1:], rating]
        free = rows["shown_items"][row].tolist().index(-1)
        for name, value in (("items", item), ("ratings", rating), ("rewards", reward)):
            rows[f"shown_{name}"][row, free] = value
    return as_tensors(Observation(**rows))


def td_target(learner, batch) -> np.ndarray:
    """y = r + gamma (1 - terminated) min_j Q'_j(s', a') [B]."""
    config, networks, following = learner.config, learner.target, next_observation(learner, batch)
    action = networks.act(following).numpy()
    if config.critic_action == "item":
        vectors = learner.features.items.numpy()
        scores = action @ vectors.T
        for row, seen in enumerate(np.hstack([following.known_items, following.shown_items])):
            scores[row, seen[seen >= 0]] = -np.inf
        action = vectors[scores.argmax(axis=1)]
    state = networks.critic_state(following)
    action = tf.constant(action)
    values = [networks.value(critic, following, state, action) for critic in networks.critics]
    value = np.min(values, axis=0)[:, 0]
    target = batch["reward"].numpy() + config.discount * (1 - batch["terminated"].numpy()) * value
    bound = 1 / (1 - config.discount) if config.clip_target else np.inf
    return np.clip(target, -bound, bound)


def stored_action(learner, batch) -> np.ndarray:
    if learner.config.critic_action == "proto":
        return batch["action"].numpy().astype(np.float32)
    return learner.features.items.numpy()[batch["item"].numpy()]
