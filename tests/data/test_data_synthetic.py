"""The synthetic set: the same for a seed, shaped like MovieLens, and worth learning on."""

import tracemalloc

import numpy as np
import pytest

from data import Ratings, synthetic
from data.splits import split_users
from data.synthetic import SyntheticConfig, make_synthetic

SMALL = SyntheticConfig(n_users=120, n_items=150, typical=40)


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return make_synthetic(seed=0)


def test_seed_decides_everything() -> None:
    first = make_synthetic(SMALL, seed=3)
    assert first.fingerprint() == make_synthetic(SMALL, seed=3).fingerprint()
    assert first.fingerprint() != make_synthetic(SMALL, seed=4).fingerprint()


def test_shape_is_that_of_movielens(ratings: Ratings) -> None:
    assert (ratings.n_users, ratings.n_items) == (1_200, 1_000)
    assert len(set(ratings.titles)) == 1_000
    assert all(title.endswith(")") for title in ratings.titles)
    assert set(ratings.genres.sum(axis=1)) <= {1, 2, 3}
    assert np.all(ratings.demographics.sum(axis=1) == 3)
    assert ratings.demographics.shape == (1_200, 30)
    assert set(np.unique(ratings.values)) == {1, 2, 3, 4, 5}
    assert ratings.lengths.min() >= 20
    assert 0.45 < ratings.positive.mean() < 0.65  # .575 in MovieLens-1M


def test_popularity_has_a_long_tail(ratings: Ratings) -> None:
    counts = np.sort(np.bincount(ratings.items, minlength=ratings.n_items))[::-1]
    assert counts[:200].sum() > 0.45 * counts.sum()
    assert counts[0] > 20 * counts[-1]


@pytest.fixture
def considered(monkeypatch: pytest.MonkeyPatch) -> Ratings:
    """As in `ratings`, the same users and films, but everybody considers some films only."""
    monkeypatch.setattr(synthetic, "_ALL", 100)
    return make_synthetic(seed=0)


def test_in_a_large_set_much_the_same_is_watched(ratings: Ratings, considered: Ratings) -> None:
    assert considered.titles != ratings.titles  # drawn after the films that are watched
    np.testing.assert_array_equal(considered.genres, ratings.genres)
    np.testing.assert_array_equal(considered.demographics, ratings.demographics)
    assert considered.lengths.min() >= 20 and considered.n_ratings > 0.9 * ratings.n_ratings
    test_popularity_has_a_long_tail(considered)
    counts = [np.bincount(r.items, minlength=r.n_items) for r in (ratings, considered)]
    assert np.corrcoef(*counts)[0, 1] > 0.95
    assert considered.positive.mean() == pytest.approx(ratings.positive.mean(), abs=0.05)


def test_memory_grows_with_the_ratings_and_not_with_users_times_films(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(synthetic, "_CELLS", 1 << 16)
    wide = SyntheticConfig(n_users=4_000, n_items=20_000, shortest=1, longest=20, typical=2)
    tracemalloc.start()
    try:
        ratings = make_synthetic(wide)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ratings.n_users == 4_000 and ratings.lengths.max() <= 20
    assert peak < wide.n_users * wide.n_items / 2  # not half a byte for each pair


def precision_at_5(ratings: Ratings, similar: np.ndarray, counts: np.ndarray) -> list[float]:
    """Of popularity and of neighbours of the liked among the first ten items, over test users."""
    hits: list[tuple[int, int]] = []
    for user in split_users(ratings.n_users)[1]:
        row = ratings.row(int(user))
        items, liked = ratings.items[row], ratings.positive[row]
        later = set(items[10:][liked[10:]].tolist())
        scores = similar[items[:10][liked[:10]]].sum(axis=0) + 1e-9 * counts
        lists = (_top(counts, items[:10]), _top(scores, items[:10]))
        hits.append(tuple(len(later & set(best)) for best in lists))
    return (np.mean(hits, axis=0) / 5).tolist()


def _top(scores: np.ndarray, known: np.ndarray) -> list[int]:
    masked = scores.astype(float)
    masked[known] = -np.inf
    return np.argsort(-masked, kind="stable")[:5].tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_taste_beats_popularity(seed: int) -> None:
    ratings = make_synthetic(seed=seed)
    liked = np.zeros((ratings.n_users, ratings.n_items))
    liked[ratings.users, ratings.items] = ratings.positive
    liked = liked[split_users(ratings.n_users)[0]]
    counts = liked.sum(axis=0)
    similar = liked.T @ liked / (np.sqrt(np.outer(counts, counts)) + 20)
    np.fill_diagonal(similar, 0)
    popularity, neighbours = precision_at_5(ratings, similar, counts)
    assert popularity > 0.2
    assert neighbours > 1.2 * popularity
