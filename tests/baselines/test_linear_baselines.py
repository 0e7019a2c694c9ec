"""Item-item and user-user baselines against loops that are obviously right."""

from dataclasses import replace

import numpy as np
import pytest

from baselines.item_based import EASE, ItemKNN, PureSVD, Ridge
from baselines.popularity import (
    WEEK,
    Popularity,
    PopularityByGroup,
    PopularityMean,
    Trending,
)
from baselines.profile import History
from baselines.user_knn import UserKNN


def dense_positives(ratings):
    dense = np.zeros((ratings.n_users, ratings.n_items))
    dense[ratings.users, ratings.items] = ratings.values >= 4
    return dense


def dense_gains(ratings):
    """Reward + .5 where rated."""
    dense = np.zeros((ratings.n_users, ratings.n_items))
    dense[ratings.users, ratings.items] = (ratings.values - 3) / 2 + 0.5
    return dense


def dense_profile(observation, history):
    profile = np.zeros((observation.n_users, 25))
    for b in range(observation.n_users):
        known = observation.known_items[b] >= 0
        items, ratings = observation.known_items[b][known], observation.known_ratings[b][known]
        for age, item, rating in zip(range(len(items))[::-1], items, ratings, strict=True):
            weight = 1.0 if rating >= 4 else history.other
            profile[b, item] += weight * history.decay**age
        for item, rating in zip(
            observation.shown_items[b], observation.shown_ratings[b], strict=True
        ):
            if np.isnan(rating):
                profile[b, item] += history.refused
            else:
                profile[b, item] += 1.0 if rating >= 4 else history.other
    return profile


HISTORY = History(other=-0.25, refused=-0.5, decay=0.9)


def test_popularity_counts_positives(ratings, new_users):
    scores = Popularity().fit(ratings).scores(new_users, None)
    np.testing.assert_array_equal(scores[3], dense_positives(ratings).sum(axis=0))


def test_popularity_mean_shrinks_to_the_global_mean(ratings, new_users):
    scores = PopularityMean(shrink=10).fit(ratings).scores(new_users, None)[0]
    mean = ratings.values.mean()
    for item in range(ratings.n_items):
        given = ratings.values[ratings.items == item]
        assert scores[item] == pytest.approx((given.sum() + 10 * mean) / (len(given) + 10), 1e-6)


def test_popularity_by_group_is_naive_bayes(ratings, new_users):
    scores = PopularityByGroup(shrink=2.0).fit(ratings).scores(new_users, None)
    liked, groups = dense_positives(ratings), ratings.demographics
    for b in (3, 4):
        group = int(new_users.demographics[b].argmax())
        usual = ((groups[:, group] @ liked).sum() + 1) / (liked.sum() + 1)
        mine, all_of_them = groups[:, group] @ liked, liked.sum(axis=0)
        odds = np.log((mine + 2 * usual) / (all_of_them + 2) / usual)
        np.testing.assert_allclose(scores[b], np.log1p(all_of_them) + odds, atol=1e-5)


def test_trending_halves_what_is_old_and_counts_the_age_group(ratings, new_users):
    aged = replace(
        ratings,
        timestamps=ratings.timestamps * WEEK,
        demographic_names=("age=1", "age=2"),
    )
    liked = np.zeros((30, 25))
    age = (ratings.timestamps.max() - ratings.timestamps) / 50
    liked[ratings.users, ratings.items] = ratings.positive * 0.5**age
    everybody = liked.sum(axis=0) / liked.sum()
    found = Trending(half_life=50).fit(aged).scores(new_users, None)
    np.testing.assert_allclose(found, np.tile(everybody, (10, 1)), rtol=1e-5)
    found = Trending(half_life=50, by_age=True, shrink=3.0).fit(aged).scores(new_users, None)
    np.testing.assert_allclose(found[0], liked[::2].sum(axis=0) + 3 * everybody, rtol=1e-5)


def test_item_knn_is_shrunk_cosine(ratings, answered):
    liked = dense_positives(ratings)
    similarity = np.zeros((ratings.n_items, ratings.n_items))
    for i in range(ratings.n_items):
        for j in range(ratings.n_items):
            if i != j:
                norms = np.sqrt(liked[:, i].sum() * liked[:, j].sum())
                similarity[i, j] = liked[:, i] @ liked[:, j] / (norms + 7)
    scores = ItemKNN(shrink=7, history=HISTORY).fit(ratings).scores(answered, None)
    np.testing.assert_allclose(scores, dense_profile(answered, HISTORY) @ similarity, atol=1e-5)


@pytest.mark.parametrize("n_users", [40, 15])  # more and fewer than the 25 items
def test_ease_solves_the_constrained_regression(ratings, answered, n_users):
    """Column j is ridge regression of item j on all the others: that is EASE's definition."""
    ratings = ratings.keep(ratings.users < n_users)
    ratings = replace(
        ratings,
        offsets=ratings.offsets[: n_users + 1],
        user_ids=ratings.user_ids[:n_users],
        demographics=ratings.demographics[:n_users],
    )
    liked, n_items = dense_positives(ratings), ratings.n_items
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.delete(np.arange(n_items), j)
        x = liked[:, others]
        gram = x.T @ x + 5.0 * np.eye(n_items - 1)
        weights[others, j] = np.linalg.solve(gram, x.T @ liked[:, j])
    scores = EASE(regularisation=5.0, history=HISTORY).fit(ratings).scores(answered, None)
    np.testing.assert_allclose(scores, dense_profile(answered, HISTORY) @ weights, atol=1e-4)


def test_residuals_are_differences_from_item_and_user(ratings, answered):
    model = ItemKNN(shrink=7, values="residuals", history=HISTORY).fit(ratings)
    expected = np.zeros((answered.n_users, ratings.n_items))
    for b in range(answered.n_users):
        known = answered.known_items[b] >= 0
        items, values = answered.known_items[b][known], answered.known_ratings[b][known]
        difference = values - model.means[items]
        bias = difference.sum() / (len(items) + 10)
        expected[b, items] = difference - bias
        for item, rating in zip(answered.shown_items[b], answered.shown_ratings[b], strict=True):
            known_rating = rating - model.means[item] - bias
            expected[b, item] += HISTORY.refused if np.isnan(rating) else known_rating
    expected = expected @ model.weights + model.means
    np.testing.assert_allclose(model.scores(answered, None), expected, atol=1e-4)


def test_pure_svd_projects_on_singular_vectors(ratings, answered):
    _, _, right = np.linalg.svd(dense_positives(ratings))
    projection = right[:6].T @ right[:6]
    scores = PureSVD(k=6, history=HISTORY).fit(ratings).scores(answered, None)
    np.testing.assert_allclose(scores, dense_profile(answered, HISTORY) @ projection, atol=1e-4)


@pytest.mark.parametrize("values", ["positives", "gains"])
def test_user_knn_sums_what_the_nearest_users_say(ratings, answered, values):
    liked, profile = dense_positives(ratings), dense_profile(answered, HISTORY)
    expected, gains = np.zeros_like(profile), dense_gains(ratings)
    for b in range(len(profile)):
        norms = np.linalg.norm(profile[b]) * np.linalg.norm(liked, axis=1)
        similarity = liked @ profile[b] / (norms + 2)
        nearest = np.argsort(-similarity)[:5]
        expected[b] = similarity[nearest] @ (liked if values == "positives" else gains)[nearest]
    model = UserKNN(neighbours=5, shrink=2, values=values, history=HISTORY)
    scores = model.fit(ratings).scores(answered, None)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize(("values", "weight"), [("positives", 0.0), ("gains", 0.5)])
def test_ridge_is_the_normal_equations_of_its_windows(ratings, new_users, values, weight):
    """Without demographics, and with them, half their size."""
    model = Ridge(
        k=6, window=4, random_windows=0, regularisation=3.0, values=values, demographics=weight
    ).fit(ratings)
    liked = dense_positives(ratings)
    answers = liked if values == "positives" else dense_gains(ratings)
    features, targets = [], []
    for user in np.flatnonzero(ratings.lengths > 4):
        window = ratings.items[ratings.row(user)][:4]
        chosen = [item for item in window if liked[user, item]]
        mean = model.vectors[chosen].mean(axis=0) if chosen else np.zeros(6)
        people = weight * ratings.demographics[user] if weight else []
        features.append([*mean, *people, 1.0])
        target = answers[user].copy()
        target[window] = 0
        targets.append(target)
    x, y = np.array(features), np.array(targets)
    weights = np.linalg.solve(x.T @ x + 3.0 * np.eye(x.shape[1]), x.T @ y)
    np.testing.assert_allclose(model.weights, weights, atol=1e-4)
    assert np.isfinite(model.scores(new_users, None)).all()


@pytest.mark.parametrize("values", ["positives", "residuals"])
def test_what_is_kept_of_a_start_serves_that_start_alone(ratings, new_users, answered, values):
    model = ItemKNN(values=values).fit(ratings)
    expected = [ItemKNN(values=values).fit(ratings).scores(o, None) for o in (answered, new_users)]
    for _ in range(2):
        np.testing.assert_array_equal(model.scores(answered, None), expected[0])
        np.testing.assert_array_equal(model.scores(new_users, None), expected[1])
    other = new_users._replace(known_ratings=6 - new_users.known_ratings)
    assert (model.scores(other, None) != expected[1]).any()
