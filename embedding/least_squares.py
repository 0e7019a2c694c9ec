"""Many small ridge regressions at once: the one linear-algebra step of ALS and of fold-in.

Rows of a ratings matrix have very different lengths; `blocks` groups rows of similar length so that
each group is one padded array. Memory is bounded by the block, never users x items.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float32]

BLOCK_ENTRIES = 1 << 16  # padded entries per block: 26 MB of features at k = 100
# The systems are small: threads inside BLAS cost more than they bring, on a busy machine 100 times
# as much, because they wait for each other.
_BLAS = ThreadpoolController()


def blocks(lengths: IntArray, entries: int = BLOCK_ENTRIES) -> Iterator[IntArray]:
    """Yield row ids [B], longest first, so that B x (longest of the block) <= `entries`.

    Empty rows are left out; a single row longer than `entries` is a block of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        size = max(1, entries // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def padded_positions(offsets: IntArray, rows: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Positions [B, n] of the CSR rows' entries, right-padded with 0, and their mask [B, n]."""
    lengths = offsets[rows + 1] - offsets[rows]
    steps = np.arange(int(lengths.max(initial=0)))
    mask = steps < lengths[:, None]
    return np.where(mask, offsets[rows][:, None] + steps, 0), mask


def ridge(features: FloatArray, targets: FloatArray, strength: FloatArray) -> FloatArray:
    """Minimise |t - F x|^2 + s |x|^2 per row: features [B, n, k], targets [B, n] -> [B, k].

    (F'F + s I)^-1 F't, or by the smaller system F'(FF' + s I)^-1 t where n < k. Padding entries
    must be zero in features and targets. strength [B] must be positive.
    """
    n, k = features.shape[1:]
    transposed = features.transpose(0, 2, 1)
    penalty = strength[:, None, None] * np.eye(min(n, k), dtype="f4")
    with _BLAS.limit(limits=1, user_api="blas"):
        if n < k:
            dual = np.linalg.solve(features @ transposed + penalty, targets[..., None])
            return (transposed @ dual)[..., 0]
        gram = transposed @ features + penalty
        return np.linalg.solve(gram, transposed @ targets[..., None])[..., 0]


def ridge_with_bias(
    features: FloatArray,
    targets: FloatArray,
    mask: NDArray[np.bool_],
    strength: FloatArray,
    bias_strength: float | None,
) -> tuple[FloatArray, FloatArray]:
    """`ridge` for a vector and, unless `bias_strength` is None, a constant solved jointly with it.

    features [B, n, k], targets [B, n], mask [B, n] (False: ignored), strength [B]
    -> vectors [B, k], biases [B] (zeros without a bias).
    """
    features = features * mask[..., None]
    targets = targets * mask
    if bias_strength is None:
        return ridge(features, targets, strength), np.zeros(len(features), np.float32)
    # b = c w turns the penalty bias_strength * b^2 into strength * w^2: one common strength.
    constant = np.sqrt(strength / np.float32(bias_strength))
    column = constant[:, None, None] * mask[..., None]
    solution = ridge(np.concatenate([features, column], axis=2), targets, strength)
    return solution[:, :-1], constant * solution[:, -1]
