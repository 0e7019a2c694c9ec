"""Exploration: which item is shown while the agent learns (Algorithm 1, line 7), and its schedules."""

from typing import NamedTuple

import tensorflow as tf

from config import AgentConfig
from recommender.ranking import best_item, mask_scores


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


def gumbel(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Standard Gumbel noise: adding it to logits makes the arg max a sample of their softmax."""
    uniform = tf.random.stateless_uniform(shape, seed, minval=1e-7, maxval=1.0)
    return -tf.math.log(-tf.math.log(uniform))


def explore_gumbel(
    action: tf.Tensor, items: tf.Tensor, legal: tf.Tensor, noise: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A draw from softmax(scores / noise): action [E, k], items [I, k] -> action, item [E]."""
    scores = tf.matmul(action, items, transpose_b=True)
    noisy = scores + noise * gumbel(tf.shape(scores), seed)
    return action, best_item(noisy, legal)


def explore_epsilon_gaussian(
    action: tf.Tensor,
    items: tf.Tensor,
    legal: tf.Tensor,
    noise: tf.Tensor,
    epsilon: tf.Tensor,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gaussian noise on the action; with probability epsilon a random legal item instead.

    Returns:
        the noisy action [E, k] and the item [E].
    """
    action = action + noise * tf.random.stateless_normal(tf.shape(action), seed)
    chosen = best_item(tf.matmul(action, items, transpose_b=True), legal)
    dice = tf.random.stateless_uniform(tf.shape(legal), seed + [0, 1])
    anything = tf.argmax(mask_scores(dice, legal), axis=1, output_type=tf.int32)
    gamble = tf.random.stateless_uniform(tf.shape(chosen), seed + [0, 2]) < epsilon
    return action, tf.where(gamble, anything, chosen)
