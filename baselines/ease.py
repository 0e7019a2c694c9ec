"""EASE: a linear autoencoder in closed form (Steck, 2019)."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from baselines.history import PLAIN, History
from baselines.item_item import ItemItem
from evaluation.policy import FloatArray


class EASE(ItemItem):
    """Weights B minimising |X - X B|^2 + regularisation |B|^2 with a zero diagonal.

    With P = (X^T X + regularisation I)^-1: B_ij = -P_ij / P_jj off the diagonal.
    """

    name = "ease"

    def __init__(
        self,
        *,
        regularisation: float = 20_000.0,
        values: str = "positives",
        history: History = PLAIN,
    ) -> None:
        super().__init__(values=values, history=history)
        self.regularisation = regularisation

    def item_weights(self, matrix: csr_matrix) -> FloatArray:
        """See ItemItem. float64 throughout: the inverse loses half the digits."""
        gram = (matrix.T @ matrix).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.regularisation
        inverse = cho_solve(cho_factor(gram, lower=True), np.eye(len(gram)), overwrite_b=True)
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0.0)
        return np.asarray(weights, np.float32)
