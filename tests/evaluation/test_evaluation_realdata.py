"""Calibration on ml-1m: the published figures of the protocols, and the promised speed."""

import os

import pytest

from baselines.popularity import PopularityMean, RandomOrder
from data import load_dataset
from envs.simulator import Simulator as RatingModel
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not os.environ.get("DRR_DATA_ROOT"), reason="DRR_DATA_ROOT is not set"),
]


@pytest.fixture(scope="module")
def ml_1m():
    return load_dataset("ml-1m")


def test_rerank_chance(ml_1m):
    rerank = RerankProtocol(ml_1m)
    found = [rerank.chance(5).mean(), rerank.chance(10).mean()]
    assert rerank.n_users == 6040
    assert found == pytest.approx([0.5915, 0.5353], abs=0.00005)


def test_simulator_shrunk_item_mean_and_random_items(ml_1m):
    simulator = SimulatorProtocol(ml_1m, RatingModel(ml_1m), known_items=True)  # as published
    for policy, published, near in ((PopularityMean(), 44_005, 50), (RandomOrder(), 10_280, 250)):
        found = simulator.evaluate(policy.fit(simulator.visible))["total_reward"]
        assert found.mean() == pytest.approx(published, abs=near)
