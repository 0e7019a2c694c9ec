"""The ablation: what a study trains, and its table."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from config import preset
from evaluation.intervals import over_seeds
from experiments import ablation
from experiments.ablation import BASE, AblationArguments, Study
from train import parse

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["best", "paper"])
@pytest.mark.parametrize("study", ablation.STUDIES)
def test_a_study_has_a_row_that_changes_the_preset(name: str, study: Study):
    rows = [parse(["--preset", name, *row.split()]) for row in ablation.STUDIES[study].values()]
    assert any(row != preset(name) for row in rows)


@pytest.fixture
def arguments(tmp_path):
    return AblationArguments(study=("exploration",), seeds=2, output_root=tmp_path / "runs")


@pytest.fixture
def commands(monkeypatch):
    """The trainings that were started; each leaves a finished run."""
    seen = []

    def run(command, check):
        seen.append(command[2:])
        folder = Path(value(command, "--output-root")) / value(command, "--run-name")
        folder.mkdir(parents=True)
        curve = [point(0.125, 10.0), point(0.25, 20.0)]
        (folder / "metrics.json").write_text(json.dumps({"curve": curve}))

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def value(command, flag):
    return command[command.index(flag) + 1]


def point(precision, step=9.0):
    return {"step": step} | dict.fromkeys(ablation.KEYS, precision)


def test_a_study_is_trained_once_and_printed(arguments, commands, capsys):
    for _ in range(2):
        ablation.main(arguments)
    names = [value(command, "--run-name") for command in commands]
    rows = ("the-preset", "no-noise")  # epsilon is 0 in the preset
    assert names == [f"ml-1m-best-50000-{row}-seed{seed}" for row in rows for seed in (0, 1)]
    assert [value(command, "--loop.validation-share") for command in commands] == ["0.2"] * 4
    assert [value(command, "--agent.noise") for command in commands[2:]] == ["0", "0"]
    printed = capsys.readouterr().out
    assert "exploration: ml-1m, `--preset best`, 50,000 transitions, seeds: 2\n" in printed
    assert "| no noise | 0.2500: +0.0000 (+0.0000, +0.0000) |" in printed


def test_a_row_that_does_not_finish_is_left_out(arguments, commands, monkeypatch, capsys):
    train = subprocess.run

    def stop(command, check):
        if "--agent.noise" in command:
            raise subprocess.CalledProcessError(1, command)
        train(command, check)

    monkeypatch.setattr(subprocess, "run", stop)
    ablation.main(arguments)
    printed = capsys.readouterr()
    assert "| the preset | 0.2500 (" in printed.out and "| no noise" not in printed.out
    assert "no noise: did not finish" in printed.err


def test_a_start_in_closed_form_has_its_row():
    curves = [[point(0.5, 0.0), point(end)] for end in (0.25, 0.75)]
    lines = ablation.as_markdown({BASE: curves}).splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("| its start, before learning | 0.5000: +0.0000 (")


def test_the_table_shows_means_and_paired_differences_with_intervals():
    curves = {BASE: [[point(end)] for end in (0.25, 0.75, 1.0)]}
    curves["x"] = [[point(end)] for end in (0.5, 1.0, 1.5)]
    lines = ablation.as_markdown(curves).splitlines()
    base, gap = over_seeds([0.25, 0.75, 1.0]), over_seeds([0.25, 0.25, 0.5])
    assert lines[2].startswith(f"| the preset | 0.6667 ({base.low:.4f}, {base.high:.4f}) |")
    assert lines[3].startswith(f"| x | 1.0000: +0.3333 ({gap.low:+.4f}, {gap.high:+.4f}) |")
    assert gap.low == pytest.approx(1 / 3 - 4.303 * np.std([0, 0, 0.25], ddof=1) / 3**0.5, abs=1e-4)
