"""`python -m experiments.long_term_value`: what it plays, and what it puts where."""

import json

import numpy as np
import pytest

import evaluate
from data import load_dataset
from evaluation.protocols.new_users import SessionProtocol
from experiments import long_term_value
from experiments.leaderboard import insert


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
    (folder / "config.json").write_text(json.dumps({"protocol": ["catalog", "session"]}))
    monkeypatch.setattr(evaluate, "load_run", lambda name, *_: Reacting(name))
    data = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--policies", "popularity"]
    return [*data, "--weights", str(folder), "--figure", str(tmp_path / "new" / "figure.png")]


def test_the_page_has_tables_and_the_best_median_and_worst_user(flags, tiny_root, tmp_path, capsys):
    page = tmp_path / "page.md"
    parts = ("rewards", "variety", "sessions")
    page.write_text(
        "".join(f"before\n<!-- {part} -->\nstale words\n<!-- end -->\n" for part in parts)
    )
    assert long_term_value.main([*flags, "--docs", str(page)]) == 0
    text = page.read_text()
    assert "stale words" not in text and text.count("before") == 3
    assert all(insert(text, part, "") != text for part in parts)
    assert "| drr less drr-static |" in text and "| drr less popularity |" in text
    assert (tmp_path / "new" / "figure.png").read_bytes().startswith(b"\x89PNG")
    session = SessionProtocol(load_dataset("ml-1m", tiny_root))
    totals = session.run(Reacting("drr")).per_user["reward@20"]
    best, worst = int(np.argmax(totals)), int(np.argmin(totals))
    shown = [line.split()[1] for line in text.splitlines() if line.startswith("User ")]
    assert len(shown) == 3
    assert [shown[0], shown[2]] == [str(session.eval_users[user] + 1) for user in (best, worst)]
    assert f"drr's reward@20, {totals.max():.3g}." in text
    assert "| drr | drr-static |" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [("--quantiles", "2"), ("--weights", "nowhere")])
def test_what_cannot_be_played_is_one_line(wrong, flags, capsys):
    assert long_term_value.main([*flags, *wrong]) == 2
    error = capsys.readouterr().err
    assert wrong[1] in error and error.count("\n") == 1
