"""`engagement` against a loop over users and steps, and what a policy told the rule gains."""

import json
from dataclasses import replace

import numpy as np
import pytest

import evaluate
from baselines import registry
from config import Boredom
from data.errors import DataError
from evaluation.protocols.new_users import EngagementProtocol

WINDOW, T = 4, 6


class Model:
    """Answers between 1 and 5 that depend on both; beyond the scale for some."""

    def rating(self, users, items):
        return ((users[:, None] * 7 + items * 3) % 50).astype(np.float32) / 8


@pytest.fixture
def protocol(make_toy):
    """Six categories, one or two to an item."""
    toy, rng = make_toy(), np.random.default_rng(0)
    genres = np.eye(6, dtype=bool)[rng.integers(0, 6, 40)] | (rng.random((40, 6)) < 0.1)
    names = tuple("abcdef")
    toy = replace(toy, genres=genres, genre_names=names)
    return EngagementProtocol(toy, Model(), window=WINDOW, boredom=Boredom(3, 1), max_steps=T)


def play(protocol, policy, ratings, user):
    """Items and rewards of one user, the slow way."""
    row = ratings.row(user)
    log = dict(zip(ratings.items[row].tolist(), ratings.values[row].tolist(), strict=True))
    observation = protocol.start(np.flatnonzero(protocol.eval_users == user))
    free = set(range(40)) - set(list(log)[:WINDOW])
    shown, rewards, scores, leaves = [], [], None, False
    while len(shown) < T and not leaves:
        if scores is None or policy.adaptive:
            scores = policy.scores(observation, None)[0]
        item = max(free, key=lambda candidate: (scores[candidate], -candidate))
        guess = float(np.clip(Model().rating(np.array([user]), np.array([[item]]))[0, 0], 1, 5))
        rating = log.get(item, guess)
        met = ratings.genres[shown[-3:]].sum(axis=0)
        leaves = (met[ratings.genres[item]] > 1).any()
        shown.append(item)
        rewards.append((rating - 3) / 2)
        free.remove(item)
        answer = np.array([item]), np.array([rating]), np.array(rewards[-1:])
        observation = observation.after(*answer)
    return shown, rewards


@pytest.mark.parametrize("adaptive", [False, True])
def test_sessions_and_keys_agree_with_a_loop(protocol, make_toy, tied, adaptive):
    policy, ratings = tied(adaptive), protocol_ratings(protocol, make_toy())
    result = protocol.run(policy)
    for row, user in enumerate(protocol.eval_users):
        shown, rewards = play(protocol, policy, ratings, user)
        assert result.items[row][result.items[row] >= 0].tolist() == shown
        measured = {key: values[row] for key, values in result.per_user.items()}
        total, length = sum(rewards), len(shown)
        expected = (total, length, total / length, float(length == T))
        assert tuple(measured) == protocol.headline_keys
        assert tuple(measured.values()) == pytest.approx(expected, rel=1e-5)
    lengths = result.per_user["length"]
    assert lengths.min() < T and len(set(lengths)) > 1


def protocol_ratings(protocol, toy):
    """All ratings, with the categories of the protocol."""
    visible = protocol.visible
    return replace(toy, genres=visible.genres, genre_names=visible.genre_names)


def test_told_the_rule_nobody_leaves_who_need_not_and_the_oracle_earns_more(protocol):
    names = ("mf", "mf-mmr", "mf-foresight")
    visible, rule = protocol.visible, protocol.boredom
    found = {n: registry.build(n, "engagement", visible, boredom=rule) for n in names}
    found["oracle"] = protocol.oracle()
    measured = {name: protocol.evaluate(policy) for name, policy in found.items()}
    means = {name: values["cumulative_reward"].mean() for name, values in measured.items()}
    assert measured["mf-foresight"]["full_session"].all()
    assert measured["oracle"]["full_session"].all()
    assert measured["mf-mmr"]["length"].mean() > measured["mf"]["length"].mean()
    assert means["oracle"] == max(means.values())


def test_the_command_writes_the_rule_and_warns_of_few_categories(toy, tmp_path, capsys):
    file = tmp_path / "out.json"
    flags = ["--dataset", "synthetic", "--protocol", "engagement", "--ks", "20"]
    flags += ["--policies", "popularity", "oracle", "--json", str(file)]
    assert evaluate.main([*flags, "--boredom", "50", "0"]) == 0
    found, printed = json.loads(file.read_text()), capsys.readouterr()
    assert found["boredom"] == {"window": 50, "most": 0} and found["max_steps"] == 20
    assert set(found["policies"]["popularity"]) == set(EngagementProtocol.headline_keys)
    assert "categories are too few for --boredom 50 0: the best session has at most" in printed.err
    assert "oracle (told)" in printed.out
    bare = replace(toy, genres=np.zeros((40, 0), bool), genre_names=())
    with pytest.raises(DataError, match="toy: the items have no categories"):
        EngagementProtocol(bare, Model())
