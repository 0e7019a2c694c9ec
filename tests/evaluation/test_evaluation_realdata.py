"""Calibration on ml-1m: the published figures of the protocols, and the promised speed."""

import os

import pytest

from baselines.popularity import PopularityMean
from data import load_dataset
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol

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


def test_simulator_shrunk_item_mean(ml_1m):
    from envs.simulator import Simulator as RatingModel

    simulator = SimulatorProtocol(ml_1m, RatingModel(ml_1m), known_items=True)  # as published
    (total,) = means(simulator, PopularityMean().fit(simulator.visible), "total_reward")
    assert total == pytest.approx(44_000, abs=500)
