"""The pair networks: they learn structure, repeat bit for bit, and see nothing but their pairs."""

import numpy as np
import pytest

from data.ratings import Ratings
from embedding.pair_network import PairNetwork, Pairs, fit_movie_genre, fit_user_movie

pytestmark = pytest.mark.slow  # networks are trained

GROUPS = 3


def grouped(n_users=30, n_items=30, lonely=True):
    """Everybody rates half the catalogue: 5 for items of the own group (id mod 3), 1 for others.

    The last user rates nothing.
    """
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((n_users - lonely, n_items)) < 0.5)
    stars = np.where(users % GROUPS == items % GROUPS, 5, 1)
    genres = np.eye(GROUPS, dtype=bool)[np.arange(n_items) % GROUPS]
    return Ratings.from_events(
        "grouped", users, items, stars, np.arange(len(users)),
        user_ids=np.arange(n_users), item_ids=np.arange(n_items),
        genres=genres, genre_names=("a", "b", "c"),
    )  # fmt: skip


def same_group_is_closer(vectors):
    """Share of items whose most similar other item (cosine) is of the same group."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = similarity.argmax(axis=1)
    return np.mean(nearest % GROUPS == np.arange(len(vectors)) % GROUPS)


def test_network_is_built_and_computes_what_it_says():
    network = PairNetwork(4, 5, k=3, seed=1)
    left, right, kernel, bias = (variable.numpy() for variable in network.trainable_variables)
    assert left.shape == (4, 3) and right.shape == (5, 3)
    probability = network(np.array([[2, 4], [0, 1]])).numpy()
    for value, (a, b) in zip(probability, [(2, 4), (0, 1)], strict=True):
        logit = kernel[0, 0] * (left[a] @ right[b]) + bias[0]
        assert value == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_batches_are_balanced_and_drawn_pairs_do_not_exist():
    pairs = Pairs(np.array([0, 0, 1, 2]), np.array([1, 2, 0, 2]), n_left=3, n_right=3)
    batches, labels = pairs.batches(np.random.default_rng(0), size=4)
    assert batches.shape == (8, 2) and labels.shape == (8,) and labels.sum() == 4
    existing = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    for pair, label in zip(batches.tolist(), labels, strict=True):
        assert (tuple(pair) in existing) == bool(label)


@pytest.mark.parametrize("fit", [fit_user_movie, fit_movie_genre])
def test_similar_movies_get_similar_vectors(fit):
    table = fit(grouped(), 8, epochs=25, batch_size=32, learning_rate=0.02)
    assert table.items.shape == (30, 8) and table.items.dtype == np.float32
    assert same_group_is_closer(table.items) > 0.9


def test_equal_seeds_give_equal_bits():
    first, again, other = (fit_movie_genre(grouped(), 8, epochs=3, seed=seed) for seed in (3, 3, 4))
    assert first.items.tobytes() == again.items.tobytes() != other.items.tobytes()


def test_rows_that_are_not_given_change_nothing(flipped):
    ratings, kept = grouped(), np.delete(np.arange(30), 7)
    parts = (data.of_users(kept) for data in (ratings, flipped(ratings, 7)))
    first, again = (fit_user_movie(part, 8, epochs=2) for part in parts)
    assert first.items.tobytes() == again.items.tobytes()
    assert first.users.tobytes() == again.users.tobytes() and not first.users[7].any()
