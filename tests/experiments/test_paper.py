"""`python -m experiments.paper`: what is asked, trained once, and written."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import evaluate
from evaluation.intervals import Estimate
from evaluation.report import Report, Row
from experiments import leaderboard, paper, paper_readings


@pytest.fixture
def trained(monkeypatch) -> list[list[str]]:
    """The commands that would have been run; each leaves a finished run."""
    commands = []

    def run(command, check):
        assert check
        commands.append(command[2:])
        folder = Path(value(command, "--output-root")) / value(command, "--run-name")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text("{}")

    monkeypatch.setattr(leaderboard.subprocess, "run", run)
    return commands


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def report(question: evaluate.EvaluateArguments) -> Report:
    """A row for every policy asked about: .1, .2, ... for all of its metrics."""
    runs = dict.fromkeys(run.partition("=")[0] for run in question.weights)
    keys = ("precision@5", "precision@10", "ndcg_self@5", "ndcg_self@10", "ndcg@5", "ndcg@10")
    keys += ("total_reward", *(f"reward@{k}" for k in question.ks))
    rows = []
    for place, name in enumerate([*question.policies, *runs]):
        mean = 0.1 * (place + 1)
        users = {key: Estimate(mean, mean - 0.01, mean + 0.01) for key in keys}
        several = sum(run.startswith(f"{name}=") for run in question.weights) > 1
        seeds = {key: Estimate(mean, 0.0, 1.0, 2) for key in keys if several}
        rows.append(Row(name, users, seeds, 0.0))
    mode = question.agent_mode
    return Report("toy", question.protocol, mode, "label", 9, 0, (), tuple(rows), {})


@pytest.fixture
def asked(monkeypatch) -> list[evaluate.EvaluateArguments]:
    """What evaluate.py was asked."""
    questions: list[evaluate.EvaluateArguments] = []
    monkeypatch.setattr(evaluate, "run", lambda q: questions.append(q) or report(q))
    return questions


@pytest.fixture
def page(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("evaluation.report.DOCS", tmp_path)
    monkeypatch.setattr(paper, "FIGURES", tmp_path / "figures")
    file = tmp_path / "paper.md"
    names = ("table 2 ml-100k", "table 6 ml-100k", "table 6 ml-1m", "saturation", "cures")
    file.write_text("".join(f"<!-- {name} -->\nold\n<!-- end -->\nkept\n" for name in names))
    return file


def arguments(page: Path, **changes) -> paper.PaperArguments:
    return paper.PaperArguments(output_root=page.parent / "runs", **changes)


def test_a_table_trains_every_state_and_seed_once(trained, asked, page):
    paper.main(arguments(page, table=2, seeds=2, steps=3000))
    assert len(trained) == 8 and len({value(c, "--run-name") for c in trained}) == 8
    assert {(value(c, "--agent.state"), value(c, "--seed")) for c in trained} == {
        (state, seed) for state in paper.STATES for seed in "01"
    }
    for command in trained:
        assert value(command, "--protocol") == "rerank" and value(command, "--steps") == "3000"
        assert value(command, "--preset") == "paper" and value(command, "--dataset") == "ml-100k"
    paper.main(arguments(page, table=2, seeds=2, steps=3000))
    assert len(trained) == 8
    paper.main(arguments(page, table=2, seeds=3, steps=3000))
    assert len(trained) == 12
    assert len(asked[-1].weights) == 12 and asked[-1].agent_mode == "frozen"


def test_the_tables_stand_between_their_markers_beside_the_papers_numbers(
    trained, asked, page, capsys
):
    old = page.read_text()
    paper.main(arguments(page, table=2, seeds=2))
    assert page.read_text() == old
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if line.startswith("| pmf ")]
    cells = [cell.strip() for cell in line.split("|")[2:-1]]
    assert cells[:2] == ["0.4000 [.390 .410]", "0.6988 (-0.2988)"]
    assert cells[2:4] == ["0.4000 [.390 .410]", "0.6194 (-0.2194)"]
    assert len(cells) == 10 and "(" not in "".join(cells[8:])  # standard NDCG is not in the paper
    (line,) = [line for line in printed.splitlines() if line.startswith("| random ")]
    assert line.split("|")[3].strip() == ""
    paper.main(arguments(page, table=2, seeds=2, write_docs=True))
    text = page.read_text()
    assert text.count("old") == 4 and text.count("kept") == 5
    assert "| pmf | 0.4000 [.390 .410] | 0.6988 (-0.2988) |\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| drr-ave ")]
    assert "**0.9000** [.890 .910]<br>2 seeds [.000 1.00] | 0.7887 (+0.1113)" in line


def test_table_6_measures_frozen_and_learning_runs(trained, asked, page, capsys):
    small = {"table": 6, "seeds": 2, "datasets": ("ml-100k",), "write_docs": True}
    paper.main(arguments(page, **small))
    frozen, online = asked
    assert (frozen.agent_mode, online.agent_mode) == ("frozen", "online")
    assert len(frozen.weights) == len(online.weights) == 8 and online.policies == ()
    text = page.read_text()
    assert "| drr-ave | " in text and "-online" not in text and text.count("old") == 4
    assert "3,252" in text and "1,958" in text
    assert "| drr-ave-online | " in capsys.readouterr().out


def test_cures_are_measured_in_reranking_and_for_new_users(trained, asked, page):
    paper.main(arguments(page, study=("cures",), seeds=2, datasets=("ml-1m",), write_docs=True))
    assert [question.protocol for question in asked] == ["rerank", "catalog"]
    assert len(trained) == 2 * 2 * len(paper.CURES)
    lines = page.read_text().splitlines()
    assert "| precision@5 | ml-1m, rerank | ml-1m, catalog |" in lines
    (line,) = [line for line in lines if line.startswith("| item-knn ")]
    assert line.split(" | ")[1:] == ["", "0.2000 [.190 .210] |"]


def test_figure_7_varies_the_episode_length_alone(trained, asked, page, capsys):
    paper.main(arguments(page, figure=7, seeds=1, write_docs=True))
    assert [value(c, "--env.episode-length") for c in trained] == ["5", "10", "20", "30"]
    assert [value(c, "--loop.updates-per-rollout") for c in trained] == ["160", "320", "640", "960"]
    assert asked[0].ks == (5, 10, 20, 30)
    assert "| drr-ave-T5 | 0.1000" in capsys.readouterr().out
    for folder in ("figures", "runs"):
        picture = page.parent / folder / "paper-figure-7.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    # T = 10 is the cell of table 6
    paper.main(arguments(page, table=6, seeds=1, datasets=("ml-100k",)))
    assert len(trained) == 4 + 3


def test_a_table_of_readings_begins_with_the_paper(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(paper_readings, "LEAST", (0, 5))
    monkeypatch.setattr(paper_readings, "CACHE", tmp_path)
    lines = paper_readings.readings(tiny, paper.TABLES[2][0].paper).splitlines()
    assert lines[2] == "| the paper |  | 0.6933 | 0.6988 | 0.7034 |"
    assert lines[3].startswith(f"| last fifth, {(tiny.lengths > 0).sum()} users with 0 or more |")
    assert len(lines) == 7 and all(line.count("|") == 6 for line in lines)


def test_an_actor_in_the_corners_is_saturated_and_one_that_moves_is_not():
    agent = SimpleNamespace(table=SimpleNamespace(items=np.eye(20)[:, :4]))

    def alikeness(actions):
        policy = SimpleNamespace(agent=agent, actions=lambda _: np.array(actions))
        return paper_readings.alikeness(policy, None)

    assert alikeness([[1.0, -1, 1, 0.9995]] * 2) == (1.0, 0.0, 1.0)
    saturated, spread, _ = alikeness([[0.5, 0, 1, 0], [-0.5, 0, 1, 0]])
    assert (saturated, spread) == (0.25, 0.125)


@pytest.mark.slow
def test_a_trained_run_has_its_row_of_saturation(tiny_run, tiny_data, page, monkeypatch):
    monkeypatch.setattr(paper, "train", lambda *_: tiny_run.folder)
    monkeypatch.setattr(paper, "load_dataset", lambda *_: tiny_data)
    paper.main(arguments(page, study=("saturation",), seeds=2, write_docs=True))
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len({*paper.STATES, *paper.VARIANTS, *paper.CURES})
    name, *values = rows[0].strip("| ").split(" | ")
    assert name == "drr-n" and len(values) == 3
    assert all(float(value) >= 0 for value in values)
