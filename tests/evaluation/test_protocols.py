"""The four protocols against plain loops over users, steps and items, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import DataError
from data.observation import Observation
from data.splits import split_users
from evaluation import metrics
from evaluation.protocols import base
from evaluation.protocols.base import PolicyError, ask, check_answerable
from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol

WINDOW = 4


def split(ratings, user, protocol):
    """The user's (item, rating) pairs that are known, and the others."""
    row = ratings.row(user)
    log = list(zip(ratings.items[row].tolist(), ratings.values[row].tolist(), strict=True))
    cut = WINDOW if protocol.name in ("catalog", "session") else int(0.8 * len(log))
    return log[:cut], log[cut:]


def play(ratings, policy, user, protocol, candidates, answer):
    """Items, ratings (NaN: unrated) and rewards of one user, the slow way."""
    early = split(ratings, user, protocol)[0]
    shown: list[tuple] = []
    scores, free = None, sorted(set(candidates))
    while free and len(shown) < protocol.steps:
        if scores is None or (policy.adaptive and protocol.sequential):
            scores = policy.scores(observed(ratings, user, protocol, early, shown), None)[0]
        item = max(free, key=lambda candidate: (scores[candidate], -candidate))
        free.remove(item)
        rating = answer(item)
        reward = -0.5 if np.isnan(rating) else (rating - 3) / 2
        shown.append((item, rating, reward))
    return tuple(zip(*shown, strict=True))


def observed(ratings, user, protocol, early, shown):
    """What is known of a user after some recommendations (item, rating, reward)."""
    kept = early if protocol.name in ("catalog", "session") else [p for p in early if p[1] >= 4]
    window = ([(-1, 0.0)] * WINDOW + kept)[-WINDOW:]
    window = (window + [(item, rating) for item, rating, reward in shown if reward > 0])[-WINDOW:]
    columns = [np.array([column]) for column in zip(*window, strict=True)]
    early = [np.array([[p[place] for p in early]]) for place in (0, 1)]
    since = [np.array([[s[place] for s in shown]]) for place in (0, 1, 2)]
    people = ratings.demographics[[user]]
    return Observation(np.array([user]), people, *columns, *early, *since)


def check_played(result, row, expected):
    """The row of a result is what the loop played."""
    items, answers, rewards = expected
    shown = result.items[row] >= 0
    assert result.items[row][shown].tolist() == list(items)
    np.testing.assert_allclose(result.ratings[row][shown], answers)
    np.testing.assert_allclose(result.rewards[row][shown], rewards, rtol=1e-6)


def hidden_answers(ratings, user, protocol):
    """The answers from what is hidden, and the items that may be shown."""
    early, late = (dict(part) for part in split(ratings, user, protocol))
    free = late if protocol.name == "rerank" else set(range(ratings.n_items)) - set(early)
    return free, lambda item: late.get(item, np.nan), late


def until_misses(rewards, patience):
    """The total of a user who leaves after so many misses in a row."""
    total = missed = 0
    for reward in rewards:
        total, missed = total + reward, 0 if reward > 0 else missed + 1
        if missed == patience:
            break
    return total


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("kind", [CatalogProtocol, SessionProtocol, RerankProtocol])
def test_lists_are_those_of_the_loop(toy, tied, kind, adaptive):
    protocol = kind(toy, window=WINDOW, ks=(3, 6))
    result = protocol.run(tied(adaptive))
    for row, user in enumerate(protocol.eval_users):
        free, answer, late = hidden_answers(toy, user, protocol)
        expected = play(toy, tied(adaptive), user, protocol, free, answer)
        check_played(result, row, expected)
        hits = [rating >= 4 for rating in expected[1]]
        measured = {key: values[row] for key, values in result.per_user.items()}
        assert measured["precision@3"] == pytest.approx(sum(hits[:3]) / 3)  # also of fewer than 3
        assert measured["hit_rate@3"] == any(hits[:3])
        if kind is not CatalogProtocol:
            assert measured["reward@3"] == pytest.approx(sum(expected[2][:3]))
            assert measured["reward@6"] == pytest.approx(sum(expected[2]))
        if kind is SessionProtocol:
            assert measured["patience_reward@6"] == pytest.approx(until_misses(expected[2], 3))
        else:
            relevant = sum(value >= 4 for value in late.values())
            assert measured["recall@6"] == pytest.approx(sum(hits) / max(relevant, 1))
            ndcg = metrics.ndcg_at_k([(hits + [False] * 6)[:6]], 6, [relevant])[0]
            assert measured["ndcg@6"] == pytest.approx(ndcg)
        if kind is RerankProtocol:
            padded = [[*expected[1], *[np.nan] * 6][:6]]
            assert measured["ndcg_self@6"] == pytest.approx(metrics.ndcg_self_at_k(padded, 6)[0])


@pytest.mark.parametrize("scale", [(0.0, 5000.0), (-10.0, 10.0)])
def test_metrics_do_not_depend_on_the_scale(toy, tied, scale):
    def put(stars):
        return scale[0] + (stars - 1) / 4 * (scale[1] - scale[0])

    values, threshold = put(toy.values).astype(np.float32), put(toy.positive_threshold)
    other = replace(toy, values=values, scale=scale, positive_threshold=threshold)
    results = [RerankProtocol(r, window=WINDOW, ks=(3, 6)).run(tied(False)) for r in (toy, other)]
    for key, expected in results[0].per_user.items():
        np.testing.assert_allclose(results[1].per_user[key], expected, rtol=1e-5, err_msg=key)


class HalfStars:
    """Predicts beyond the scale, by user and item."""

    def rating(self, users, items):
        return ((users[:, None] * 5 + items * 3) % 13) / 2.0 - 0.25


@pytest.mark.parametrize(("adaptive", "known"), [(False, True), (True, True), (True, False)])
def test_the_simulator_plays_as_the_loop_does(toy, tied, adaptive, known):
    simulator = SimulatorProtocol(toy, HalfStars(), window=WINDOW, ks=(6,), known_items=known)
    result, total = simulator.run(tied(adaptive)), 0.0
    for row, user in enumerate(simulator.eval_users):
        early, late = split(toy, user, simulator)

        def answer(item, logged=dict(early + late), user=user):  # noqa: B006
            guess = HalfStars().rating(np.array([user]), np.array([[item]]))[0, 0]
            return logged.get(item, min(max(guess, 1.0), 5.0))

        gone = set() if known else {item for item, _ in early}
        candidates = sorted(set(range(toy.n_items)) - gone)
        expected = play(toy, tied(adaptive), user, simulator, candidates, answer)
        check_played(result, row, expected)
        total += sum(expected[2])
        assert result.per_user["reward@6"][row] == pytest.approx(sum(expected[2]), abs=1e-6)
    assert result.per_user["total_reward"].mean() == pytest.approx(total)
    assert simulator.headline_keys == ("total_reward", "precision@6")


def test_users_with_nothing_to_find_are_counted(toy):
    for known in (1, 4, 12):
        catalog = CatalogProtocol(toy, window=known)
        late = [toy.values[toy.row(user)][known:] for user in catalog.eval_users]
        assert catalog.n_without_relevant == sum((ratings < 4).all() for ratings in late)
        check_answerable(catalog, "toy")
    with pytest.raises(DataError, match=r"toy: none of the 6 users .* a smaller known"):
        check_answerable(CatalogProtocol(toy, window=30), "toy")


def test_users_of_the_default_split_and_explicit_ones(toy, tied):
    train, test = split_users(toy.n_users)
    catalog = CatalogProtocol(toy)
    assert catalog.eval_users.tolist() == test.tolist()
    assert catalog.visible.lengths[test].sum() == 0
    assert catalog.visible.lengths[train].tolist() == toy.lengths[train].tolist()
    start = catalog.start(np.array([2, 0]))
    assert start.users.tolist() == test[[2, 0]].tolist() == start.demographics[:, 0].tolist()
    session = SessionProtocol(toy, np.array([0, 5, 9]), np.array([2, 7]), window=WINDOW)
    assert np.flatnonzero(session.visible.lengths).tolist() == [0, 5, 9]
    assert session.evaluate(tied())["reward@10"].shape == (2,)
    with pytest.raises(ValueError, match="1 users both train and are evaluated, first 5"):
        CatalogProtocol(toy, np.array([0, 5]), np.array([5]))


def test_static_policies_are_asked_once_adaptive_ones_each_step(toy, tied):
    asked = [(SessionProtocol, False, 1), (SessionProtocol, True, 7), (CatalogProtocol, True, 1)]
    for kind, adaptive, expected in asked:
        policy = tied(adaptive)
        kind(toy, window=WINDOW, ks=(7,)).run(policy)
        assert len(policy.asked) == expected


def test_a_policy_with_a_longer_window_keeps_what_was_known(toy, tied):
    session = SessionProtocol(toy, window=WINDOW, ks=(6,))
    policy = tied(adaptive=True)
    policy.min_window = WINDOW + 6
    result = session.run(policy)
    start, last = policy.asked[0][0], policy.asked[-1][0]
    liked = (result.rewards[:, :-1] > 0).sum(axis=1)
    assert liked.any()
    for user, count in enumerate(liked):
        known = start.window_items[user][start.window_items[user] >= 0].tolist()
        window = last.window_items[user][last.window_items[user] >= 0].tolist()
        assert window[: len(known)] == known and len(window) == len(known) + count


def test_a_catalogue_that_runs_out(make_toy, tied):
    small = make_toy(n_items=30)
    session = SessionProtocol(small, window=WINDOW, ks=(40,))
    result = session.run(tied(adaptive=True, n_items=30))
    shown = result.items >= 0
    known = np.minimum(small.lengths[session.eval_users], WINDOW)
    assert shown.sum(axis=1).tolist() == (30 - known).tolist()
    assert (result.rewards[~shown] == 0).all()
    for row in result.items:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def test_transductive_mode_shows_everything_and_says_so(toy):
    catalog = CatalogProtocol(toy, mode="transductive")
    assert catalog.visible is toy
    assert "LEAKY" in catalog.label and "LEAKY" not in CatalogProtocol(toy).label
    with pytest.raises(ValueError, match="'both'"):
        CatalogProtocol(toy, mode="both")


def test_oracles_bound_the_rest(toy, tied):
    session = SessionProtocol(toy, window=WINDOW, ks=(5,))
    simulator, rerank = SimulatorProtocol(toy, HalfStars()), RerankProtocol(toy)
    for protocol, key in (
        (session, "reward@5"),
        (simulator, "total_reward"),
        (rerank, "precision@5"),
    ):
        best = protocol.evaluate(protocol.oracle())[key]
        assert (best >= protocol.evaluate(tied())[key]).all()
        assert best.sum() > protocol.evaluate(tied())[key].sum()
    best = session.evaluate(session.oracle())["reward@5"]
    for row, user in enumerate(session.eval_users):
        rewards = [(value - 3) / 2 for _, value in split(toy, user, session)[1]]
        assert best[row] == pytest.approx(sum(sorted(rewards + [-0.5] * 5, reverse=True)[:5]))


@pytest.mark.parametrize("kind", [CatalogProtocol, SessionProtocol])
def test_few_users_are_asked_about_at_a_time_where_that_is_wanted(toy, tied, kind, monkeypatch):
    protocol, together = kind(toy, window=WINDOW, ks=(3,)), tied(adaptive=True)
    expected = protocol.run(together).items
    assert together.asked[0][0].n_users == protocol.n_users > 2
    patient = tied(adaptive=True)
    patient.users_per_batch = 1
    np.testing.assert_array_equal(protocol.run(patient).items, expected)
    assert {observation.n_users for observation, _ in patient.asked} == {1}
    for scores, users in ((2 * toy.n_items, 2), (toy.n_items - 1, 1)):  # one is asked about anyhow
        monkeypatch.setattr(base, "SCORES_PER_BATCH", scores)
        policy = tied(adaptive=True)
        np.testing.assert_array_equal(protocol.run(policy).items, expected)
        assert {observation.n_users for observation, _ in policy.asked} == {users}


def test_rerank_candidates_say_nothing_about_time(toy, tied):
    policy, rerank = tied(adaptive=True), RerankProtocol(toy, window=WINDOW)
    rerank.run(policy)
    for observation, candidates in policy.asked:
        for user, row in zip(observation.users, candidates, strict=True):
            real = row[row >= 0]
            assert real.tolist() == sorted(item for item, _ in split(toy, user, rerank)[1])
            assert (row[len(real) :] == -1).all()


def test_chance_is_the_mean_of_random_orders(toy):
    rerank, rng = RerankProtocol(toy, window=WINDOW, ks=(3,)), np.random.default_rng(0)

    class Random:
        name, adaptive = "random", False

        def scores(self, observation, candidates):
            return rng.random(candidates.shape)

    drawn = np.mean([rerank.evaluate(Random())["precision@3"] for _ in range(400)], axis=0)
    np.testing.assert_allclose(drawn, rerank.chance(3), atol=0.08)
    assert drawn.mean() == pytest.approx(rerank.chance(3).mean(), abs=0.005)


class Fixed:
    name = "fixed"
    adaptive = False

    def __init__(self, answer):
        self.answer = answer

    def scores(self, observation, candidates):
        return self.answer


@pytest.fixture
def two_users():
    nothing = np.empty((2, 0), np.int32)
    return Observation.start(np.array([4, 8]), nothing, nothing, nothing, window=1)


def test_nan_is_an_error_that_names_policy_user_and_item(two_users):
    answer = np.zeros((2, 3))
    answer[1, 2] = np.nan
    with pytest.raises(PolicyError, match=r"'fixed' returned NaN 1 times.*user 8 and item 2"):
        ask(Fixed(answer), two_users, None, 3)
    candidates = np.array([[0, -1], [1, 2]])
    with pytest.raises(PolicyError, match="user 4 and item 0"):
        ask(Fixed(np.array([[np.nan, 0], [0, 0]])), two_users, candidates, 3)


def test_infinite_scores_stay_candidates(two_users):
    answer = np.array([[-np.inf, 0, np.inf], [0, 0, 0]], np.float32)
    scores = ask(Fixed(answer), two_users, None, 3)
    assert metrics.top_k(scores, 3).tolist() == [[2, 1, 0], [0, 1, 2]]
    assert np.isneginf(answer[0, 0])  # the policy's own array is not touched
