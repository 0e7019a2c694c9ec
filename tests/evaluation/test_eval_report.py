"""Tables, JSON, Markdown and episodes from results with known numbers."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol
from evaluation.report import describe, episode, summarise


class Shifted:
    """Recommends ids upwards from `first`."""

    adaptive = False

    def __init__(self, name, first=0):
        self.name, self.first = name, first

    def scores(self, observation, candidates):
        order = (np.arange(40.0) - self.first) % 40
        return -np.tile(order, (observation.n_users, 1))


@pytest.fixture
def catalog(toy):
    return CatalogProtocol(toy, window=4, ks=(3,))


@pytest.fixture
def report(catalog):
    results = {
        "low": [catalog.run(Shifted("low"))],
        "drr": [catalog.run(Shifted("drr", first)) for first in (5, 9, 14)],
        "oracle": [catalog.run(catalog.oracle())],
    }
    return summarise("toy", catalog, results, trained=["drr"], seed=1), results


def test_json_has_the_documented_keys(report, catalog):
    content = json.loads(json.dumps(report[0].as_json(), allow_nan=False))
    assert content["dataset"] == "toy"
    assert (content["protocol"], content["mode"]) == ("catalog", "inductive")
    assert content["n_users"] == catalog.n_users
    low = content["policies"]["low"]["precision@3"]
    assert set(low) == {"mean", "ci95"}
    assert low["ci95"][0] <= low["mean"] <= low["ci95"][1]
    seeds = content["policies"]["drr"]["ndcg@3"]["seeds"]
    assert seeds["n"] == 3
    assert seeds["ci95"][0] <= seeds["mean"] <= seeds["ci95"][1]


def test_rows_are_sorted_and_the_bound_is_last_and_never_best(report):
    made, _ = report
    *means, bound = [row.users["precision@3"].mean for row in made.rows]
    assert means == sorted(means, reverse=True) and bound > means[0]
    assert made.rows[-1].label == "oracle (bound)"
    assert made.best("precision@3") == means[0]


def test_trained_policies_are_compared_with_the_best_baseline(report):
    made, results = report
    baseline, estimates = made.differences["drr"]
    assert baseline == "low"
    mine = np.mean([run.per_user["ndcg@3"].mean() for run in results["drr"]])
    theirs = results["low"][0].per_user["ndcg@3"].mean()
    assert estimates["ndcg@3"].mean == pytest.approx(mine - theirs)
    (line,) = made.difference_lines()
    assert line.startswith("drr - low: precision@3 ")


def test_table_and_markdown_mark_the_best(report):
    made, _ = report
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(made.as_table())
    text = console.export_text()
    assert "catalog (inductive)" in text
    assert "3 seeds" in text
    lines = made.as_markdown().splitlines()
    assert lines[2] == "| policy | precision@3 | ndcg@3 |"
    best = next(line for line in lines if line.startswith(f"| {made.rows[0].name} "))
    assert "**" in best
    assert "**" not in lines[-1]


def test_an_episode_shows_history_and_what_was_liked(toy):
    session = SessionProtocol(toy, window=4, ks=(5,))
    result = session.run(session.oracle())
    text = episode(toy, session, result, 0)
    user = session.eval_users[0]
    assert f"User {toy.user_ids[user]}, oracle" in text
    for item in toy.items[toy.row(user)][:4]:
        assert describe(toy, item) in text
    hits = result.ratings[0] >= 4
    assert text.count("liked") == hits.sum()
    dcg = sum(1 / math.log2(rank + 2) for rank in np.flatnonzero(hits))
    assert f"precision@5 {hits.mean():.2f}   DCG {dcg:.3f}" in text
    assert f"reward {result.rewards[0].sum():+.1f}" in text


def test_titles_cannot_command_the_terminal(toy):
    hostile = replace(toy, titles=("\x1b[2J\r\x9b31m",) * toy.n_items)
    session = SessionProtocol(hostile, window=4, ks=(5,))
    text = episode(hostile, session, session.run(session.oracle()), 0)
    assert "\ufffd[2J\ufffd\ufffd31m" in text and text.replace("\n", "").isprintable()
