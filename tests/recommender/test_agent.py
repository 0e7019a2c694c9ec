"""The agent recommends: the best items first, and one message for what it cannot."""

import numpy as np
import pytest
import toys

import recommender
from config import AgentConfig
from recommender import DRRAgent
from recommender.user_session import parse


def fresh(config: AgentConfig = toys.PAPER, seed: int = 0) -> DRRAgent:
    return DRRAgent(config, toys.table(), toys.shop(), window=toys.WINDOW, seed=seed)


def test_recommendations_are_best_first_and_leave_out_the_history():
    agent = fresh()
    history = [(110, 5), (200, 1), (120, 4)]
    best = agent.recommend(history, k=9)
    scores = [item.score for item in best]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    assert {item.item_id for item in best} == set(toys.shop().item_ids) - {110, 120, 200}
    assert all(item.title == f"Film {item.item_id}" for item in best)
    known = toys.observation([[1, 10, 2]], [[5, 1, 4]], users=[-1])
    expected = agent.scores(known)[0]
    assert best[0].score == expected[np.setdiff1d(np.arange(12), [1, 10, 2])].max()


@pytest.fixture(scope="module")
def seller() -> DRRAgent:
    """An agent of the shop, as it was created."""
    return fresh()


NAN, INF = float("nan"), float("inf")
ALL = [(item, 3) for item in toys.shop().item_ids.tolist()]
UNKNOWN = [101, -1, 10**12, 10**30, 110.5, NAN, -INF, "110.5", b"110", None, True, [110], 1j]
OFF_SCALE = [6, 0, 0.5, -1, 10**400, NAN, INF, -INF]
NO_NUMBER = ["5", None, True, [5], 5j, np.array([5])]
BAD_LENGTH = [12, 0, -3, 10**30, 2.5, NAN, INF, "3", None, True, [3]]
REFUSED = [
    (None, 3, "the history is None: give .item id, rating. pairs"),
    (5, 3, "the history is 5: give"),
    ([110, 5], 3, "the history holds 110: give"),
    ([(110, 5, 1)], 3, r"the history holds \(110, 5, 1\): give"),
    ([(110,)], 3, r"the history holds \(110,\): give"),
    ({110: 5}, 3, "the history holds 110: give"),
    (ALL, 1, "k is 1: no item is left"),
    ([(110, 5), (110, 4)], 12, "k is 12: choose 1 to 11"),
    *(([(110, 5), (item, 5)], 3, "item .* is not among the 12 items") for item in UNKNOWN),
    *(([(110, stars)], 3, "rating .* of item 110 is not in 1 to 5") for stars in OFF_SCALE),
    *(([(110, stars)], 3, "of item 110 is not a number in 1 to 5") for stars in NO_NUMBER),
    *(([(110, 5)], k, "k is .*: choose 1 to 11, the items that are left") for k in BAD_LENGTH),
]


@pytest.mark.parametrize(("history", "k", "message"), REFUSED)
def test_what_cannot_be_recommended_is_said_with_the_value(seller, history, k, message):
    with pytest.raises(ValueError, match=message) as caught:
        seller.recommend(history, k)
    assert len(str(caught.value)) < 200  # a huge value is not repeated in full


def test_a_history_may_be_given_in_any_form(seller):
    expected = seller.recommend([(110, 5), (200, 1)], 3)
    for history in (
        ((item, stars) for item, stars in ((110, 5), (200, 1))),
        {110: 5, 200: 1}.items(),
        np.array([[110, 5], [200, 1]]),
        np.array([[110, 5], [200, 1]], np.float32),
        [(np.int64(110), np.float32(5)), (np.uint8(200), np.int16(1))],
        [("110", 5), (np.str_("200"), 1)],
    ):
        assert seller.recommend(history, np.int64(3)) == expected


def test_of_an_item_given_twice_the_latest_rating_counts(seller):
    expected = seller.recommend([(200, 1), (110, 4)], 5)
    assert seller.recommend([(110, 1), (200, 1), (110, 4)], 5) == expected
    assert parse([(110, 1), (200, 1), (110, 4)], toys.shop()) == ([10, 1], [1.0, 4.0])


def test_the_package_offers_its_names_and_no_others():
    homes = {"Actor": "networks", "Critic": "networks", "DRRAgent": "agent"}
    homes |= {"load_weights": "weights", "save_weights": "weights"}
    assert set(recommender.__all__) == set(dir(recommender)) == set(homes)
    for name, home in homes.items():
        assert getattr(recommender, name).__module__ == f"recommender.{home}"
    with pytest.raises(ImportError, match="cannot import name 'Agent'"):
        from recommender import Agent  # noqa: F401
