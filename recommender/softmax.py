"""The actor's softmax policy over the catalogue: pi(i | s) = exp(a . i) / sum of exp(a . j), j legal.

The losses need two things of it: log-probabilities of a few items, and the mean item. A catalogue of
one block keeps the probabilities [B, I] for the gradient; a larger one is visited block by block,
forwards and backwards, and its probabilities are computed again: memory B x block.
"""

import tensorflow as tf

from recommender.ranking import Block, Legal, one_block, rows, scorer, visit


def softmax_policy(
    action: tf.Tensor, items: tf.Tensor, legal: Legal, ids: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What the losses need of the softmax of the scores of action [B, k] for items [I, k].

    Args:
        legal: block of items -> candidates among them [B, width] bool.
        ids: items [B, P] whose log-probabilities are wanted; those of illegal ones mean nothing.

    Returns:
        log-probabilities [B, P], mean item vector [B, k].
    """
    n_items = items.shape[0]
    if one_block(n_items):
        log_policy = tf.nn.log_softmax(scorer(action, items, legal)(Block(0, 0, n_items)))
        return tf.gather(log_policy, ids, batch_dims=1), tf.matmul(tf.exp(log_policy), items)
    log_total, mean = _blocked(action, items, legal)
    scores = tf.einsum("bk,bpk->bp", action, tf.gather(items, ids))
    return scores - log_total[:, None], mean


def _blocked(action: tf.Tensor, items: tf.Tensor, legal: Legal) -> tuple[tf.Tensor, tf.Tensor]:
    """log of the sum of exp(scores) [B], mean item [B, k]; the gradient visits the blocks again.

    With p the probabilities: d log_total / d action = mean, and for a slope g of the mean
    d (g . mean) / d action = sum over i of p_i (g . i - g . mean) i.
    """

    def pooled(action: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], object]:
        log_total, mean = _pool(action, items, legal)

        def gradient(slope: tf.Tensor, mean_slope: tf.Tensor) -> tf.Tensor:
            offset = slope[:, None] - tf.reduce_sum(mean_slope * mean, axis=1, keepdims=True)

            def part(block: Block) -> tf.Tensor:
                vectors = rows(items, block)
                scores = scorer(action, items, legal)(block)
                weights = tf.matmul(mean_slope, vectors, transpose_b=True) + offset
                return tf.matmul(tf.exp(scores - log_total[:, None]) * weights, vectors)

            return visit(items.shape[0], part, lambda total, block: total + part(block))

        return (log_total, mean), gradient

    return tf.custom_gradient(pooled)(action)


def _pool(action: tf.Tensor, items: tf.Tensor, legal: Legal) -> tuple[tf.Tensor, tf.Tensor]:
    """`_blocked` forwards: sums of exp(score - peak) and of those times the items, rescaled as the
    peak, the largest score so far, rises."""
    score = scorer(action, items, legal)

    def first(block: Block) -> tuple[tf.Tensor, ...]:
        scores = score(block)
        peak = tf.reduce_max(scores, axis=1, keepdims=True)
        weights = tf.exp(scores - peak)
        total = tf.reduce_sum(weights, axis=1, keepdims=True)
        return peak, total, tf.matmul(weights, rows(items, block))

    def merge(so_far: tuple[tf.Tensor, ...], block: Block) -> tuple[tf.Tensor, ...]:
        both = so_far, first(block)
        peak = tf.maximum(both[0][0], both[1][0])
        scales = [tf.exp(part[0] - peak) for part in both]
        total, vectors = (
            sum(scale * part[at] for scale, part in zip(scales, both, strict=True)) for at in (1, 2)
        )
        return peak, total, vectors

    peak, total, vectors = visit(items.shape[0], first, merge)
    return (peak + tf.math.log(total))[:, 0], vectors / total
