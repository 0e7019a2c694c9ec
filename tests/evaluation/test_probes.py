"""Probes on toy data, each against something obvious."""

import numpy as np
import pytest

from evaluation import probes
from evaluation.protocols.catalog import Catalog
from evaluation.protocols.session import Session


class LastSeen:
    """An order that depends on the window's last item; asked again after every answer."""

    name, adaptive = "last-seen", True

    def scores(self, states, candidates):
        assert candidates is None
        order = 7 * np.arange(states.n_items) + 3 * states.window_items[:, -1:]
        return (order % states.n_items).astype(np.float32)


def one_user(protocol, row=0):
    return protocol.start().select(np.array([row]))


def test_a_fixed_list_is_asked_once_and_equals_the_first_answer(make_toy):
    session = Session(make_toy(n_users=150), ks=(5,))
    listening, fixed = session.run(LastSeen()), session.run(probes.FixedList(LastSeen()))
    assert fixed.policy == "last-seen-static"
    states = session.start()
    for row in range(session.n_users):
        known = states.select(np.array([row]))
        expected = probes.best_items(LastSeen(), known, 5, known.items)
        np.testing.assert_array_equal(fixed.items[row], expected[0])
    np.testing.assert_array_equal(fixed.items[:, 0], listening.items[:, 0])
    assert (fixed.items != listening.items).any()


def test_a_lookup_knows_the_user_whatever_the_state_says(toy):
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(toy.n_users, 3)), rng.normal(size=(toy.n_items, 3))
    bias = rng.normal(size=toy.n_items)
    policy = probes.UserLookup("stored", users, items, bias)
    states = Catalog(toy).start()
    scores = policy.scores(states, None)
    for row, user in enumerate(states.users):
        for item in (0, 7, toy.n_items - 1):
            assert scores[row, item] == pytest.approx(users[user] @ items[item] + bias[item])
    candidates = np.tile(np.array([[3, -1]]), (states.n_users, 1))
    np.testing.assert_array_equal(policy.scores(states, candidates)[:, 0], scores[:, 3])


def test_stored_vectors_of_everybody_beat_the_protocol(toy):
    """The leak that the notebook shows: the truth itself as the user's vector."""
    truth = np.zeros((toy.n_users, toy.n_items), np.float32)
    truth[toy.users, toy.items] = toy.positive
    eye, no_bias = np.eye(toy.n_items, dtype=np.float32), np.zeros(toy.n_items)
    catalog = Catalog(toy)
    leaky = catalog.evaluate(probes.UserLookup("leaky", truth, eye, no_bias))
    best = catalog.evaluate(catalog.oracle())
    np.testing.assert_array_equal(leaky["precision@5"], best["precision@5"])


def test_leave_one_out_removes_each_item_in_turn(toy):
    states = one_user(Catalog(toy, window=8))
    variants = probes.leave_one_out(states)
    known = states.items.tolist()
    assert variants.n_users == 1 + len(known)
    assert (variants.users == states.users[0]).all()
    np.testing.assert_array_equal(variants.window_items[0], states.window_items[0])
    for place in range(len(known)):
        mine = variants.select(np.array([1 + place]))
        assert mine.items.tolist() == known[:place] + known[place + 1 :]
        assert mine.window_items[0, 0] == -1
        assert known[place] not in mine.window_items


def test_leave_one_out_refuses_several_users_and_feedback(toy):
    states = Catalog(toy).start()
    with pytest.raises(ValueError, match=f"got {states.n_users} users"):
        probes.leave_one_out(states)
    one = states.select(np.array([0]))
    later = one.after(np.array([1]), np.array([5.0]), np.array([True]))
    with pytest.raises(ValueError, match="after 1 recommendations"):
        probes.leave_one_out(later)


def test_best_items_leave_out_what_is_blocked(toy, tied):
    states = Catalog(toy).start()
    blocked = np.array([0, 5, 6])
    best = probes.best_items(tied(), states, 10, blocked)
    scores = tied().scores(states, None)
    for row in range(states.n_users):
        order = [i for i in np.argsort(-scores[row], kind="stable") if i not in blocked]
        assert best[row].tolist() == order[:10]


def test_n_replaced_counts_what_is_missing():
    lists = np.array([[1, 2, 3], [3, 2, 1], [1, 2, 9], [7, 8, 9]])
    assert probes.n_replaced(lists).tolist() == [0, 1, 3]


def test_quantiles_name_users_with_that_value():
    values = np.array([0.4, 0.0, 0.2, 0.0, 1.0])
    assert probes.at_quantiles(values, (0.0, 0.5, 1.0)) == [1, 2, 4]


def test_compare_ranks_and_pairs_the_trained_policy(toy, tied):
    class Named(tied):
        name = "drr"

    report, results = probes.compare(toy.name, Catalog(toy), [Named(), tied()])
    assert set(results) == {"drr", "tied"}
    assert report.differences["drr"][0] == "tied"
    alone, _ = probes.compare(toy.name, Catalog(toy), [tied()])
    assert alone.differences == {}


def test_the_picture_keeps_neighbours_and_is_the_same_twice():
    rng = np.random.default_rng(0)
    groups = np.repeat([[5.0, 0, 0], [0, 5.0, 0]], 15, axis=0) + rng.normal(0, 0.1, (30, 3))
    groups[0] = 0  # an item without a vector
    points = probes.project(groups.astype(np.float32))
    np.testing.assert_array_equal(points, probes.project(groups.astype(np.float32)))
    assert points.shape == (30, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)[1:]
    assert ((nearest >= 15) == (np.arange(1, 30) >= 15)).mean() > 0.9
