"""PureSVD: projection on the leading right singular vectors (Cremonesi et al., 2010)."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from baselines.history import PLAIN, History
from baselines.item_item import ItemItem
from evaluation.policy import FloatArray


class PureSVD(ItemItem):
    """scores = profile @ V V^T, V [I, k] from the SVD of the training matrix.

    Columns are divided by count^`damping` before the SVD, so that popular items do not take all
    directions; scores are multiplied back. 0 is the published method.
    """

    name = "pure-svd"

    def __init__(
        self,
        *,
        k: int = 50,
        damping: float = 0.0,
        values: str = "positives",
        history: History = PLAIN,
    ) -> None:
        super().__init__(values=values, history=history)
        self.k = k
        self.damping = damping

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem."""
        counts = np.maximum(matrix.getnnz(axis=0), 1)
        scale = (counts**-self.damping).astype(np.float32)
        vectors = right_vectors(matrix.multiply(scale).tocsr(), self.k)  # [I, k]
        return np.asarray(scale[:, None] * vectors @ vectors.T / scale, np.float32)


def right_vectors(matrix: csr_matrix, k: int) -> FloatArray:
    """The k leading right singular vectors [I, k], fewer of a smaller matrix; deterministic."""
    k = min(k, min(matrix.shape) - 1)
    start = np.full(min(matrix.shape), 1.0)
    right = svds(matrix.astype(np.float64), k=k, v0=start, return_singular_vectors="vh")[2]
    return np.asarray(right.T)
