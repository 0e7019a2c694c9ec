"""Which runs the leaderboard trains for a table, and which become its rows."""

from dataclasses import replace

import pytest

from config import Config, to_json
from experiments import leaderboard
from experiments.leaderboard import Arguments


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    seen: list[list[str]] = []
    monkeypatch.setattr(leaderboard.subprocess, "run", lambda command, check: seen.append(command))
    return seen


def options(command: list[str]) -> str:
    return " ".join(command[2 : command.index("--output-root")])


def test_new_users_share_a_run_and_known_users_have_their_own(tmp_path, commands):
    arguments = Arguments(output_root=tmp_path)
    for protocol in ("catalog", "session", "rerank"):
        leaderboard.train(arguments, "ml-1m", protocol, "best", 3)
    both, same, own = map(options, commands)
    assert both == same == "--dataset ml-1m --preset best --seed 3 --run-name ml-1m-best-seed3"
    assert own.endswith("--protocol rerank --run-name ml-1m-rerank-best-seed3")


def test_a_small_data_set_has_its_own_number_of_steps(tmp_path, commands):
    for protocol, preset in (("session", "best"), ("session", "paper"), ("rerank", "best")):
        leaderboard.train(Arguments(output_root=tmp_path), "ml-100k", protocol, preset, 0)
    steps = f"--steps {leaderboard.STEPS['ml-100k']}"
    assert [steps in options(command) for command in commands] == [True, False, False]


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_of_an_earlier_default_is_neither_taken_nor_gone_on_with(
    tmp_path, commands, finished
):
    folder = tmp_path / "ml-1m-best-seed2"
    folder.mkdir()
    today = replace(Config(), dataset="ml-1m", seed=2, data_root="elsewhere")
    earlier = replace(today, env=replace(today.env, window=7))
    if finished:
        (folder / "metrics.json").touch()
    (folder / "config.json").write_text(to_json(earlier))
    train = (Arguments(output_root=tmp_path), "ml-1m", "catalog", "best", 2)
    with pytest.raises(SystemExit, match=r"seed2: .*--env.window 20 .the run has 7.*--output-root"):
        leaderboard.train(*train)
    assert commands == []
    (folder / "config.json").write_text(to_json(today))
    leaderboard.train(*train)
    assert [command[-1] for command in commands] == [] if finished else ["--resume"]


def test_a_table_has_the_finished_runs_of_its_protocol(tmp_path):
    for name in ("best-seed0", "best-seed1", "paper-seed0", "rerank-best-seed0"):
        (tmp_path / f"ml-1m-{name}").mkdir()
        (tmp_path / f"ml-1m-{name}" / "metrics.json").touch()
    (tmp_path / "ml-1m-best-seed2").mkdir()  # not finished

    def rows(protocol) -> list[str]:
        found = leaderboard.finished(Arguments(output_root=tmp_path), "ml-1m", protocol)
        return [run.replace(f"{tmp_path}/ml-1m-", "") for run in found]

    assert rows("catalog") == ["drr=best-seed0", "drr=best-seed1", "drr-paper=paper-seed0"]
    assert rows("session") == rows("catalog")
    assert rows("rerank") == ["drr=rerank-best-seed0"]
    assert rows("simulator") == []
