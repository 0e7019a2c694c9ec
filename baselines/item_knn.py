"""ItemKNN: cosine similarity between the columns of the training matrix (Sarwar et al., 2001)."""

import numpy as np
from scipy.sparse import csr_matrix

from baselines.history import PLAIN, History
from baselines.item_item import ItemItem
from evaluation.policy import FloatArray


class ItemKNN(ItemItem):
    """Similarity x_i . x_j / (|x_i| |x_j| + shrink), zero on the diagonal.

    `neighbours` keeps only the largest similarities of each known item (None: all).
    """

    name = "item-knn"

    def __init__(
        self,
        *,
        shrink: float = 100.0,
        neighbours: int | None = None,
        values: str = "positives",
        history: History = PLAIN,
    ) -> None:
        super().__init__(values=values, history=history)
        self.shrink = shrink
        self.neighbours = neighbours

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem."""
        gram = (matrix.T @ matrix).toarray()  # [I, I]
        norms = np.sqrt(gram.diagonal())
        similarity = gram / np.maximum(np.outer(norms, norms) + self.shrink, 1e-12)
        np.fill_diagonal(similarity, 0.0)
        if self.neighbours is not None and self.neighbours < len(similarity):
            cut = -np.partition(-similarity, self.neighbours - 1, axis=1)[:, self.neighbours - 1]
            similarity[similarity < cut[:, None]] = 0.0
        return np.asarray(similarity, np.float32)
