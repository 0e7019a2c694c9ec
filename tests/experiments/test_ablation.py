"""The ablation: which cells count as finished, what a study writes, what training may see."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import config as settings
from data.splits import split_users
from evaluation.intervals import over_seeds
from experiments import ablation
from experiments.ablation import AblationArguments
from experiments.ablation_rows import BASE
from training import loop, tasks
from training.monitor import Diverged

UNIFORM = "uniform replay"


def write_cell(arguments, row, seed, value, diverged=False):
    """A finished cell of three iterations, evaluated after the last, `value` everywhere."""
    point = {"reward": value, "critic_loss": 1.0, "action": value, "q": value}
    curve = [{"step": 10.0 * place} | point for place in (1, 2, 3)]
    final = dict.fromkeys(ablation.KEYS, value)
    curve[-1] |= final
    config = json.loads(settings.to_json(ablation.cell_config(row, seed, arguments)))
    cell = {"config": config, "final": {} if diverged else final, "curve": curve}
    path = ablation.cell_file(row, seed, arguments)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cell))
    return path


@pytest.fixture
def arguments(tmp_path):
    return AblationArguments(study=("replay",), seeds=2, output_root=tmp_path / "runs")


@pytest.fixture
def trained(arguments, monkeypatch):
    """The cells that the command has trained, each written as a training would."""
    seen = []

    def train(command, check):
        row, seed = command[command.index("--cell") + 1 :]
        seen.append((row, int(seed)))
        write_cell(arguments, row, int(seed), 0.25)

    monkeypatch.setattr(subprocess, "run", train)
    return seen


def test_a_study_is_trained_printed_and_drawn(arguments, trained, capsys):
    ablation.main(arguments)
    assert trained == [(row, seed) for seed in (0, 1) for row in (BASE, UNIFORM)]
    printed = capsys.readouterr().out
    assert "replay: ml-1m, `--preset best`, 50,000 transitions, 2 seeds:" in printed
    assert "| uniform replay | 0.2500: +0.0000 (+0.0000, +0.0000) |" in printed
    picture = arguments.output_root / "ml-1m-best-replay.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_finished_cells_are_kept_and_those_of_other_settings_trained_again(arguments, trained):
    for row in (BASE, UNIFORM):
        for seed in (0, 1):
            path = write_cell(arguments, row, seed, 0.5)
    other, cell = "of a version without replay.kind", json.loads(path.read_text())
    cell["config"]["replay"]["alpha"] = 0.123
    path.write_text(json.dumps(cell))
    ablation.main(arguments)
    assert trained == [(UNIFORM, 1)]
    for content in ({"precision@5": 0.4}, {"config": {"replay": {"kind": other}}}):
        path.write_text(json.dumps(content))
        assert ablation.read_cell(UNIFORM, 1, arguments) is None


def cells(*values):
    return [ablation.Cell(dict.fromkeys(ablation.KEYS, value), []) for value in values]


def test_a_start_in_closed_form_has_its_row():
    start = {"step": 0.0} | dict.fromkeys(ablation.KEYS, 0.5)
    trained = [replace(cell, curve=[start, {"step": 9.0}]) for cell in cells(0.25, 0.75)]
    lines = ablation.as_markdown({BASE: trained}).splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("| its start, before learning | 0.5000: +0.0000 (")


def test_the_table_shows_means_and_paired_differences_with_intervals():
    own = (0.5, 1.0, 1.5)
    lines = ablation.as_markdown({BASE: cells(0.25, 0.75, 1.0), "x": cells(*own)}).splitlines()
    base, gap = over_seeds([0.25, 0.75, 1.0]), over_seeds([0.25, 0.25, 0.5])
    assert lines[2].startswith(f"| the preset | 0.6667 ({base.low:.4f}, {base.high:.4f}) |")
    assert lines[3].startswith(f"| x | 1.0000: +0.3333 ({gap.low:+.4f}, {gap.high:+.4f}) |")
    assert gap.low == pytest.approx(1 / 3 - 4.303 * np.std([0, 0, 0.25], ddof=1) / 3**0.5, abs=1e-4)


@pytest.fixture
def tiny_cell(arguments, tiny_root, monkeypatch):
    """Options of a training of two iterations of the plain algorithm."""
    quick = {"loop.parallel_users": 2, "loop.updates_per_rollout": 1, "loop.warmup": 0}
    monkeypatch.setattr(ablation, "MEASURED", ablation.MEASURED | quick)
    tf.config.run_functions_eagerly(True)
    yield replace(arguments, data_root=str(tiny_root), preset="paper", steps=40)
    tf.config.run_functions_eagerly(False)


def test_a_cell_is_trained_without_test_users_and_keeps_its_curve(tiny_cell, monkeypatch):
    seen, make_task = [], tasks.make_task
    monkeypatch.setattr(
        loop, "make_task", lambda c, r, seed: seen.append(r) or make_task(c, r, seed)
    )
    ablation.train_cell(UNIFORM, 0, tiny_cell)
    train_users, test_users = split_users(seen[0].n_users)
    assert seen[0].lengths[test_users].sum() == 0 < seen[0].lengths[train_users].min()
    found = ablation.read_cell(UNIFORM, 0, tiny_cell)
    assert [row["step"] for row in found.curve] == [20, 40]
    assert found.final == {key: found.curve[-1][key] for key in ablation.KEYS}
    assert all({"reward", "critic_loss", "action", "q"} <= set(row) for row in found.curve)
    assert 0 <= found.final["precision@5"] <= 1
    assert len(list(tiny_cell.output_root.iterdir())) == 1  # nothing else is left
    assert ablation.read_cell(BASE, 0, tiny_cell) is None


def test_a_training_that_diverges_is_a_finished_cell(tiny_cell, monkeypatch, capsys):
    def diverge(*_):
        raise Diverged("q", "is nan", 20)

    monkeypatch.setattr(loop.monitor, "check_row", diverge)
    ablation.train_cell(UNIFORM, 0, tiny_cell)
    assert ablation.read_cell(UNIFORM, 0, tiny_cell) == ablation.Cell({}, [])
    assert "q is nan at step 20" in capsys.readouterr().err
