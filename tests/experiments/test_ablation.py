"""The rows of the ablation: what they change in a preset, and where their results go."""

import json
from dataclasses import replace

import pytest
import tensorflow as tf

from config import Config, preset
from data.splits import split_users
from experiments import ablation
from experiments.ablation import Arguments
from training import loop, tasks


def settings(row: str, name: str) -> Config:
    config = preset(name)
    return ablation.changed(config, ablation.settings_of(row, config))


@pytest.mark.parametrize("name", ["best", "paper"])
def test_one_user_makes_as_many_updates_as_steps(name):
    found = settings("one user, one update a step", name)
    assert found.loop.parallel_users == 1
    assert found.loop.updates_per_rollout == found.env.episode_length
    assert replace(found, loop=preset(name).loop) == preset(name)  # the rest is the preset's


def test_every_row_but_the_first_changes_the_default_recipe():
    rows = [settings(row, "best") for row in (*ablation.ROWS, *ablation.SLOW)]
    assert rows[0] == preset("best") and len({str(row) for row in rows}) == len(rows)


def test_the_preset_is_always_among_the_rows_and_an_unknown_one_is_an_error():
    (slow, _), (base, *_) = ablation.SLOW, ablation.ROWS
    assert ablation.chosen_rows(Arguments(rows=(slow,))) == [base, slow]
    assert ablation.chosen_rows(Arguments()) == list(ablation.ROWS)
    with pytest.raises(SystemExit, match="'slow' is unknown; choose from: the preset; "):
        ablation.chosen_rows(Arguments(rows=("slow",)))


def test_no_two_cells_share_a_file():
    options = [Arguments(), Arguments(preset="paper"), Arguments(steps=10), Arguments(dataset="x")]
    rows = (*ablation.ROWS, *ablation.SLOW)
    files = {
        ablation.cell_file(one, row, seed) for one in options for row in rows for seed in (0, 1)
    }
    assert len(files) == len(options) * len(rows) * 2


def test_the_table_shows_means_differences_and_the_spread(tmp_path):
    arguments = Arguments(output_root=tmp_path, rows=("discount 0",), seeds=2)
    for row, values in ((ablation.BASE, (0.25, 0.75)), ("discount 0", (0.5, 1.0))):
        for seed, value in enumerate(values):
            cell = dict.fromkeys(ablation.KEYS, value)
            ablation.cell_file(arguments, row, seed).write_text(json.dumps(cell))
    lines = ablation.as_markdown(arguments).splitlines()
    assert lines[2].startswith("| the preset | 0.5000 |")
    assert lines[3].startswith("| discount 0 | 0.7500 (+0.2500) |")
    assert lines[4].startswith("| standard deviation of the preset over seeds | 0.3536 |")


def test_a_cell_is_trained_without_test_users(tiny_root, tmp_path, monkeypatch):
    quick = {"loop.parallel_users": 2, "loop.updates_per_rollout": 1, "loop.warmup": 0}
    monkeypatch.setattr(ablation, "MEASURED_ONCE", ablation.MEASURED_ONCE | quick)
    seen, make_task = [], tasks.make_task
    monkeypatch.setattr(
        loop, "make_task", lambda c, r, seed: seen.append(r) or make_task(c, r, seed)
    )
    arguments = Arguments(
        data_root=str(tiny_root), preset="paper", steps=40, output_root=tmp_path, seeds=1
    )
    tf.config.run_functions_eagerly(True)
    try:
        ablation.train_cell(ablation.BASE, 0, arguments)
    finally:
        tf.config.run_functions_eagerly(False)
    train_users, test_users = split_users(seen[0].n_users)
    assert seen[0].lengths[test_users].sum() == 0 < seen[0].lengths[train_users].min()
    found = json.loads(ablation.cell_file(arguments, ablation.BASE, 0).read_text())
    assert set(found) == set(ablation.KEYS) and 0 <= found["precision@5"] <= 1
