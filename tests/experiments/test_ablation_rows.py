"""The rows of the ablation: what they change in either preset, and which are left out."""

from dataclasses import asdict, replace
from typing import get_args

import pytest

from config import preset
from evaluation.plots import CYCLE
from experiments.ablation_rows import BASE, ROWS, SLOW, STUDIES, Study, row_config, rows_of

PRESETS = ("best", "paper")
OWN = {"best": "(recipe)", "paper": "(paper)"}  # rows that are the preset as it is
WITHOUT_ROW = {"env.episode_length"}  # session plays 20 steps


@pytest.mark.parametrize("name", PRESETS)
def test_every_row_is_valid_in_either_preset(name):
    for row in ROWS:
        unchanged = row_config(row, name) == preset(name)
        assert unchanged == (row == BASE or row.endswith(OWN[name])), row


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_compares_the_preset_with_rows_that_differ(study, name):
    assert set(STUDIES) == set(get_args(Study)) and set(SLOW) < set(STUDIES)
    assert all(ROWS[row] == changes for row, changes in STUDIES[study].items())
    rows = rows_of(study, name)
    assert rows[0] == BASE and 2 <= len(rows) <= 1 + len(CYCLE)  # each has a colour of its own
    configs = [row_config(row, name) for row in rows]
    assert configs[0] == preset(name) and len(set(configs)) == len(configs)
    left_out = {row_config(row, name) for row in STUDIES[study]} - set(configs)
    assert not left_out  # nothing but repetitions


def test_every_ingredient_of_the_recipe_has_a_row():
    best, paper = (asdict(preset(name)) for name in PRESETS)
    differing = {
        f"{group}.{field}"
        for group in ("agent", "env", "embedding", "replay")
        for field, value in best[group].items()
        if paper[group][field] != value
    }
    changed = {name for changes in ROWS.values() for name in changes}
    assert differing - changed == WITHOUT_ROW


@pytest.mark.parametrize("name", PRESETS)
def test_one_user_makes_as_many_updates_as_steps(name):
    found = row_config("one user, one update a step", name)
    assert found.loop.parallel_users == 1
    assert found.loop.updates_per_rollout == found.env.episode_length
    assert replace(found, loop=preset(name).loop) == preset(name)  # the rest is the preset's
