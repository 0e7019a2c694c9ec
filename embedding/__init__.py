"""Embeddings of items (and users), each fitted on nothing but the ratings it is given.

`fit` is the way in. TensorFlow is imported only for the kinds that are Keras networks.
"""

import numpy as np

from config import EmbeddingConfig
from data.ratings import Ratings
from embedding.factorise import (
    fit_blend,
    fit_pmf,
    fit_svd,
    fit_with_genres,
    with_similar_items,
)
from embedding.table import EmbeddingError, EmbeddingTable

__all__ = ["EmbeddingError", "EmbeddingTable", "fit"]


def fit(config: EmbeddingConfig, ratings: Ratings, seed: int) -> EmbeddingTable:
    """The embedding that `config` describes, of the users who have ratings and of all items.

    Equal seeds give equal tables, bit for bit; "svd" has no randomness at all.
    """
    table = _vectors(config, ratings, seed)
    return with_similar_items(table, ratings) if config.similar_items else table


def _vectors(config: EmbeddingConfig, ratings: Ratings, seed: int) -> EmbeddingTable:
    if config.kind == "svd":
        return fit_svd(ratings, config.k)
    if config.kind == "pmf":
        return fit_pmf(ratings, config.k, seed=seed)
    if config.kind == "mf":
        return fit_blend(ratings, config.k, config.members, seed)
    if config.kind == "mf-genres":
        return fit_with_genres(ratings, config.k, seed)
    if config.kind == "random":
        # A control: of unit length in expectation.
        rng, size = np.random.default_rng(seed), (ratings.n_items, config.k)
        items = rng.normal(0, config.k**-0.5, size).astype(np.float32)
        return EmbeddingTable.without_biases("random", ratings, items)
    from embedding.pair_network import fit_movie_genre, fit_user_movie  # deferred: TensorFlow

    fit_network = fit_user_movie if config.kind == "user-movie" else fit_movie_genre
    return fit_network(ratings, config.k, seed=seed)
