"""Calibration on ml-1m: the published figures of the protocols, and the promised speed."""

import os
import time

import numpy as np
import pytest

from baselines.popularity import PopularityMean
from data import load_dataset
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import CatalogProtocol

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not os.environ.get("DRR_DATA_ROOT"), reason="DRR_DATA_ROOT is not set"),
]


@pytest.fixture(scope="module")
def ml_1m():
    return load_dataset("ml-1m")


@pytest.fixture(scope="module")
def rerank(ml_1m):
    return RerankProtocol(ml_1m)


def means(protocol, policy, *keys):
    measured = protocol.evaluate(policy)
    return [measured[key].mean() for key in keys]


def test_rerank_chance(rerank):
    found = [rerank.chance(5).mean(), rerank.chance(10).mean()]
    assert rerank.n_users == 6040
    assert found == pytest.approx([0.5915, 0.5353], abs=0.00005)


def test_rerank_ndcg_self_hardly_discriminates(rerank):
    rng = np.random.default_rng(0)

    class Random:
        name, adaptive = "random", False

        def scores(self, observation, candidates):
            return rng.random(candidates.shape)

    assert means(rerank, Random(), "ndcg_self@5")[0] == pytest.approx(0.86, abs=0.005)


def test_simulator_shrunk_item_mean(ml_1m):
    from envs.simulator import Simulator as RatingModel

    simulator = SimulatorProtocol(ml_1m, RatingModel(ml_1m))
    (total,) = means(simulator, PopularityMean().fit(simulator.visible), "total_reward")
    assert total == pytest.approx(44_000, abs=500)


class DotProduct:
    """A mean of item vectors against all of them, asked again after each answer."""

    name = "dot product"
    adaptive = True

    def __init__(self, n_items):
        vectors = np.random.default_rng(0).standard_normal((n_items, 100))
        self.vectors = vectors.astype(np.float32)

    def scores(self, observation, candidates):
        users = self.vectors[observation.window_items].mean(axis=1)
        if candidates is None:
            return users @ self.vectors.T
        return np.einsum("bk,bck->bc", users, self.vectors[candidates])


def test_speed_of_a_dot_product_policy(ml_1m, rerank):
    catalog, policy = CatalogProtocol(ml_1m), DotProduct(ml_1m.n_items)
    for protocol, seconds in ((catalog, 1.0), (rerank, 10.0)):
        began = time.process_time()  # of this process: other work on the machine does not count
        protocol.run(policy)
        assert time.process_time() - began < seconds
