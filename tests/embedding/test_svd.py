"""The SVD embedding against a dense SVD, and what it must not depend on."""

from dataclasses import replace

import numpy as np
import pytest

from embedding import factorise
from embedding.factorise import DAMPING, SHRINK, coordinates, fit_svd, with_similar_items
from embedding.table import EmbeddingTable


def dense(ratings, damping):
    """S and Q' of the positives, whose columns are divided by count^damping."""
    matrix = np.zeros((ratings.n_users, ratings.n_items))
    matrix[ratings.users[ratings.positive], ratings.items[ratings.positive]] = 1
    counts = np.maximum(matrix.sum(axis=0), 1)
    return np.linalg.svd(matrix / counts**damping, full_matrices=False)[1:]


@pytest.mark.parametrize("k", [6, 40])
def test_items_are_the_leading_singular_vectors_and_users_sums_of_them(random_ratings, k):
    ratings = random_ratings()
    table, (singular, right) = fit_svd(ratings, k), dense(ratings, DAMPING)
    rank = min(k, len(singular))
    expected = right[:rank].T * np.sqrt(ratings.n_items / k)
    assert table.items.shape == (ratings.n_items, k) and table.items.dtype == np.float32
    np.testing.assert_allclose(table.items @ table.items.T, expected @ expected.T, atol=1e-3)
    gains = np.zeros((ratings.n_users, ratings.n_items))
    gains[ratings.users, ratings.items] = (ratings.values - 3) / 2 + 0.5
    sums = gains @ table.items
    spread = np.sqrt(np.mean(sums[ratings.lengths > 0] ** 2))
    np.testing.assert_allclose(table.users, sums / spread, atol=1e-4)


def test_similar_items_are_the_others_weighted_by_likeness(random_ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(factorise, "BLOCK", 7)  # several blocks, the last one short
    ratings = random_ratings()
    table = with_similar_items(fit_svd(ratings, 6), ratings)
    liked = np.zeros((ratings.n_users, ratings.n_items))
    liked[ratings.users[ratings.positive], ratings.items[ratings.positive]] = 1
    both, norms = liked.T @ liked, np.sqrt(liked.sum(axis=0))
    expected = np.zeros(table.items.shape)
    for item in range(ratings.n_items):
        for other in set(range(ratings.n_items)) - {item}:
            weight = both[item, other] / (norms[item] * norms[other] + SHRINK)
            expected[item] += weight * table.items[other]
    expected *= np.sqrt(np.mean(table.items**2) / np.mean(expected**2))
    np.testing.assert_allclose(table.similar, expected, atol=1e-4)
    table.save(tmp_path / "table.weights.h5")
    again = EmbeddingTable.load(tmp_path / "table.weights.h5")
    np.testing.assert_array_equal(again.similar, table.similar)


@pytest.mark.parametrize("k", [6, 40])
def test_coordinates_are_scaled_factors_and_log_popularity(random_ratings, k):
    ratings = random_ratings()
    found, (singular, right) = coordinates(ratings, k), dense(ratings, 0.5)
    rank = min(k - 1, len(singular))
    expected = (right[:rank] * singular[:rank, None]).T * np.sqrt(k - 1)
    factors, column = found[:, :-1], found[:, -1]
    np.testing.assert_allclose(factors @ factors.T, expected @ expected.T, atol=1e-4)
    counts = np.bincount(ratings.items[ratings.positive], minlength=ratings.n_items)
    assert column.mean() == pytest.approx(0, abs=1e-6) and column.std() == pytest.approx(1)
    np.testing.assert_array_equal(
        np.argsort(column, kind="stable"), np.argsort(counts, kind="stable")
    )


def test_only_positives_of_the_given_users_matter(random_ratings, flipped):
    ratings = random_ratings()
    other = flipped(ratings, 5)
    lower = replace(other, values=np.where(other.values == 2, 1, other.values))
    kept = np.delete(np.arange(ratings.n_users), 5)
    first, again = (fit_svd(part.of_users(kept), 5) for part in (ratings, lower))
    assert first.items.tobytes() == again.items.tobytes()
    assert fit_svd(other, 5).items.tobytes() != first.items.tobytes()
