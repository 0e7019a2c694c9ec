"""Which runs the leaderboard trains for a table, which become its rows, and how stable they are."""

import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from config import Config, to_json
from evaluation.intervals import Estimate
from evaluation.report import Report, Row
from experiments import leaderboard
from experiments.leaderboard import LeaderboardArguments

BOUND = 1 / (1 - Config().agent.discount)


@pytest.fixture
def arguments(tmp_path):
    return LeaderboardArguments(
        datasets=("ml-1m",), tables=("stability",), seeds=3, output_root=tmp_path / "runs"
    )


@pytest.fixture
def commands(monkeypatch):
    """The trainings that were started."""
    seen = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: seen.append(command))
    return seen


def options(command):
    return " ".join(command[2 : command.index("--output-root")])


def test_new_users_share_a_run_and_known_users_have_their_own(arguments, commands):
    for protocol in ("catalog", "session", "rerank"):
        leaderboard.train(arguments, "ml-1m", protocol, "best", 3)
    both, same, own = map(options, commands)
    assert both == same == "--dataset ml-1m --preset best --seed 3 --run-name ml-1m-best-seed3"
    assert own.endswith("--protocol rerank --run-name ml-1m-rerank-best-seed3")


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_of_an_earlier_default_is_neither_taken_nor_gone_on_with(
    arguments, commands, finished
):
    folder = arguments.output_root / "ml-1m-best-seed2"
    folder.mkdir(parents=True)
    today = replace(Config(), dataset="ml-1m", seed=2, data_root="elsewhere")
    earlier = replace(today, env=replace(today.env, window=7))
    if finished:
        (folder / "metrics.json").touch()
    (folder / "config.json").write_text(to_json(earlier))
    train = (arguments, "ml-1m", "catalog", "best", 2)
    with pytest.raises(SystemExit, match=r"seed2: .*--env.window 20 .the run has 7.*--output-root"):
        leaderboard.train(*train)
    assert commands == []
    (folder / "config.json").write_text(to_json(today))
    leaderboard.train(*train)
    assert [command[-1] for command in commands] == [] if finished else ["--resume"]


def test_a_table_has_the_finished_runs_of_its_protocol(arguments):
    root = arguments.output_root
    for name in ("best-seed0", "best-seed1", "paper-seed0", "rerank-best-seed0"):
        (root / f"ml-1m-{name}").mkdir(parents=True)
        (root / f"ml-1m-{name}" / "metrics.json").touch()
    (root / "ml-1m-best-seed2").mkdir()  # not finished

    def rows(protocol):
        found = leaderboard.finished(arguments, "ml-1m", protocol)
        return [run.replace(f"{root}/ml-1m-", "") for run in found]

    assert rows("catalog") == ["drr=best-seed0", "drr=best-seed1", "drr-paper=paper-seed0"]
    assert rows("session") == rows("catalog")
    assert rows("rerank") == ["drr=rerank-best-seed0"]
    assert rows("simulator") == []


def test_the_docs_have_the_best_rows_and_those_that_are_always_shown():
    names = [*"abcdef", "drr", "g", "popularity", "random", "oracle"]
    users = {key: Estimate(0.5, 0.4, 0.6) for key in ("reward@10", "hit_rate@10", "reward@20")}
    rows = tuple(Row(name, users, {}, {}, 0.0) for name in names)
    report = Report("toy", "session", "inductive", "session", 9, 0, tuple(users), rows, {})
    lines = leaderboard.for_docs(report).as_markdown().splitlines()[2:]
    assert lines[0] == "| policy | reward@10 | reward@20 |"
    shown = [line.split(" | ")[0].strip("| ") for line in lines[2:]]
    assert shown == [*"abc", "drr", "popularity"]


def test_a_made_up_set_is_a_file_of_its_own(arguments, commands):
    leaderboard.train(arguments, "tastes-100", "catalog", "best", 0)
    path = arguments.output_root / "tastes-100.csv"
    assert f"--dataset csv --csv.path {path} --preset best" in options(commands[0])
    assert (len(path.read_text().splitlines()), len(commands)) == (100 * 40 + 1, 1)


def test_the_overview_has_the_three_best_baselines_of_every_set(arguments, monkeypatch):
    means = {"ease": 0.4, "drr": 0.35, "ridge": 0.3, "mf": 0.2, "popularity": 0.1, "oracle": 1.0}
    rows = tuple(
        Row(name, {"p": Estimate(mean, 0, 1)}, {}, {}, 0.0) for name, mean in means.items()
    )
    differences = {"drr": ("ease", {"p": Estimate(-0.05, -0.1, 0.01)})}
    report = Report("toy", "catalog", "inductive", "catalog", 9, 0, ("p",), rows, differences)
    monkeypatch.setattr(leaderboard, "measure", lambda *_: report)
    for seed in range(3):
        write_run(arguments.output_root, seed, 0.4)
    line = leaderboard.overview(arguments).splitlines()[-1]
    assert "0.3500 | ease 0.4000, ridge 0.3000, mf 0.2000 | -0.0500 (-0.1000, +0.0100)" in line


HEALTHY = (30.0, 6.0, 2.0, 1.0, 1.5, 1.0, 1.2, 1.4)
STOPPED_TODAY = (30, 2, 1, 1, 1, 11 * BOUND, 1, 1)


def write_run(root, seed, precision, q_max=HEALTHY):
    """A finished run of eight iterations."""
    folder = root / f"ml-1m-best-seed{seed}"
    folder.mkdir(parents=True)
    config = replace(Config(), dataset="ml-1m", seed=seed)
    (folder / "config.json").write_text(to_json(config))
    row = {"precision@5": 0.4, "session_reward@10": 0.0, "critic_loss": 0.1, "action": 0.0}
    curve = [{"step": 10.0 * place} | {"q_max": q} | row for place, q in enumerate(q_max)]
    means = {
        "catalog": {"precision@5": precision},
        "session": {"reward@10": 1.0, "reward@20": float(seed)},
    }
    results = {
        protocol: {"policies": {"drr": {key: {"mean": value} for key, value in keys.items()}}}
        for protocol, keys in means.items()
    }
    (folder / "metrics.json").write_text(
        json.dumps({"results": results, "curve": curve, "seconds": 9})
    )
    return folder


def cells(table):
    rows = [line.strip("| ").rsplit(" | ", 1) for line in table.splitlines()]
    return {row[0].split(":")[0].split(",")[0]: row[1] for row in rows if len(row) == 2}


def test_finished_runs_are_taken_as_they_are(arguments, commands, tmp_path, monkeypatch, capsys):
    for seed, precision in enumerate((0.25, 0.5, 0.75)):
        write_run(arguments.output_root, seed, precision)
    monkeypatch.setattr("evaluation.report.DOCS", tmp_path / "docs")
    leaderboard.main(arguments)
    table = (arguments.output_root / "ml-1m-stability.md").read_text()
    found = cells(table)
    assert commands == [] and table in capsys.readouterr().out
    assert (found["seeds"], found["diverged"]) == ("3", "0")
    assert found["precision@5"] == "0.5000, 0.2500, 0.2500"
    assert found["reward@20"] == f"1.0000, {np.std([0, 1, 2], ddof=1):.4f}, 0.0000"
    lines = table.splitlines()
    assert any("median of the last quarter" in line and "| 1.30 |" in line for line in lines)
    assert any("in any iteration" in line and "| 1.40 |" in line for line in lines)
    assert any("bound" in line and f"| {BOUND:g} |" in line for line in lines)
    picture = arguments.output_root / "stability-ml-1m.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "docs").exists()


def test_seeds_that_stopped_or_would_be_stopped_today_have_diverged(arguments, monkeypatch, capsys):
    trained = []

    def train(_, dataset, protocol, preset, seed):
        trained.append((dataset, protocol, preset, seed))
        if seed == 1:
            raise subprocess.CalledProcessError(1, "train.py")
        return write_run(arguments.output_root, seed, 0.5, STOPPED_TODAY if seed else HEALTHY)

    monkeypatch.setattr(leaderboard, "train", train)
    found = cells(leaderboard.stability(arguments, "ml-1m"))
    assert trained == [("ml-1m", "catalog", "best", seed) for seed in range(3)]
    assert (found["seeds"], found["diverged"]) == ("3", "2")
    assert "seed 1 did not finish" in capsys.readouterr().err


def test_curves_of_several_runs_are_drawn_into_one_picture(tiny_run, arguments, tmp_path, capsys):
    name, curve = leaderboard.read_curve(str(tiny_run.folder))
    assert name == tiny_run.folder.name
    assert [row["step"] for row in curve] == [0, 80, 160, 240, 320, 400]
    assert leaderboard.read_curve(f"mine={tiny_run.folder}") == ("mine", curve)
    other = shutil.copytree(tiny_run.folder, tmp_path / "other")
    runs = (str(tiny_run.folder), f"seeds={other}", f"seeds={tiny_run.folder}")
    leaderboard.main(replace(arguments, curves=runs))
    picture = arguments.output_root / "curves.png"
    assert capsys.readouterr().out.strip() == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
