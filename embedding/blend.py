"""Several factorisations side by side, as one embedding: their mean rating is one inner product.

Item i is [v_1, b_1, v_2, b_2, ...] / sqrt(m) and user u is [u_1, 1, u_2, 1, ...] / sqrt(m) for m
members with vectors v_j, u_j and item biases b_j, so that u . i is the mean over the members of
b_j + u_j . v_j: what a blend predicts, less the user's own level, which orders nothing. With one
member it is the factorisation itself, its item bias among the components.
"""

import numpy as np

from data.ratings import Ratings
from embedding.als import fit_mf
from embedding.table import EmbeddingTable, beside


def fit_blend(ratings: Ratings, k: int, members: int, seed: int = 0) -> EmbeddingTable:
    """`members` bias + ALS factorisations with seeds of their own; k components in all.

    Each has int(k / members) components, one of them its item bias; zeros fill up to k.
    """
    size = k // members - 1
    tables = [fit_mf(ratings, size, seed=seed + number) for number in range(members)]
    first = tables[0]
    items = beside([(table.items, table.item_bias) for table in tables])
    return EmbeddingTable(
        kind="mf",
        items=np.pad(items, [(0, 0), (0, k - items.shape[1])]),
        users=None,
        item_bias=np.zeros(first.n_items, np.float32),
        user_bias=None,
        mean=first.mean,
        regularisation=first.regularisation,
        per_rating=first.per_rating,
        bias_regularisation=first.bias_regularisation,
        members=members,
    )
