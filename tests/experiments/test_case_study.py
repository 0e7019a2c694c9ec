"""A case study shows the user's own history, ratings and titles, of users chosen by a rule."""

import json

import numpy as np
import pytest

import evaluate
from data import load_dataset
from evaluation import probes
from evaluation.protocols.new_users import SessionProtocol
from experiments import case_study


class Liked:
    """Scores items by their number, from one end or the other."""

    adaptive = False

    def __init__(self, name, sign):
        self.name, self.sign = name, sign

    def scores(self, observation, candidates):
        return np.tile(self.sign * np.arange(80, dtype=np.float32), (observation.n_users, 1))


@pytest.fixture(scope="module")
def data(tiny_root):
    return load_dataset("ml-1m", tiny_root)


def test_a_case_shows_history_titles_and_ratings(data):
    session = SessionProtocol(data, ks=(10,))
    _, results = probes.compare("tiny", session, [Liked("up", 1), Liked("down", -1)])
    user = int(np.argmax(results["up"].rewards.sum(axis=1)))
    text = case_study.case(data, session, results, user, first=10)
    owner = int(session.eval_users[user])
    mine = {int(i): float(v) for i, v in zip(*rows(data, owner), strict=True)}
    history = [line for line in text.splitlines() if line.startswith("- ")]
    first = data.items[data.row(owner)][:10]
    assert [line.split("  ", 1)[1] for line in history] == [
        f"{data.titles[item]} (Drama)" for item in first
    ]
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert table[0] == ["up", "down"] and len(table) == 2 + 10 + 1
    for rank, cells in enumerate(table[2:-1]):
        assert cells[0] == str(rank + 1)
        for name, cell in zip(("up", "down"), cells[1:], strict=True):
            item = int(results[name].items[user, rank])
            rating = mine.get(item)
            assert data.titles[item] in cell
            assert cell.strip("*").split()[0] == ("-" if rating is None else f"{rating:g}")
            assert cell.startswith("**") == (rating is not None and rating >= 4)
    assert any(cell.startswith("**") for cells in table[2:-1] for cell in cells)
    assert table[-1][1] == f"{results['up'].rewards[user].sum():+.1f}"


def rows(data, user):
    return data.items[data.row(user)], data.values[data.row(user)]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A run that acts like `Liked`."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"protocol": ["catalog", "session"]}))
    monkeypatch.setattr(evaluate, "load_run", lambda name, *_: Liked(name, 1))
    return folder


def test_the_command_shows_the_users_at_the_quantiles(run_folder, tiny_root, tmp_path, capsys):
    page = tmp_path / "page.md"
    flags = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--weights", str(run_folder)]
    flags += ["--policies", "popularity", "oracle", "--cache-dir", str(tmp_path)]
    assert case_study.main([*flags, "--quantiles", "0", "1", "--markdown", str(page)]) == 0
    text = page.read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    assert text.count("|  | drr | popularity | oracle |") == 2
    session = SessionProtocol(load_dataset("ml-1m", tiny_root))
    rewards = session.run(Liked("drr", 1)).per_user["reward@10"]
    worst, best = int(np.argmin(rewards)), int(np.argmax(rewards))
    shown = [line.split()[1] for line in text.splitlines() if line.startswith("User ")]
    assert shown == [str(session.eval_users[user] + 1) for user in (worst, best)]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--quantiles", "0.5", "2"), "must be from 0 to 1"),
        (("--weights", "nowhere"), "nowhere"),
        (("--policies", "populartiy"), "did you mean 'popularity'"),
    ],
)
def test_what_cannot_be_shown_is_one_line(flags, message, run_folder, tiny_root, capsys):
    data = ["--dataset", "ml-1m", "--data-root", str(tiny_root)]
    assert case_study.main([*data, "--weights", str(run_folder), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
