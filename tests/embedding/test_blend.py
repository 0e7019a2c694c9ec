"""Factorisations side by side: one inner product is the mean of their predictions."""

import numpy as np
import pytest

from embedding.als import fit_mf
from embedding.blend import fit_blend
from embedding.table import EmbeddingTable

K, MEMBERS = 11, 2  # five components each, one of them the item bias, and one left over


@pytest.fixture(scope="module")
def ratings(random_ratings):
    return random_ratings()


@pytest.fixture(scope="module")
def blend(ratings):
    return fit_blend(ratings, K, MEMBERS, seed=3)


@pytest.fixture(scope="module")
def members(ratings):
    return [fit_mf(ratings, 4, seed=3 + number) for number in range(MEMBERS)]


def test_a_score_is_the_mean_prediction_less_the_users_level(ratings, blend, members):
    users = blend.fold_in_rows(ratings.offsets, ratings.items, ratings.values)
    known = ratings.lengths > 0  # who has no ratings has no level either
    predicted = np.mean(
        [t.users @ t.items.T + t.item_bias for t in members], axis=0, dtype=np.float64
    )
    np.testing.assert_allclose(users[known] @ blend.items.T, predicted[known], atol=2e-3)
    assert blend.items.shape == (ratings.n_items, K)
    assert not blend.items[:, -1].any()


def test_members_differ(blend):
    first, second = blend.items[:, :4], blend.items[:, 5:9]
    assert not np.allclose(first, second, rtol=0.1, atol=0)


def test_somebody_unknown_is_offered_the_item_biases(blend, members):
    nobody = blend.fold_in(np.full((1, 3), -1), np.zeros((1, 3)))
    expected = np.mean([table.item_bias for table in members], axis=0)
    np.testing.assert_allclose((nobody @ blend.items.T)[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["blend", "mf"])
def test_rows_of_any_length_are_solved_like_padded_histories(ratings, blend, members, kind):
    table = blend if kind == "blend" else members[0]
    rows = table.fold_in_rows(ratings.offsets, ratings.items, ratings.values)
    for user in (0, 7, ratings.n_users - 1):  # the last has no rating
        row = ratings.row(user)
        alone = table.fold_in(ratings.items[row][None], ratings.values[row][None])
        np.testing.assert_allclose(rows[user], alone[0], atol=1e-4)


def test_a_saved_blend_solves_users_as_before(ratings, blend, tmp_path):
    blend.save(tmp_path / "embedding.weights.h5")
    loaded = EmbeddingTable.load(tmp_path / "embedding.weights.h5")
    assert loaded.members == MEMBERS
    row = (ratings.offsets, ratings.items, ratings.values)
    np.testing.assert_array_equal(loaded.fold_in_rows(*row), blend.fold_in_rows(*row))
