"""The actor's softmax policy over the catalogue: pi(i | s) = exp(a . i) / sum of exp(a . j), j legal.

The update draws items from it and needs its log-probabilities and expectations; exploration draws the
item to show. A catalogue of one block keeps the scores [B, I]; a larger one is visited block by block,
forwards and backwards, and its scores are computed again: memory B x block.
"""

from functools import cached_property

import numpy as np
import tensorflow as tf

from recommender.ranking import (
    Block,
    Legal,
    Score,
    block_rows,
    is_one_block,
    reduce_blocks,
    scorer,
)

CHUNK = 64  # items whose running sum is one small product with a triangle of ones


class SoftmaxPolicy:
    """The softmax of the scores of actions for B users.

    Args:
        action: [B, k]; divide it by a temperature to sharpen or flatten the policy.
        items: item vectors [I, k].
        legal: block of items -> candidates among them [B, width] bool.
    """

    def __init__(self, action: tf.Tensor, items: tf.Tensor, legal: Legal) -> None:
        self._action, self._items = action, items
        score = scorer(tf.stop_gradient(action), items, legal)
        if is_one_block(items.shape[0]):
            scores = score(Block(0, 0, items.shape[0]))
            self._score: Score = lambda block: scores
        else:
            self._score = score

    def sample(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """`count` items per user, drawn independently: [B, count] int32; no gradient."""

        def start(block: Block) -> tuple[tf.Tensor, tf.Tensor]:
            scores = self._score(block)
            peak = tf.reduce_max(scores, axis=1, keepdims=True)
            drawn, total = draw(
                tf.exp(scores - peak), count, seed + tf.stack([2 * block.number, 0])
            )
            return drawn + block.start, peak[:, 0] + tf.math.log(total)

        def merge(so_far: tuple[tf.Tensor, tf.Tensor], block: Block) -> tuple[tf.Tensor, tf.Tensor]:
            (items, before), (others, here) = so_far, start(block)
            # log(exp(before) + exp(here)), exact too where one of them has no legal item
            total = tf.maximum(before, here) + tf.math.log1p(tf.exp(-tf.abs(here - before)))
            uniform = tf.random.stateless_uniform(
                tf.shape(items), seed + tf.stack([2 * block.number + 1, 0])
            )
            replace = uniform < tf.exp(here - total)[:, None]  # the block's share of all so far
            return tf.where(replace, others, items), total

        return reduce_blocks(self._items.shape[0], start, merge)[0]

    def log_probabilities(self, ids: tf.Tensor) -> tf.Tensor:
        """log pi(i | s) of items ids [B, P]; those of illegal ones mean nothing: [B, P]."""
        scores = tf.einsum("bk,bpk->bp", self._action, tf.gather(self._items, ids))
        return scores - self._pooled[0][:, None]

    def expected(self, direction: tf.Tensor) -> tf.Tensor:
        """Mean of direction . i over the policy, for directions [B, k] without a gradient: [B]."""
        return tf.reduce_sum(direction * self._pooled[1], axis=1)

    def mean_item(self) -> tf.Tensor:
        """The mean item vector under the policy [B, k]."""
        return self._pooled[1]

    @cached_property
    def _pooled(self) -> tuple[tf.Tensor, tf.Tensor]:
        """log of the sum of exp(scores) [B], mean item [B, k]; the gradient visits the blocks again.

        With p the probabilities: d log_total / d action = mean, and for a slope g of the mean
        d (g . mean) / d action = sum over i of p_i (g . i - g . mean) i.
        """
        items, score = self._items, self._score

        def pooled(action: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], object]:
            log_total, mean = _pool(score, items)

            def gradient(slope: tf.Tensor, mean_slope: tf.Tensor) -> tf.Tensor:
                offset = slope[:, None] - tf.reduce_sum(mean_slope * mean, axis=1, keepdims=True)

                def part(block: Block) -> tf.Tensor:
                    vectors = block_rows(items, block)
                    weights = tf.matmul(mean_slope, vectors, transpose_b=True) + offset
                    shares = tf.exp(score(block) - log_total[:, None])
                    return tf.matmul(shares * weights, vectors)

                return reduce_blocks(items.shape[0], part, lambda total, block: total + part(block))

            return (log_total, mean), gradient

        return tf.custom_gradient(pooled)(self._action)


def draw(weights: tf.Tensor, count: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`count` columns of each row, with probabilities proportional to weights [B, W] >= 0.

    Inverse transform: a uniform share of the row's sum is looked up among its running sums. A column
    of weight 0 is never drawn.

    Returns:
        columns [B, count] int32, the rows' sums [B].
    """
    sums = running_sums(weights)
    total = sums[:, -1]
    # a little below the sum, so that rounding cannot carry a share past the last weight above 0
    shares = tf.random.stateless_uniform([tf.shape(weights)[0], count], seed) * (1.0 - 1e-6)
    found = tf.searchsorted(sums, shares * total[:, None], side="right")
    # the sums of two columns may round differently: where that found a weight of 0, the largest
    heaviest = tf.argmax(weights, axis=1, output_type=tf.int32)[:, None]
    empty = tf.gather(weights, found, batch_dims=1) == 0
    return tf.where(empty, heaviest, found), total


def running_sums(weights: tf.Tensor) -> tf.Tensor:
    """Running sums of each row of weights [B, W]: [B, W], non-decreasing.

    A product with a triangle sums up each chunk of 64 columns and is three times as fast as a scan.
    """
    size, width = tf.shape(weights)[0], weights.shape[1]
    chunks = -(-width // CHUNK)
    padded = tf.pad(weights, [(0, 0), (0, chunks * CHUNK - width)])
    triangle = tf.constant(np.triu(np.ones([CHUNK, CHUNK], np.float32)))
    within = tf.reshape(tf.matmul(tf.reshape(padded, [-1, CHUNK]), triangle), [size, chunks, CHUNK])
    before = tf.cumsum(within[:, :, -1], axis=1, exclusive=True)
    return tf.reshape(within + before[:, :, None], [size, chunks * CHUNK])[:, :width]


def _pool(score: Score, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`_pooled` forwards: sums of exp(score - peak) and of those times the items, rescaled as the
    peak, the largest score so far, rises."""

    def start(block: Block) -> tuple[tf.Tensor, ...]:
        scores = score(block)
        peak = tf.reduce_max(scores, axis=1, keepdims=True)
        weights = tf.exp(scores - peak)
        total = tf.reduce_sum(weights, axis=1, keepdims=True)
        return peak, total, tf.matmul(weights, block_rows(items, block))

    def merge(so_far: tuple[tf.Tensor, ...], block: Block) -> tuple[tf.Tensor, ...]:
        both = so_far, start(block)
        peak = tf.maximum(both[0][0], both[1][0])
        scales = [tf.exp(part[0] - peak) for part in both]
        total, vectors = (
            sum(scale * part[at] for scale, part in zip(scales, both, strict=True)) for at in (1, 2)
        )
        return peak, total, vectors

    peak, total, vectors = reduce_blocks(items.shape[0], start, merge)
    return (peak + tf.math.log(total))[:, 0], vectors / total
