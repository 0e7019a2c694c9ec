"""Which runs the leaderboard trains for a table, and what the docs get of it."""

import json
import subprocess
from dataclasses import replace

import pytest

from config import Config, to_json
from evaluation.intervals import Estimate
from evaluation.report import Report, Row
from experiments import leaderboard
from experiments.leaderboard import LeaderboardArguments


@pytest.fixture
def arguments(tmp_path):
    return LeaderboardArguments(datasets=("ml-1m",), seeds=1, output_root=tmp_path / "runs")


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
        leaderboard.train(arguments, "ml-1m", protocol, 3)
    both, same, own = map(options, commands)
    assert both == same == "--dataset ml-1m --preset best --seed 3 --run-name ml-1m-best-seed3"
    assert "--protocol rerank" in own and own.endswith("--run-name ml-1m-rerank-best-seed3")


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_of_an_earlier_default_is_neither_taken_nor_gone_on_with(
    arguments, commands, finished
):
    folder = arguments.output_root / "ml-1m-best-seed0"
    folder.mkdir(parents=True)
    today = replace(Config(), dataset="ml-1m", data_root="elsewhere")
    earlier = replace(today, env=replace(today.env, window=7))
    if finished:
        (folder / "metrics.json").touch()
    (folder / "config.json").write_text(to_json(earlier))
    with pytest.raises(SystemExit, match=r"seed0: .*--env.window 20 .the run has 7.*--output-root"):
        leaderboard.train(arguments, "ml-1m", "catalog", 0)
    assert commands == []
    (folder / "config.json").write_text(to_json(today))
    leaderboard.train(arguments, "ml-1m", "catalog", 0)
    assert [command[-1] for command in commands] == [] if finished else ["--resume"]


def test_the_docs_have_the_best_rows_and_those_that_are_always_shown():
    names = [*"abcdef", "drr", "g", "popularity", "random", "oracle"]
    users = {key: Estimate(0.5, 0.4, 0.6) for key in ("reward@10", "hit_rate@10", "reward@20")}
    rows = tuple(Row(name, users, {}, {}, 0.0) for name in names)
    report = Report("toy", "session", "inductive", "session", 9, 0, tuple(users), rows, {})
    lines = leaderboard.for_docs(report, leaderboard.ALWAYS).as_markdown().splitlines()[2:]
    assert lines[0] == "| policy | reward@10 | reward@20 |"
    shown = [line.split(" | ")[0].strip("| ") for line in lines[2:]]
    assert shown == [*"abc", "drr", "popularity"]


def test_a_made_up_set_is_a_file_of_its_own(arguments, commands):
    leaderboard.train(arguments, "tastes-100", "catalog", 0)
    path = arguments.output_root / "tastes-100.csv"
    assert f"--dataset csv --csv.path {path} --preset best" in options(commands[0])
    assert (len(path.read_text().splitlines()), len(commands)) == (100 * 40 + 1, 1)


def test_a_table_is_measured_with_a_run_for_each_seed(arguments, commands, monkeypatch):
    asked = []
    monkeypatch.setattr(leaderboard.evaluate, "run", asked.append)
    leaderboard.main(replace(arguments, seeds=2, tables=("catalog",)))
    runs = [str(arguments.output_root / f"ml-1m-best-seed{seed}") for seed in (0, 1)]
    assert (asked[0].policies, list(asked[0].weights)) == (("all",), runs)


def test_the_overview_has_the_three_best_baselines_of_every_set(arguments, monkeypatch):
    means = {"ease": 0.4, "drr": 0.35, "ridge": 0.3, "mf": 0.2, "popularity": 0.1, "oracle": 1.0}
    rows = tuple(
        Row(name, {"p": Estimate(mean, 0, 1)}, {}, {}, 0.0) for name, mean in means.items()
    )
    differences = {"drr": ("ease", {"p": Estimate(-0.05, -0.1, 0.01)})}
    report = Report("toy", "catalog", "inductive", "catalog", 9, 0, ("p",), rows, differences)
    monkeypatch.setattr(leaderboard, "measure", lambda *_: report)
    write_run(arguments.output_root / "ml-1m-best-seed0", 0.4)
    line = leaderboard.overview(arguments).splitlines()[-1]
    assert "0.3500 | ease 0.4000, ridge 0.3000, mf 0.2000 | -0.0500 (-0.1000, +0.0100)" in line


def write_run(folder, precision):
    """A finished run of the default recipe, of eight iterations; returns its folder."""
    folder.mkdir(parents=True)
    seed = int(folder.name[-1])
    (folder / "config.json").write_text(to_json(replace(Config(), dataset="ml-1m", seed=seed)))
    means = {
        "catalog": {"precision@5": precision},
        "session": {"reward@10": 1.0, "reward@20": float(seed)},
    }
    results = {
        protocol: {"policies": {"drr": {key: {"mean": value} for key, value in keys.items()}}}
        for protocol, keys in means.items()
    }
    curve = [{"step": 0.0}, *({"q_max": q} for q in (30, 6, 2, 1, 1.5, 1, 1.2, 1.1 + seed / 10))]
    metrics = {"results": results, "curve": curve, "seconds": 9}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_how_much_the_seeds_differ(arguments, monkeypatch, capsys):
    def train(_, dataset, protocol, seed):
        if seed == 3:
            raise subprocess.CalledProcessError(1, "train.py")
        return write_run(arguments.output_root / f"{seed}", 0.25 * (seed + 1))

    monkeypatch.setattr(leaderboard, "train", train)
    leaderboard.main(replace(arguments, tables=("stability",), seeds=4))
    table = (arguments.output_root / "ml-1m-stability.md").read_text()
    printed = capsys.readouterr()
    assert table in printed.out and "seed 3 did not finish" in printed.err
    rows = dict(line.strip("| ").rsplit(" | ", 1) for line in table.splitlines()[2:])
    bound = 1 / (1 - Config().agent.discount)
    assert list(rows.values()) == [
        *("4", "1", f"{bound:g}", "1.30"),
        *("0.5000, 0.2500, 0.2500", "1.0000, 0.0000, 1.0000", "1.0000, 1.0000, 0.0000"),
    ]
