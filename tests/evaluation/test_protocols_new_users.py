"""`catalog` and `session` against plain loops over users, steps and items."""

import numpy as np
import pytest

from data.errors import DataError
from data.splits import split_users
from evaluation.policy import Adaptive, States
from evaluation.protocols import base
from evaluation.protocols.base import check_answerable
from evaluation.protocols.catalog import Catalog
from evaluation.protocols.session import Session

WINDOW = 4


def user_log(ratings, user):
    row = ratings.row(user)
    return list(zip(ratings.items[row].tolist(), ratings.values[row].tolist(), strict=True))


def one_user(ratings, user):
    """States of one user, and the hidden {item: rating}."""
    log = user_log(ratings, user)
    items, values = [i for i, _ in log[:WINDOW]], [v for _, v in log[:WINDOW]]
    states = States.begin(
        np.array([user]),
        np.array([0, len(items)]),
        np.array(items),
        np.array(values),
        window=WINDOW,
        n_items=ratings.n_items,
    )
    return states, dict(log[WINDOW:])


def play(ratings, policy, user, steps):
    """Items, ratings (None: unrated) and rewards of one user, the slow way."""
    states, hidden = one_user(ratings, user)
    blocked = set(states.items.tolist())
    scores = policy.scores(states, None)[0]
    played, answers, rewards = [], [], []
    for _ in range(steps):
        if policy.adaptive:
            scores = policy.scores(states, None)[0]
        free = [item for item in range(ratings.n_items) if item not in blocked]
        if not free:
            break
        item = max(free, key=lambda candidate: (scores[candidate], -candidate))
        rating = hidden.get(item)
        reward = -0.5 if rating is None else (rating - 3) / 2
        blocked.add(item)
        played.append(item)
        answers.append(rating)
        rewards.append(reward)
        heard = np.array([np.nan if rating is None else rating])
        states = states.after(np.array([item]), heard, np.array([reward > 0]))
    return played, answers, rewards


@pytest.mark.parametrize("adaptive", [False, True])
def test_session_plays_as_the_loop_does(toy, tied, adaptive):
    session = Session(toy, window=WINDOW, ks=(3, 8))
    result = session.run(tied(adaptive))
    for row, user in enumerate(session.eval_users):
        items, answers, rewards = play(toy, tied(adaptive), user, 8)
        assert result.items[row].tolist() == items
        assert [None if np.isnan(x) else x for x in result.ratings[row]] == answers
        assert result.per_user["reward@3"][row] == pytest.approx(sum(rewards[:3]))
        assert result.per_user["reward@8"][row] == pytest.approx(sum(rewards))
        assert result.per_user["hit_rate@3"][row] == any((a or 0) >= 4 for a in answers[:3])


def test_users_with_nothing_to_find_are_counted(toy):
    for known in (1, 4, 12):
        catalog = Catalog(toy, window=known)
        logs = [user_log(toy, user)[known:] for user in catalog.eval_users]
        empty = [all(rating < 4 for _, rating in log) for log in logs]
        assert catalog.n_without_relevant == sum(empty)
        check_answerable(catalog, "toy")
    with pytest.raises(DataError, match=r"toy: none of the 6 users .* a smaller --known"):
        check_answerable(Catalog(toy, window=30), "toy")


def test_catalog_judges_the_first_list(toy, tied):
    catalog = Catalog(toy, window=WINDOW, ks=(3, 6))
    result = catalog.run(tied())
    for row, user in enumerate(catalog.eval_users):
        items, answers, _ = play(toy, tied(), user, 6)
        hits = [(answer or 0) >= 4 for answer in answers]
        relevant = sum(value >= 4 for value in one_user(toy, user)[1].values())
        assert result.items[row].tolist() == items
        assert result.per_user["precision@3"][row] == pytest.approx(sum(hits[:3]) / 3)
        assert result.per_user["recall@6"][row] == pytest.approx(sum(hits) / max(relevant, 1))
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(6, relevant)))
        dcg = sum(hit / np.log2(rank + 2) for rank, hit in enumerate(hits))
        assert result.per_user["ndcg@6"][row] == pytest.approx(dcg / ideal if ideal else 0)


def test_users_of_the_default_split(toy):
    train, test = split_users(toy.n_users)
    catalog = Catalog(toy)
    assert catalog.eval_users.tolist() == test.tolist()
    assert catalog.visible.lengths[test].sum() == 0
    assert catalog.visible.lengths[train].tolist() == toy.lengths[train].tolist()
    assert catalog.start().users.tolist() == test.tolist()


def test_explicit_users(toy, tied):
    session = Session(toy, np.array([0, 5, 9]), np.array([2, 7]), window=WINDOW)
    assert np.flatnonzero(session.visible.lengths).tolist() == [0, 5, 9]
    assert session.evaluate(tied())["reward@10"].shape == (2,)
    with pytest.raises(ValueError, match="1 users both train and are evaluated, first 5"):
        Catalog(toy, np.array([0, 5]), np.array([5]))


def test_static_policies_are_asked_once_adaptive_ones_each_step(toy, tied):
    session = Session(toy, window=WINDOW, ks=(7,))
    for policy, expected in ((tied(), 1), (tied(adaptive=True), 7)):
        session.run(policy)
        assert len(policy.asked) == expected
    policy = tied(adaptive=True)
    Catalog(toy, window=WINDOW).run(policy)
    assert len(policy.asked) == 1


def test_users_per_batch_limits_what_is_asked_at_once(toy, tied):
    session = Session(toy, window=WINDOW, ks=(6,))
    together, alone = tied(adaptive=True), tied(adaptive=True)
    alone.users_per_batch = 1
    expected, result = session.run(together), session.run(alone)
    np.testing.assert_array_equal(result.items, expected.items)
    assert {states.n_users for states, _ in alone.asked} == {1}
    assert len(alone.asked) == 6 * session.n_users


def test_a_policy_with_a_longer_window_keeps_what_was_known(toy, tied):
    session = Session(toy, window=WINDOW, ks=(6,))
    policy = tied(adaptive=True)
    policy.min_window = WINDOW + 6
    result = session.run(policy)
    start, (last, _) = session.start(), policy.asked[-1]
    liked = (result.rewards[:, :-1] > 0).sum(axis=1)
    assert liked.any()
    for user, count in enumerate(liked):
        known = start.window_items[user][start.window_items[user] >= 0].tolist()
        window = last.window_items[user][last.window_items[user] >= 0].tolist()
        assert window[: len(known)] == known and len(window) == len(known) + count


def test_adaptive_twin_of_a_constant_policy_changes_nothing(toy):
    class Constant:
        name, adaptive = "constant", False

        def scores(self, states, candidates):
            return np.tile(np.arange(states.n_items) % 3.0, (states.n_users, 1))

    session = Session(toy, window=WINDOW)
    static, adaptive = session.run(Constant()), session.run(Adaptive(Constant()))
    np.testing.assert_array_equal(static.items, adaptive.items)
    np.testing.assert_array_equal(static.rewards, adaptive.rewards)


def test_a_catalogue_that_runs_out(make_toy, tied):
    small = make_toy(n_items=30)
    result = Session(small, window=WINDOW, ks=(40,)).run(tied(adaptive=True))
    shown = result.items >= 0
    known = np.minimum(small.lengths[split_users(small.n_users)[1]], WINDOW)
    assert shown.sum(axis=1).tolist() == (30 - known).tolist()
    assert (result.rewards[~shown] == 0).all()
    for row in result.items:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def test_transductive_mode_shows_everything_and_says_so(toy):
    catalog = Catalog(toy, mode="transductive")
    assert catalog.visible is toy
    assert "LEAKY" in catalog.label
    assert "LEAKY" not in Catalog(toy).label
    with pytest.raises(ValueError, match="'both'"):
        Catalog(toy, mode="both")


def test_oracle_is_the_upper_bound(toy, tied):
    session = Session(toy, window=WINDOW, ks=(5,))
    best = session.evaluate(session.oracle())["reward@5"]
    assert (best >= session.evaluate(tied())["reward@5"]).all()
    for row, user in enumerate(session.eval_users):
        rewards = [(value - 3) / 2 for value in one_user(toy, user)[1].values()]
        ideal = sorted(rewards + [-0.5] * 5, reverse=True)[:5]
        assert best[row] == pytest.approx(sum(ideal))


def test_bad_list_lengths(toy):
    with pytest.raises(ValueError, match="at least 1"):
        Catalog(toy, ks=(0, 5))
    assert Catalog(toy, ks=(7, 2, 7)).ks == (2, 7)


@pytest.mark.parametrize("kind", [Catalog, Session])
def test_a_large_catalogue_is_asked_about_few_users_at_a_time(toy, tied, kind, monkeypatch):
    protocol, together = kind(toy, window=WINDOW, ks=(3,)), tied(adaptive=True)
    expected = protocol.run(together).items
    assert together.asked[0][0].n_users == protocol.n_users > 2
    for scores, users in ((2 * toy.n_items, 2), (toy.n_items - 1, 1)):  # one is asked about anyhow
        monkeypatch.setattr(base, "SCORES_PER_BATCH", scores)
        policy = tied(adaptive=True)
        np.testing.assert_array_equal(protocol.run(policy).items, expected)
        assert {states.n_users for states, _ in policy.asked} == {users}
