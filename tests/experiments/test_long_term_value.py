"""`python -m experiments.long_term_value`: what it plays, whom it shows, and what it puts where."""

import itertools
import json
import re

import numpy as np
import pytest

from config import Boredom
from experiments import long_term_value


class Reacting:
    """Shows items by number, upwards while it is liked and downwards while it is not."""

    adaptive = True

    def __init__(self, name):
        self.name = name

    def scores(self, observation, candidates):
        liked = np.ones(observation.n_users, bool)
        if observation.shown_ratings.size:
            liked = observation.shown_ratings[:, -1] >= 4
        return (np.where(liked, 1, -1)[:, None] * np.arange(80)).astype(np.float32)


@pytest.fixture
def flags(tiny_root, tmp_path, monkeypatch):
    """The command on a run that acts like `Reacting`; its outputs in tmp_path."""
    folder = tmp_path / "run"
    folder.mkdir()
    saved = {"protocol": ["catalog", "session"], "agent": {"discount": 0.5}}
    (folder / "config.json").write_text(json.dumps(saved))
    monkeypatch.setattr(long_term_value, "load_run", lambda name, *_: Reacting(name))
    monkeypatch.setattr("evaluation.report.DOCS", tmp_path)
    monkeypatch.setattr(long_term_value, "FIGURES", tmp_path / "figures")
    given = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--policies", "popularity"]
    monkeypatch.chdir(tmp_path)
    return [*given, "--weights", str(folder), "--output-root", str(tmp_path / "new")]


def test_the_table_is_printed_and_the_figure_goes_where_asked_for(flags, tmp_path, capsys):
    assert long_term_value.main(flags) == 0
    table = capsys.readouterr().out
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert rows[0] == ["policy", "reward", "lead of drr"] and rows[2][0] == "drr"
    means = {name: [float(cell.split()[0]) for cell in cells] for name, *cells in rows[2:]}
    assert means.keys() == {"drr", "drr-static", "popularity"} and means["drr"][1] == 0
    expected = means["drr"][0] - means["popularity"][0]
    assert means["popularity"][1] == pytest.approx(expected, abs=0.011)
    assert not (tmp_path / "figures").exists()
    assert long_term_value.main([*flags, "--write-docs"]) == 0
    for folder in ("new", "figures"):
        picture = tmp_path / folder / "long-term-value.png"
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_engagement_sets_discounts_beside_others_and_the_best_sessions(flags, tmp_path, capsys):
    flags = [*flags, "--protocol", "engagement", "--users", "4"]
    page = tmp_path / "long-term-value.md"
    page.write_text("before\n<!-- discount -->\nstale words\n<!-- end -->\n")
    assert long_term_value.main([*flags, "--write-docs", "--policies", "mf", "oracle"]) == 0
    text = page.read_text()
    assert "stale words" not in text and text.startswith("before") and "discount 0.5, told" in text
    table, best = capsys.readouterr().out.split("engagement, boredom 10 0, 4 users")
    rewards = [
        {
            cells[1].strip(" *"): float(re.findall(r"-?[0-9.]+", cells[2])[0])
            for cells in (line.split("|") for line in part.splitlines() if "." in line)
        }
        for part in (table, best)
    ]
    assert rewards[0]["drr, discount 0.5, told"] >= rewards[0]["drr, discount 0.5"]
    assert rewards[1]["beam search"] >= rewards[1]["oracle"] - 0.01
    assert (tmp_path / "new" / "engagement.png").read_bytes().startswith(b"\x89PNG")


def best_by_trying(rewards, categories, rule, steps):
    """Every sequence of items: the highest total until the user leaves."""
    totals = []
    for order in itertools.permutations(np.flatnonzero(np.isfinite(rewards)), steps):
        total = 0.0
        for place, item in enumerate(order):
            total += rewards[item]
            totals.append(total)
            before = categories[list(order[max(place - rule.window, 0) : place])].sum(axis=0)
            if (before[categories[item]] > rule.most).any():
                break
    return max(totals)


@pytest.mark.parametrize("rule", [Boredom(10, 0), Boredom(2, 0), Boredom(3, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_the_beam_search_finds_the_best_order_of_a_small_catalogue(rule, seed):
    rng = np.random.default_rng(seed)
    categories = rng.random((8, 4)) < 0.4
    rewards = rng.uniform(-0.2, 1, 8)
    rewards[2] = -np.inf
    found = long_term_value.beam_search(rewards, categories, rule, 4)
    assert found == pytest.approx(best_by_trying(rewards, categories, rule, 4))
