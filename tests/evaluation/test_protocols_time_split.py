"""`rerank` and `simulator` against plain loops."""

import numpy as np
import pytest

from evaluation import metrics
from evaluation.policy import States
from evaluation.protocols.rerank import Rerank
from evaluation.protocols.simulator import Simulator

WINDOW = 3


def split(ratings, user):
    """The user's (item, rating) pairs before and after the cut."""
    row = ratings.row(user)
    log = list(zip(ratings.items[row].tolist(), ratings.values[row].tolist(), strict=True))
    cut = int(0.8 * len(log))
    return log[:cut], log[cut:]


def begin(ratings, user):
    early, _ = split(ratings, user)
    return States.begin(
        np.array([user]),
        np.array([0, len(early)]),
        np.array([item for item, _ in early]),
        np.array([value for _, value in early]),
        window=WINDOW,
        n_items=ratings.n_items,
        positive_from=4.0,
    )


def play(ratings, policy, user, steps, candidates, answer):
    """Items and answers of one user, the slow way; answer(item) -> rating."""
    states, left = begin(ratings, user), set(candidates)
    scores = policy.scores(states, None)[0]
    played, answers = [], []
    while left and len(played) < steps:
        if policy.adaptive:
            scores = policy.scores(states, None)[0]
        item = max(left, key=lambda candidate: (scores[candidate], -candidate))
        left.remove(item)
        played.append(item)
        answers.append(answer(item))
        rating = np.array([answers[-1]])
        states = states.after(np.array([item]), rating, rating > 3)
    return played, answers


@pytest.mark.parametrize("adaptive", [False, True])
def test_rerank_plays_as_the_loop_does(toy, tied, adaptive):
    rerank = Rerank(toy, window=WINDOW, ks=(2, 4))
    result = rerank.run(tied(adaptive))
    assert rerank.n_users == toy.n_users
    for row, user in enumerate(rerank.eval_users):
        late = dict(split(toy, user)[1])
        items, answers = play(toy, tied(adaptive), user, 4, late, late.get)
        shown = result.items[row] >= 0
        assert result.items[row][shown].tolist() == items
        assert result.ratings[row][shown].tolist() == answers
        hits = sum(value >= 4 for value in answers[:4])
        relevant = sum(value >= 4 for value in late.values())
        measured = {key: values[row] for key, values in result.per_user.items()}
        assert measured["precision@4"] == hits / 4  # also with fewer than 4 candidates
        assert measured["recall@4"] == pytest.approx(hits / relevant if relevant else 0)
        assert measured["reward@4"] == pytest.approx(sum((value - 3) / 2 for value in answers))
        padded = [[*answers, *[np.nan] * 4][:4]]
        assert measured["ndcg_self@4"] == pytest.approx(metrics.ndcg_self_at_k(padded, 4)[0])


def test_rerank_candidates_say_nothing_about_time(toy, tied):
    policy = tied(adaptive=True)
    Rerank(toy, window=WINDOW).run(policy)
    for states, candidates in policy.asked:
        for user, row in zip(states.users, candidates, strict=True):
            real = row[row >= 0]
            assert real.tolist() == sorted(item for item, _ in split(toy, user)[1])
            assert (row[len(real) :] == -1).all()


def test_rerank_states_hold_the_training_part(toy):
    states = Rerank(toy, window=WINDOW).start()
    for row, user in enumerate(states.users):
        known = slice(states.offsets[row], states.offsets[row + 1])
        early = split(toy, user)[0]
        assert states.items[known].tolist() == [item for item, _ in early]
        positives = [item for item, value in early if value >= 4]
        assert states.window_items[row].tolist() == ([-1] * WINDOW + positives)[-WINDOW:]


def test_chance_is_the_mean_of_random_orders(toy):
    rerank = Rerank(toy, window=WINDOW, ks=(3,))
    rng = np.random.default_rng(0)

    class Random:
        name, adaptive = "random", False

        def scores(self, states, candidates):
            return rng.random(candidates.shape)

    drawn = np.mean([rerank.evaluate(Random())["precision@3"] for _ in range(400)], axis=0)
    np.testing.assert_allclose(drawn, rerank.chance(3), atol=0.08)
    assert drawn.mean() == pytest.approx(rerank.chance(3).mean(), abs=0.005)


def test_users_without_a_rating_are_not_evaluated(toy, tied):
    rerank = Rerank(toy.of_users(np.array([3, 4])), window=WINDOW)
    assert rerank.eval_users.tolist() == [3, 4]
    assert rerank.evaluate(tied())["precision@5"].shape == (2,)
    assert Rerank(toy, np.array([6]), window=WINDOW).n_users == 1


class HalfStars:
    """Predicts beyond the scale, by user and item."""

    def rating(self, users, items):
        return ((users[:, None] * 5 + items * 3) % 13) / 2.0 - 0.25


@pytest.mark.parametrize("adaptive", [False, True])
def test_simulator_plays_as_the_loop_does(toy, tied, adaptive):
    simulator = Simulator(toy, HalfStars(), window=WINDOW, ks=(6,))
    result = simulator.run(tied(adaptive))
    total = 0.0
    for row, user in enumerate(simulator.eval_users):
        early, late = split(toy, user)
        logged = dict(early + late)

        def answer(item, logged=logged, user=user):
            guess = HalfStars().rating(np.array([user]), np.array([[item]]))[0, 0]
            return logged.get(item, min(max(guess, 1.0), 5.0))

        items, answers = play(toy, tied(adaptive), user, 6, range(toy.n_items), answer)
        assert result.items[row].tolist() == items
        np.testing.assert_allclose(result.ratings[row], answers)
        total += sum((value - 3) / 2 for value in answers)
        assert result.per_user["reward@6"][row] == pytest.approx(
            sum((value - 3) / 2 for value in answers)
        )
    assert result.per_user["total_reward"].mean() == pytest.approx(total)
    assert simulator.headline_keys == ("total_reward", "precision@6")


def test_simulated_users_may_be_shown_what_they_rated_in_training(toy, tied):
    simulator = Simulator(toy, HalfStars(), window=WINDOW, ks=(toy.n_items,))
    result = simulator.run(tied())
    assert (np.sort(result.items, axis=1) == np.arange(toy.n_items)).all()


def test_oracles_bound_the_rest(toy, tied):
    simulator = Simulator(toy, HalfStars(), window=WINDOW)
    rerank = Rerank(toy, window=WINDOW)
    for protocol, key in ((simulator, "total_reward"), (rerank, "precision@5")):
        best = protocol.evaluate(protocol.oracle())[key]
        assert (best >= protocol.evaluate(tied())[key]).all()
        assert best.sum() > protocol.evaluate(tied())[key].sum()
