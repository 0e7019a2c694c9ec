"""Exploration: which item is shown while the agent learns (Algorithm 1, line 7), and its schedules."""

from typing import NamedTuple

import tensorflow as tf

from config import AgentConfig
from recommender.ranking import Block, Legal, Score, best_item, mask_scores, rows, scorer


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


def gumbel_scorer(
    action: tf.Tensor, items: tf.Tensor, legal: Legal, noise: tf.Tensor | float, seed: tf.Tensor
) -> Score:
    """`scorer` under Gumbel noise: the k best are k draws from softmax(scores / noise)."""

    def score(block: Block) -> tf.Tensor:
        scores = tf.matmul(action, rows(items, block), transpose_b=True)
        drawn = gumbel(tf.shape(scores), seed + tf.stack([block.number, 0]))
        return mask_scores(scores + noise * drawn, legal(block))

    return score


def uniform_scorer(size: tf.Tensor, legal: Legal, seed: tf.Tensor) -> Score:
    """Random scores for `size` users: the best is any legal item, all equally likely."""

    def score(block: Block) -> tf.Tensor:
        seed_here = seed + tf.stack([block.number, 0])
        return mask_scores(
            tf.random.stateless_uniform([size, block.width], seed_here), legal(block)
        )

    return score


def explore(
    kind: str,
    action: tf.Tensor,
    items: tf.Tensor,
    legal: Legal,
    exploration: Exploration,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The item to show: the best under noise, or with probability epsilon a random choice.

    "gumbel" adds noise to the scores, which draws from softmax(scores / noise), and gambles on any
    legal item. "gaussian" explores in the space of actions: noise on the vector, and a gamble is a
    uniform random vector, so that the action returned always is the one that chose the item.

    Args:
        kind: "gumbel" or "gaussian".
        action: pi(s) [E, k].
        items: item vectors [I, k].
        legal: block of items -> candidates among them [E, width] bool.
        exploration: the scalars noise and epsilon.
        seed: [2] int32; the same seed draws the same.

    Returns:
        the action that was played [E, k], the item [E] int32.
    """
    size, n_items = tf.shape(action)[0], items.shape[0]
    gamble = tf.random.stateless_uniform([size], seed + [0, 2]) < exploration.epsilon
    if kind == "gaussian":
        noisy = action + exploration.noise * tf.random.stateless_normal(tf.shape(action), seed)
        anything = tf.random.stateless_uniform(tf.shape(action), seed + [0, 1], -1.0, 1.0)
        action = tf.where(gamble[:, None], anything, noisy)
        return action, best_item(scorer(action, items, legal), n_items)
    chosen = best_item(gumbel_scorer(action, items, legal, exploration.noise, seed), n_items)
    anything = best_item(uniform_scorer(size, legal, seed + [0, 1]), n_items)
    return action, tf.where(gamble, anything, chosen)
