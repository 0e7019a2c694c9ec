"""Batched ridge, ALS and blends against small explicit linear systems."""

import numpy as np
import pytest

from embedding.factorise import fit_blend, fit_mf, fit_pmf


def solve_user(table, ratings, user):
    """One user's vector and bias from the normal equations, in float64."""
    row = ratings.row(user)
    items, n = ratings.items[row], len(ratings.items[row])
    design = np.hstack([table.items[items], np.ones((n, 1))]).astype(np.float64)
    target = ratings.values[row] - table.mean - table.item_bias[items]
    strength = np.full(table.k + 1, table.regularisation + table.per_rating * n)
    strength[-1] = table.bias_regularisation
    solution = np.linalg.solve(design.T @ design + np.diag(strength), design.T @ target)
    return solution[:-1], solution[-1]


def test_users_solve_their_normal_equations(random_ratings):
    ratings = random_ratings()
    table = fit_mf(ratings, 4, regularisation=0.7, per_rating=0.05, bias_regularisation=2, sweeps=3)
    for user in range(ratings.n_users - 1):
        vector, bias = solve_user(table, ratings, user)
        np.testing.assert_allclose(table.users[user], vector, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(table.user_bias[user], bias, rtol=1e-3, atol=1e-4)
    assert not table.users[-1].any() and not table.items[-1].any()


def predicted(table, ratings):
    return table.predict(ratings.users, ratings.items[:, None])[:, 0]


def objective(table, ratings):
    """What ALS minimises: squared error plus penalties, summed."""
    total = np.square(ratings.values - predicted(table, ratings), dtype=np.float64).sum()
    counts = np.bincount(ratings.items, minlength=ratings.n_items)
    for vectors, n in ((table.users, ratings.lengths), (table.items, counts)):
        strength = table.regularisation + table.per_rating * n
        total += strength @ np.square(vectors, dtype=np.float64).sum(axis=1)
    if table.user_bias is not None:
        for bias in (table.user_bias, table.item_bias):
            total += table.bias_regularisation * np.square(bias, dtype=np.float64).sum()
    return total


@pytest.mark.parametrize("fit", [fit_pmf, fit_mf])
def test_objective_falls_with_every_sweep(random_ratings, fit):
    ratings = random_ratings()
    values = [
        objective(fit(ratings, 4, regularisation=0.5, per_rating=0.01, sweeps=sweeps), ratings)
        for sweeps in (1, 2, 4, 8)
    ]
    assert values == sorted(values, reverse=True) and values[-1] < values[0]


@pytest.mark.parametrize("fit", [fit_pmf, fit_mf])
def test_only_the_given_ratings_matter(random_ratings, flipped, fit):
    """Replacing the rows of a user who is not fitted on changes no bit of the table."""
    ratings = random_ratings()
    other = flipped(ratings, 5)
    kept = np.delete(np.arange(ratings.n_users), 5)
    first, again = (fit(part.of_users(kept), 3, sweeps=2) for part in (ratings, other))
    assert first.items.tobytes() == again.items.tobytes() and not first.users[5].any()
    assert fit(other, 3, sweeps=2).items.tobytes() != first.items.tobytes()


# --- several factorisations side by side ---------------------------------------------------------

MEMBERS = 2  # of k = 11: five components each, one of them the item bias, and one left over


@pytest.fixture(scope="module")
def blend(random_ratings):
    return fit_blend(random_ratings(), 11, MEMBERS, seed=3)


@pytest.fixture(scope="module")
def members(random_ratings):
    return [fit_mf(random_ratings(), 4, seed=3 + number) for number in range(MEMBERS)]


def test_a_score_is_the_mean_prediction_less_the_users_level(random_ratings, blend, members):
    ratings = random_ratings()
    users = blend.fold_in_rows(ratings.offsets, ratings.items, ratings.values)
    known = ratings.lengths > 0  # who has no ratings has no level either
    mean = np.mean([t.users @ t.items.T + t.item_bias for t in members], axis=0, dtype=np.float64)
    np.testing.assert_allclose(users[known] @ blend.items.T, mean[known], atol=2e-3)
    assert blend.items.shape == (ratings.n_items, 11) and not blend.items[:, -1].any()
    assert not np.allclose(blend.items[:, :4], blend.items[:, 5:9], rtol=0.1, atol=0)


@pytest.mark.parametrize("kind", ["blend", "mf"])
def test_rows_of_any_length_are_solved_like_padded_histories(random_ratings, blend, members, kind):
    ratings, table = random_ratings(), blend if kind == "blend" else members[0]
    rows = table.fold_in_rows(ratings.offsets, ratings.items, ratings.values)
    for user in (0, 7, ratings.n_users - 1):  # the last has no rating
        row = ratings.row(user)
        alone = table.fold_in(ratings.items[row][None], ratings.values[row][None])
        np.testing.assert_allclose(rows[user], alone[0], atol=1e-4)
