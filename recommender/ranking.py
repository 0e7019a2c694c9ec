"""Ranking (equation 2): an action scores every candidate by inner product; the best is shown.

While the agent learns, items are drawn from the softmax of the scores instead:
pi(i | s) = exp(a . i) / sum of exp(a . j), j legal.

A catalogue is visited a block of items at a time, forwards and for gradients backwards, so that memory
is B x block however many items there are; the result is exact. A catalogue of up to two blocks is one
block, without a loop.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

ILLEGAL = -1e9  # far below any score, yet finite: -inf would turn 0 * -inf into NaN
BLOCK = 4096  # items; scores of a batch of 256 take 4 MB, which stays in the processor's cache
CHUNK = 64  # items whose running sum is one small product with a triangle of ones


class Block(NamedTuple):
    """The items start .. start + width - 1; `number` counts the blocks."""

    number: int | tf.Tensor
    start: int | tf.Tensor
    width: int


Score = Callable[[Block], tf.Tensor]  # the scores of a block's items [B, width]
Legal = Callable[[Block], tf.Tensor]  # which of them may be shown [B, width] bool


def is_one_block(n_items: int) -> bool:
    """Whether a catalogue of I items is a single block."""
    return n_items < 2 * BLOCK


def reduce_blocks(
    n_items: int, start: Callable[[Block], Any], following: Callable[[Any, Block], Any]
) -> Any:
    """result = start(block), then result = following(result, block) for every other block.

    The first block takes the remainder of the division, so every shape is fixed.
    """
    others = 0 if is_one_block(n_items) else n_items // BLOCK - 1
    width = n_items - others * BLOCK
    result = start(Block(0, 0, width))
    if others == 0:
        return result

    def body(number: tf.Tensor, result: Any) -> tuple[tf.Tensor, Any]:
        block = Block(number, width + (number - 1) * BLOCK, BLOCK)
        return number + 1, following(result, block)

    state = (tf.constant(1), result)
    # one at a time: else several blocks are in memory at once
    return tf.while_loop(lambda n, _: n <= others, body, state, parallel_iterations=1)[1]


def block_rows(items: tf.Tensor, block: Block) -> tf.Tensor:
    """The block's part of item vectors [I, k]: [width, k]."""
    whole = block.width == items.shape[0]
    return items if whole else tf.slice(items, [block.start, 0], [block.width, items.shape[1]])


def scorer(action: tf.Tensor, items: tf.Tensor, legal: Legal) -> Score:
    """Scores of action [B, k] for item vectors [I, k], illegal items far below all others."""
    return lambda block: mask_scores(
        tf.matmul(action, block_rows(items, block), transpose_b=True), legal(block)
    )


def mask_scores(scores: tf.Tensor, legal: tf.Tensor) -> tf.Tensor:
    """scores [B, I], legal [B, I] bool -> scores with illegal items far below all others."""
    return tf.where(legal, scores, ILLEGAL)


def best_item(score: Score, n_items: int) -> tf.Tensor:
    """The best-scored item of each row [B] int32; ties go to the lower id."""

    def best(block: Block) -> tuple[tf.Tensor, tf.Tensor]:
        scores = score(block)
        columns = tf.argmax(scores, axis=1, output_type=tf.int32)
        return columns + block.start, tf.reduce_max(scores, axis=1)

    def better(so_far: tuple[tf.Tensor, tf.Tensor], block: Block) -> tuple[tf.Tensor, tf.Tensor]:
        (items, scores), (others, theirs) = so_far, best(block)
        return tf.where(theirs > scores, others, items), tf.maximum(scores, theirs)

    return reduce_blocks(n_items, best, better)[0]


class SoftmaxPolicy:
    """The softmax of the scores of actions for B users.

    Args:
        action: [B, k]; divide it by a temperature to sharpen or flatten the policy.
        items: item vectors [I, k].
        legal: block of items -> candidates among them [B, width] bool.
    """

    def __init__(self, action: tf.Tensor, items: tf.Tensor, legal: Legal) -> None:
        self._action, self._items = action, items
        self._score = scorer(tf.stop_gradient(action), items, legal)
        if is_one_block(items.shape[0]):
            scores = self._score(Block(0, 0, items.shape[0]))
            self._score = lambda block: scores

    def sample(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """`count` items per user, drawn independently: [B, count] int32; no gradient."""

        def start(block: Block) -> tuple[tf.Tensor, tf.Tensor]:
            scores = self._score(block)
            peak = tf.reduce_max(scores, axis=1, keepdims=True)
            weights = tf.exp(scores - peak)
            drawn, total = draw(weights, count, seed + tf.stack([2 * block.number, 0]))
            return drawn + block.start, peak[:, 0] + tf.math.log(total)

        def merge(so_far: tuple[tf.Tensor, tf.Tensor], block: Block) -> tuple[tf.Tensor, tf.Tensor]:
            (items, before), (others, here) = so_far, start(block)
            # log(exp(before) + exp(here)), exact too where one of them has no legal item
            total = tf.maximum(before, here) + tf.math.log1p(tf.exp(-tf.abs(here - before)))
            next_seed = seed + tf.stack([2 * block.number + 1, 0])
            uniform = tf.random.stateless_uniform(tf.shape(items), next_seed)
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
