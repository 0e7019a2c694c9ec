"""Factorisations, the blend and the bandits against dense linear algebra, one user at a time."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from baselines import fit_cache
from baselines.bandits import HLinUCB, LinUCB
from baselines.ensemble import Ensemble
from baselines.factors import MF, SVDpp
from baselines.ials import IALS
from baselines.profile import History, as_matrix


def known_ratings(observation, b):
    """Items and ratings of user b: the start, then the rated answers."""
    items = np.hstack([observation.known_items[b], observation.shown_items[b]])
    ratings = np.hstack([observation.known_ratings[b], observation.shown_ratings[b]])
    rated = (items >= 0) & ~np.isnan(ratings)
    return items[rated], ratings[rated]


def ridge(features, targets, penalties):
    return np.linalg.solve(features.T @ features + np.diag(penalties), features.T @ targets)


def test_mf_folds_in_by_ridge_regression(ratings, answered):
    model = MF(k=3, regularisation=2.0, per_rating=0.5, bias_regularisation=4.0).fit(ratings)
    scores = model.scores(answered, None)
    for b in range(answered.n_users):
        items, values = known_ratings(answered, b)
        features = np.column_stack([model.items[items], np.ones(len(items))])
        strength = 2.0 + 0.5 * len(items)
        targets = values - model.item_bias[items] - model.mean
        solution = ridge(features, targets, np.array([strength] * 3 + [4.0]))
        expected = model.mean + model.item_bias + model.items @ solution[:3]
        np.testing.assert_allclose(scores[b], expected, atol=1e-4)


def test_ials_solves_the_weighted_regression(ratings, answered):
    model = IALS(k=4, alpha=2.0, regularisation=3.0, history=History(refused=-0.5)).fit(ratings)
    vectors = model.model.item_factors.astype(np.float64)
    profile = model.history.profile(answered, 4.0, ratings.n_items).toarray()
    scores = model.scores(answered, None)
    for b in range(answered.n_users):
        confidence = 2.0 * profile[b]
        # In the library a negative weight -c is a dislike with confidence c, and 0 means weight 1.
        weight = np.where(confidence == 0, 1.0, np.abs(confidence))
        gram = (vectors * weight[:, None]).T @ vectors + 3.0 * np.eye(4)
        user = np.linalg.solve(gram, vectors.T @ np.maximum(confidence, 0))
        np.testing.assert_allclose(scores[b], vectors @ user, atol=1e-4)


def svdpp(ratings, **settings):
    model = SVDpp(k=3, regularisation=2.0, per_rating=0.1, bias_regularisation=3.0, **settings)
    return model.fit(ratings)


def svdpp_objective(model: SVDpp, known: csr_matrix):
    """Squared errors plus penalties, halved; every user solved by dense ridge regression."""
    base, bias, total = model.regularisation, model.bias_regularisation, 0.0
    for row in known:
        items, values = row.indices, row.data
        implicit = model.implicit[items].sum(axis=0) / np.sqrt(len(items))
        targets = values - model.mean - model.bias[items] - model.items[items] @ implicit
        features = np.column_stack([model.items[items], np.ones(len(items))])
        strength = base + model.per_rating * len(items)
        penalties = np.array([strength] * 3 + [bias])
        user = ridge(features, targets, penalties)
        total += ((targets - features @ user) ** 2).sum() + penalties @ user**2
        total += model.per_rating * (model.items[items] ** 2).sum()
        total += model.implicit_regularisation * (model.implicit[items] ** 2).sum()
    total += base * (model.items**2).sum() + bias * (model.bias**2).sum()
    return total / 2


def rated_rows(ratings):
    return as_matrix(ratings, ratings.values)[ratings.lengths > 0]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_svdpp_gradient_is_that_of_the_solved_objective(ratings, place):
    model, known = svdpp(ratings, epochs=1), rated_rows(ratings)
    for name in ("items", "implicit", "bias"):
        setattr(model, name, getattr(model, name).astype(np.float64))
    parameter = [model.items, model.implicit, model.bias][place]
    gradient = model._gradients(known, known.shape[0])[place]
    index = (4, 1)[: parameter.ndim]
    step = 1e-4
    parameter[index] += step
    above = svdpp_objective(model, known)
    parameter[index] -= 2 * step
    below = svdpp_objective(model, known)
    assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=2e-3, abs=1e-3)


def test_svdpp_scores_users_by_ratings_and_by_what_they_rated(ratings, answered):
    model = svdpp(ratings, epochs=5)
    scores = model.scores(answered, None)
    for b in range(answered.n_users):
        items, values = known_ratings(answered, b)
        implicit = model.implicit[items].sum(axis=0) / np.sqrt(len(items))
        targets = values - model.mean - model.bias[items] - model.items[items] @ implicit
        features = np.column_stack([model.items[items], np.ones(len(items))])
        user = ridge(features, targets, np.array([2.0 + 0.1 * len(items)] * 3 + [3.0]))
        expected = model.mean + model.bias + model.items @ (user[:3] + implicit)
        np.testing.assert_allclose(scores[b], expected, atol=1e-3)


def test_an_ensemble_is_the_weighted_sum_of_standardised_scores(ratings, answered):
    members = [MF(k=3), IALS(k=4, regularisation=0.1)]
    ensemble = fit_cache.fit(Ensemble(members, weights=(0.5, 0.5)), ratings, None)
    scores = ensemble.scores(answered, None)
    expected = np.zeros_like(scores)
    for member in members:
        own = member.scores(answered, None)
        expected += (own - own.mean(axis=1)[:, None]) / own.std(axis=1)[:, None] / 2
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_linucb_learns_from_all_answers(ratings, answered):
    model = LinUCB(k=3, alpha=0.7, regularisation=2.0).fit(ratings)
    rated = ~np.isnan(answered.shown_ratings)
    items, heard = answered.shown_items[rated], answered.shown_ratings[rated]
    x = model.features[np.concatenate([ratings.items, items])]
    y = np.concatenate([ratings.values, heard]) - model.mean
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(5))
    for item in range(ratings.n_items):
        own = model.features[item]
        expected = own @ inverse @ x.T @ y + 0.7 * np.sqrt(own @ inverse @ own)
        assert model.scores(answered, None)[3, item] == pytest.approx(expected, abs=1e-5)


def test_hlinucb_adds_the_width_of_its_confidence(ratings, answered):
    model = HLinUCB(k=3, alpha=0.5).fit(ratings)
    b, item = 2, 7
    items, values = known_ratings(answered, b)
    features = np.column_stack([model.items, np.ones(ratings.n_items)])
    penalties = np.array([8.0 + 0.02 * len(items)] * 3 + [5.0])
    gram = features[items].T @ features[items] + np.diag(penalties)
    solution = np.linalg.solve(
        gram, features[items].T @ (values - model.item_bias[items] - model.mean)
    )
    width = np.sqrt(features[item] @ np.linalg.solve(gram, features[item]))
    expected = model.mean + model.item_bias[item] + model.items[item] @ solution[:3]
    expected += 0.5 * width
    assert model.scores(answered, None)[b, item] == pytest.approx(expected, abs=1e-4)
