"""Calibration on ml-1m: the published figures of the protocols, and the promised speed."""

import os
import time

import numpy as np
import pytest

from data import load_dataset
from evaluation.protocols.catalog import Catalog
from evaluation.protocols.rerank import Rerank
from evaluation.protocols.session import Session
from evaluation.protocols.simulator import Simulator

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not os.environ.get("DRR_DATA_ROOT"), reason="DRR_DATA_ROOT is not set"),
]


@pytest.fixture(scope="module")
def ml_1m():
    return load_dataset("ml-1m")


@pytest.fixture(scope="module")
def rerank(ml_1m):
    return Rerank(ml_1m)


class SameForAll:
    name = "same for all"
    adaptive = False

    def __init__(self, item_scores):
        self.item_scores = item_scores

    def scores(self, states, candidates):
        if candidates is None:
            return np.tile(self.item_scores, (states.n_users, 1))
        return self.item_scores[candidates]


def positives(visible):
    return SameForAll(np.bincount(visible.items[visible.positive], minlength=visible.n_items))


def shrunk_means(visible, shrink=10.0):
    totals = np.bincount(visible.items, visible.values, minlength=visible.n_items)
    counts = np.bincount(visible.items, minlength=visible.n_items)
    return SameForAll((totals + shrink * visible.values.mean()) / (counts + shrink))


def means(protocol, policy, *keys):
    measured = protocol.evaluate(policy)
    return [measured[key].mean() for key in keys]


def test_catalog_popularity(ml_1m):
    catalog = Catalog(ml_1m)
    found = means(catalog, positives(catalog.visible), "precision@5", "precision@10")
    assert catalog.n_users == 1208
    assert found == pytest.approx([0.3455, 0.3191], abs=0.0003)


def test_session_popularity(ml_1m):
    session = Session(ml_1m)
    found = means(session, positives(session.visible), "reward@10", "reward@20")
    assert found == pytest.approx([-0.63, -1.54], abs=0.01)


def test_rerank_chance(rerank):
    found = [rerank.chance(5).mean(), rerank.chance(10).mean()]
    assert rerank.n_users == 6040
    assert found == pytest.approx([0.5915, 0.5353], abs=0.00005)


def test_rerank_popularity(rerank):
    keys = ("precision@5", "precision@10")
    by_count = means(rerank, positives(rerank.visible), *keys)
    by_mean = means(rerank, shrunk_means(rerank.visible), *keys)
    assert by_count == pytest.approx([0.6927, 0.6070], abs=0.0003)
    assert by_mean == pytest.approx([0.7315, 0.6338], abs=0.0003)


def test_rerank_ndcg_self_hardly_discriminates(rerank):
    rng = np.random.default_rng(0)

    class Random:
        name, adaptive = "random", False

        def scores(self, states, candidates):
            return rng.random(candidates.shape)

    assert means(rerank, Random(), "ndcg_self@5")[0] == pytest.approx(0.86, abs=0.005)


def test_simulator_shrunk_item_mean(ml_1m):
    from envs.simulator import Simulator as RatingModel

    simulator = Simulator(ml_1m, RatingModel(ml_1m))
    (total,) = means(simulator, shrunk_means(simulator.visible), "total_reward")
    assert total == pytest.approx(44_000, abs=500)


class DotProduct:
    """A mean of item vectors against all of them, asked again after each answer."""

    name = "dot product"
    adaptive = True

    def __init__(self, n_items):
        vectors = np.random.default_rng(0).standard_normal((n_items, 100))
        self.vectors = vectors.astype(np.float32)

    def scores(self, states, candidates):
        users = self.vectors[states.window_items].mean(axis=1)
        if candidates is None:
            return users @ self.vectors.T
        return np.einsum("bk,bck->bc", users, self.vectors[candidates])


def test_speed_of_a_dot_product_policy(ml_1m, rerank):
    catalog, policy = Catalog(ml_1m), DotProduct(ml_1m.n_items)
    for protocol, seconds in ((catalog, 1.0), (rerank, 10.0)):
        began = time.process_time()  # of this process: other work on the machine does not count
        protocol.run(policy)
        assert time.process_time() - began < seconds
