"""The trained networks on a toy task: they learn, repeat themselves, and keep users apart."""

import numpy as np
import pytest

from baselines.network_baselines import TwoTower, softmax_loss
from baselines.sasrec import SASRec
from data.policy import Adaptive
from data.ratings import Ratings
from evaluation.protocols.new_users import SessionProtocol

pytestmark = pytest.mark.slow  # networks are trained

SMALL = {
    "two-tower": lambda **changes: TwoTower(**{"k": 8, "window": 4, "steps": 60} | changes),
    "sasrec": lambda **changes: SASRec(
        **{"k": 8, "length": 6, "steps": 100, "blocks": 1, "learning_rate": 1e-2} | changes
    ),
}


@pytest.fixture(scope="module", params=sorted(SMALL))
def make(request):
    return SMALL[request.param]


@pytest.fixture(scope="module")
def fitted(make, ratings):
    return make().fit(ratings)


def test_softmax_loss_is_cross_entropy_over_allowed_items():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5)).astype(np.float32)
    allowed = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], np.float32)
    targets = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], np.float32)
    losses = []
    for row in (0, 1):  # the third user has no target
        inside = np.exp(logits[row]) * allowed[row]
        log_p = np.log(inside / inside.sum(), where=inside > 0, out=np.zeros(5))
        losses.append(-(targets[row] * log_p).sum() / targets[row].sum())
    assert float(softmax_loss(logits, allowed, targets)) == pytest.approx(np.mean(losses), rel=1e-5)


def camps(n_users: int = 60):
    """Even users know ten of the twelve even items, odd users of the odd ones; no demographics."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), 10)
    items = np.concatenate([2 * rng.permutation(12)[:10] + u % 2 for u in range(n_users)])
    stars, ids = rng.integers(3, 6, len(users)), {"item_ids": np.arange(24)}
    time, people = np.arange(len(users)), np.arange(n_users)
    return Ratings.from_events("camps", users, items, stars, time, user_ids=people, **ids)


def test_new_users_are_shown_the_items_of_their_camp(make, start_of):
    everybody, strangers = camps(), list(range(40, 60))
    scores = (
        make().fit(everybody.of_users(np.arange(40))).scores(start_of(everybody, strangers), None)
    )
    even = scores[:, ::2].mean(axis=1) - scores[:, 1::2].mean(axis=1)
    np.testing.assert_array_equal(even > 0, np.array(strangers) % 2 == 0)


def test_same_seed_same_network(make, fitted, ratings, new_users):
    again = make().fit(ratings)
    for name, array in fitted.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    other = make(seed=1, steps=2).fit(ratings)
    assert (other.scores(new_users, None) != fitted.scores(new_users, None)).any()


def test_two_tower_orders_within_the_rated(ratings, new_users):
    model = SMALL["two-tower"](among="rated", positive_window=True).fit(ratings)
    assert np.isfinite(model.scores(new_users, None)).all()


def test_a_two_tower_with_a_longer_window_is_shown_what_was_liked_since():
    asked = []

    class Watched(TwoTower):
        def scores(self, observation, candidates):
            asked.append(observation)
            return super().scores(observation, candidates)

    model = Watched(k=8, window=6, steps=1)
    protocol = SessionProtocol(camps(), window=3, ks=(15,))
    result = protocol.run(Adaptive(model.fit(protocol.visible)))
    liked = (result.rewards[:, :-1] > 0).sum(axis=1)
    known = (asked[0].window_items >= 0).sum(axis=1)
    filled = (asked[-1].window_items >= 0).sum(axis=1)
    assert liked.any()
    np.testing.assert_array_equal(filled, np.minimum(known + liked, 6))
