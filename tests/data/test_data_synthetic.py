"""The synthetic set: the same for a seed, shaped like MovieLens, and worth learning on."""

import numpy as np
import pytest

from data import Ratings
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
