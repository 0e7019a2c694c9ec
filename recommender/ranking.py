"""Ranking (equation 2): an action scores every candidate by inner product; the best is shown.

A catalogue is visited a block of items at a time, so that memory is B x block however many items
there are; the result is exact. A catalogue of up to two blocks is one block, without a loop.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

ILLEGAL = -1e9  # far below any score, yet finite: -inf would turn 0 * -inf into NaN
BLOCK = 4096  # items; scores of a batch of 256 take 4 MB, which stays in the processor's cache


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
