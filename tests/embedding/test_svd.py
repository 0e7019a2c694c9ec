"""The SVD embedding against a dense SVD, and what it must not depend on."""

from dataclasses import replace

import numpy as np
import pytest

from embedding.svd import fit_svd


def dense_scaled_positives(ratings):
    matrix = np.zeros((ratings.n_users, ratings.n_items))
    matrix[ratings.users[ratings.positive], ratings.items[ratings.positive]] = 1
    return matrix / np.sqrt(np.maximum(matrix.sum(axis=0), 1))


@pytest.mark.parametrize("k", [6, 40])
def test_factors_equal_a_dense_svd(random_ratings, k):
    ratings = random_ratings()
    table = fit_svd(ratings, k)
    _, singular, right = np.linalg.svd(dense_scaled_positives(ratings), full_matrices=False)
    rank = min(k - 1, len(singular))
    expected = (right[:rank] * singular[:rank, None]).T * np.sqrt(k - 1)
    assert table.items.shape == (ratings.n_items, k) and table.items.dtype == np.float32
    np.testing.assert_allclose(
        table.items[:, :rank] @ table.items[:, :rank].T, expected @ expected.T, atol=1e-4
    )
    assert not table.items[:, rank:-1].any()


def test_last_column_is_standardised_log_popularity(random_ratings):
    ratings = random_ratings()
    counts = np.bincount(ratings.items[ratings.positive], minlength=ratings.n_items)
    column = fit_svd(ratings, 6).items[:, -1]
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
