"""`python -m experiments.long_term_value`: what it plays, whom it shows, and what it puts where."""

import json

import numpy as np
import pytest

from data import load_dataset
from evaluation import probes
from evaluation.protocols.new_users import SessionProtocol
from experiments import long_term_value, markers


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


@pytest.fixture(scope="module")
def data(tiny_root):
    return load_dataset("ml-1m", tiny_root)


@pytest.fixture
def flags(tiny_root, tmp_path, monkeypatch):
    """The command on a run that acts like `Reacting`; its outputs in tmp_path."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"protocol": ["catalog", "session"]}))
    monkeypatch.setattr(long_term_value, "load_run", lambda name, *_: Reacting(name))
    monkeypatch.setattr(markers, "DOCS", tmp_path)
    monkeypatch.setattr(long_term_value, "FIGURES", tmp_path / "figures")
    given = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--policies", "popularity"]
    given += ["--weights", str(folder), "--cache-dir", str(tmp_path / "cache")]
    return [*given, "--output-root", str(tmp_path / "new")]


def users_in(text):
    return [line.split()[1] for line in text.splitlines() if line.startswith("User ")]


def test_the_page_has_tables_and_the_best_median_and_worst_user(flags, data, tmp_path, capsys):
    page = tmp_path / "long-term-value.md"
    parts = ("rewards", "variety")
    stale = "".join(f"before\n<!-- {part} -->\nstale words\n<!-- end -->\n" for part in parts)
    page.write_text(stale)
    flags = [*flags, "--quantiles", "1", "0.5", "0"]
    assert long_term_value.main(flags) == 0
    assert page.read_text() == stale and not (tmp_path / "figures").exists()
    printed = capsys.readouterr().out
    assert long_term_value.main([*flags, "--write-docs"]) == 0
    text = page.read_text()
    assert "stale words" not in text and text.count("before") == 2
    assert "| drr less drr-static |" in text and "| drr less popularity |" in text
    for folder in ("new", "figures"):
        picture = tmp_path / folder / "long-term-value.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    session = SessionProtocol(data)
    totals = session.run(Reacting("drr")).per_user["reward@20"]
    best, worst = int(np.argmax(totals)), int(np.argmin(totals))
    assert "| drr | drr-static |" in printed and f"drr's reward@20, {totals.max():.3g}." in printed
    shown = users_in(printed)
    assert len(shown) == 3
    assert [shown[0], shown[2]] == [str(session.eval_users[user] + 1) for user in (best, worst)]


def test_cases_show_every_policy_under_any_protocol(flags, data, capsys):
    cases = ["--cases", "--policies", "popularity", "oracle", "--quantiles", "0", "1"]
    assert long_term_value.main([*flags, *cases]) == 0
    text = capsys.readouterr().out
    assert text.count("|  | drr | popularity | oracle |") == 2
    session = SessionProtocol(data)
    rewards = session.run(Reacting("drr")).per_user["reward@10"]
    worst, best = int(np.argmin(rewards)), int(np.argmax(rewards))
    assert users_in(text) == [str(session.eval_users[user] + 1) for user in (worst, best)]
    assert long_term_value.main([*flags, *cases, "--protocol", "catalog"]) == 0
    assert "drr's precision@5" in capsys.readouterr().out


def test_a_case_shows_history_titles_and_ratings(data):
    session = SessionProtocol(data, ks=(10,))
    policies = [Reacting("up"), probes.FixedList(Reacting("down"))]
    _, results = probes.compare("tiny", session, policies)
    user = int(np.argmax(results["up"].rewards.sum(axis=1)))
    text = long_term_value.case(data, session, results, user, first=10)
    owner = int(session.eval_users[user])
    items, values = data.items[data.row(owner)], data.values[data.row(owner)]
    mine = dict(zip(items.tolist(), values.tolist(), strict=True))
    history = [line for line in text.splitlines() if line.startswith("- ")]
    assert [line.split("  ", 1)[1] for line in history] == [
        f"{data.titles[item]} (Drama)" for item in items[:10]
    ]
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert table[0] == ["up", "down-static"] and len(table) == 2 + 10 + 1
    for rank, cells in enumerate(table[2:-1]):
        assert cells[0] == str(rank + 1)
        for result, cell in zip(results.values(), cells[1:], strict=True):
            item = int(result.items[user, rank])
            rating = mine.get(item)
            assert data.titles[item] in cell
            assert cell.strip("*").split()[0] == ("-" if rating is None else f"{rating:g}")
            assert cell.startswith("**") == (rating is not None and rating >= 4)
    assert any(cell.startswith("**") for cells in table[2:-1] for cell in cells)
    assert table[-1][1] == f"{results['up'].rewards[user].sum():+.1f}"


def test_engagement_is_set_beside_the_best_sessions(flags, capsys):
    flags = [*flags, "--protocol", "engagement", "--users", "4"]
    assert long_term_value.main([*flags, "--policies", "oracle"]) == 0
    table = capsys.readouterr().out
    assert "engagement, boredom 10 0, 4 users" in table
    oracle, best = (
        float(next(line for line in table.splitlines() if name in line).split("|")[2].split()[0])
        for name in ("oracle", "beam search")
    )
    assert best >= oracle - 0.01
