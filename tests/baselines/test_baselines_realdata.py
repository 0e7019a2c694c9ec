"""Calibration on ml-1m: the cheap baselines are no worse than what is known of them."""

import os

import pytest

from baselines import registry
from data import load_dataset
from evaluation.protocols.known_users import RerankProtocol
from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not os.environ.get("DRR_DATA_ROOT"), reason="DRR_DATA_ROOT is not set"),
]
PROTOCOLS = {"catalog": CatalogProtocol, "session": SessionProtocol, "rerank": RerankProtocol}
KEYS = {
    "catalog": ("precision@5", "precision@10"),
    "session": ("reward@10", "reward@20"),
    "rerank": ("precision@5", "precision@10"),
}
EXACT = [
    ("catalog", "popularity", 0.3455, 0.3191),
    ("rerank", "popularity", 0.6927, 0.6070),
    ("rerank", "popularity-mean", 0.7315, 0.6338),
]
AT_LEAST = [
    ("catalog", "item-knn", 0.428, 0.395),
    ("catalog", "ease", 0.420, 0.388),
    ("catalog", "ridge", 0.4215, 0.392),
    ("session", "item-knn-adaptive", 0.58, -0.02),
    ("session", "ease-adaptive", 0.54, 0.12),
    ("rerank", "mf", 0.766, 0.658),
]


@pytest.fixture(scope="module")
def ml_1m():
    return load_dataset("ml-1m")


def measure(ml_1m, protocol, name):
    played = PROTOCOLS[protocol](ml_1m)
    measured = played.evaluate(registry.build(name, protocol, played.visible))
    return [float(measured[key].mean()) for key in KEYS[protocol]]


@pytest.mark.parametrize(("protocol", "name", "first", "second"), EXACT)
def test_known_to_the_fourth_digit(ml_1m, protocol, name, first, second):
    assert measure(ml_1m, protocol, name) == pytest.approx([first, second], abs=2e-4)


@pytest.mark.parametrize(("protocol", "name", "first", "second"), AT_LEAST)
def test_no_worse_than_the_reference(ml_1m, protocol, name, first, second):
    found = measure(ml_1m, protocol, name)
    assert found[0] >= first
    assert found[1] >= second


def test_popularity_in_session(ml_1m):
    assert measure(ml_1m, "session", "popularity") == pytest.approx([-0.63, -1.54], abs=0.005)
