"""The two embedding networks of the earlier DRR repositories, as one Keras model of pairs.

user-movie: does this user like this movie? movie-genre: does this movie have this genre? Each
side of the pair has an embedding; their inner product goes through Dense(1, sigmoid) and is
trained on pairs that exist (label 1) and as many drawn ones that do not (label 0).
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from data.ratings import Ratings
from embedding.table import EmbeddingTable

INITIAL_SCALE = 0.1  # standard deviation of the first embeddings
REDRAWS = 20  # attempts to replace a drawn pair that exists; a user may like nearly everything


class PairNetwork(keras.Model):
    """P(pair exists) = sigmoid(w left . right + b).

    Args:
        n_left, n_right: number of ids on each side.
        k: size of the embeddings.
        seed: of the initial embeddings.

    Call: pairs, int [B, 2] -> probabilities [B].
    """

    def __init__(self, n_left: int, n_right: int, k: int, seed: int) -> None:
        super().__init__()
        normal = keras.initializers.RandomNormal
        self.left = keras.layers.Embedding(n_left, k, normal(0, INITIAL_SCALE, seed=2 * seed))
        self.right = keras.layers.Embedding(n_right, k, normal(0, INITIAL_SCALE, seed=2 * seed + 1))
        self.output_layer = keras.layers.Dense(1, "sigmoid", kernel_initializer="ones")
        self(tf.zeros([1, 2], tf.int32))

    def call(self, pairs: tf.Tensor) -> tf.Tensor:
        """pairs [B, 2] -> probabilities [B]."""
        product = self.left(pairs[:, 0]) * self.right(pairs[:, 1])  # [B, k]
        return self.output_layer(tf.reduce_sum(product, axis=1, keepdims=True))[:, 0]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The N distinct pairs that exist among n_left x n_right."""

    left: NDArray[np.integer]
    right: NDArray[np.integer]
    n_left: int
    n_right: int

    def batches(
        self, rng: np.random.Generator, size: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Shuffled pairs [S * size, 2], half of them existing, and labels [S * size].

        The last pairs, fewer than a batch, are left out; the next draw shuffles anew.
        """
        left = np.concatenate([self.left, self.left])
        right = np.concatenate([self.right, self._absent(rng)])
        labels = np.repeat(np.array([1, 0], np.float32), len(self.left))
        size = min(size, len(left))
        order = rng.permutation(len(left))[: len(left) // size * size]
        return np.stack([left[order], right[order]], axis=-1).astype(np.int32), labels[order]

    def _absent(self, rng: np.random.Generator) -> NDArray[np.integer]:
        """For each existing pair a right side [N] that its left side does not have."""
        existing = np.sort(self.left.astype(np.int64) * self.n_right + self.right)
        drawn = rng.integers(0, self.n_right, len(self.left))
        wrong = np.arange(len(self.left))
        for _ in range(REDRAWS):
            keys = self.left[wrong].astype(np.int64) * self.n_right + drawn[wrong]
            places = np.minimum(np.searchsorted(existing, keys), len(existing) - 1)
            wrong = wrong[existing[places] == keys]
            drawn[wrong] = rng.integers(0, self.n_right, len(wrong))
        return drawn


def train(
    pairs: Pairs, k: int, epochs: int, batch_size: int, learning_rate: float, seed: int
) -> PairNetwork:
    """A network fitted with Adam."""
    if len(pairs.left) == 0:
        raise ValueError("no pair to learn from: the network needs at least one positive example")
    rng = np.random.default_rng(seed)
    network = PairNetwork(pairs.n_left, pairs.n_right, k, seed)
    network.compile(keras.optimizers.Adam(learning_rate), "binary_crossentropy")
    for _ in range(epochs):
        network.fit(*pairs.batches(rng, batch_size), batch_size, shuffle=False, verbose=0)
    return network


def fit_user_movie(
    ratings: Ratings,
    k: int = 100,
    *,
    epochs: int = 6,
    batch_size: int = 4096,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> EmbeddingTable:
    """Users and movies by who likes what. Users without a positive rating keep no vector (zeros).

    A user's vector holds the weight of the last layer, so that user . item is the logit but for a
    constant.
    """
    liked = ratings.positive
    pairs = Pairs(ratings.users[liked], ratings.items[liked], ratings.n_users, ratings.n_items)
    network = train(pairs, k, epochs, batch_size, learning_rate, seed)
    known = np.bincount(pairs.left, minlength=ratings.n_users) > 0
    weight = network.output_layer.kernel.numpy()[0, 0]
    users = network.left.embeddings.numpy() * weight * known[:, None]
    items = network.right.embeddings.numpy()
    return EmbeddingTable.without_biases("user-movie", ratings, items, users.astype(np.float32))


def fit_movie_genre(
    ratings: Ratings,
    k: int = 100,
    *,
    epochs: int = 30,
    batch_size: int = 512,
    learning_rate: float = 5e-3,
    seed: int = 0,
) -> EmbeddingTable:
    """Movies by their genres alone: what content says without any rating."""
    movies, genres = np.nonzero(ratings.genres)
    pairs = Pairs(movies, genres, ratings.n_items, ratings.genres.shape[1])
    network = train(pairs, k, epochs, batch_size, learning_rate, seed)
    items = network.left.embeddings.numpy()
    return EmbeddingTable.without_biases("movie-genre", ratings, items)
