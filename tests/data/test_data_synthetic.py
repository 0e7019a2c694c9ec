"""The synthetic set: the same for a seed, shaped like MovieLens, and worth learning on."""

import numpy as np
import pytest

from baselines import registry
from data import Ratings
from data.synthetic import SyntheticConfig, make_synthetic
from evaluation.protocols.new_users import CatalogProtocol

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


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_taste_beats_popularity(seed: int) -> None:
    catalog = CatalogProtocol(make_synthetic(seed=seed))
    popularity, neighbours = (
        catalog.evaluate(registry.build(name, "catalog", catalog.visible))["precision@5"].mean()
        for name in ("popularity", "item-knn")
    )
    assert popularity > 0.2
    assert neighbours > 1.2 * popularity
