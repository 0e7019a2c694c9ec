"""Exploration: which item is shown while the agent learns (Algorithm 1, line 7), and its schedules."""

from typing import NamedTuple

import tensorflow as tf

from config import AgentConfig
from recommender.ranking import Legal, best_item, scorer
from recommender.softmax_policy import SoftmaxPolicy

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
