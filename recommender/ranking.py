"""Ranking (equation 2): an action scores every candidate by inner product; the best is shown."""

import tensorflow as tf

ILLEGAL = -1e9  # far below any score, yet finite: -inf would turn 0 * -inf into NaN


def mask_scores(scores: tf.Tensor, legal: tf.Tensor) -> tf.Tensor:
    """scores [B, I], legal [B, I] bool -> scores with illegal items far below all others."""
    return tf.where(legal, scores, ILLEGAL)


def best_item(scores: tf.Tensor, legal: tf.Tensor) -> tf.Tensor:
    """The best-scored legal item of each row [B] int32; ties go to the lower id."""
    return tf.argmax(mask_scores(scores, legal), axis=1, output_type=tf.int32)
