"""The rows of the ablation: what they change in either preset, and which are left out."""

from dataclasses import asdict
from typing import get_args

import pytest

from config import preset
from evaluation.plots import CYCLE
from experiments.ablation_rows import BASE, STUDIES, Study, row_config, rows_of


@pytest.mark.parametrize("name", ["best", "paper"])
def test_a_study_compares_the_preset_with_rows_that_differ(name):
    assert set(STUDIES) == set(get_args(Study))
    for study in STUDIES:
        rows = rows_of(study, name)
        assert rows[0] == BASE and 2 <= len(rows) <= 1 + len(CYCLE)  # a colour of its own for each
        configs = {row_config(row, name) for row in rows}
        assert row_config(BASE, name) == preset(name) and len(configs) == len(rows)


def test_every_ingredient_of_the_recipe_has_a_row():
    best, paper = (asdict(preset(name)) for name in ("best", "paper"))

    def differing(one, other):
        return {
            (group, field)
            for group in ("agent", "env", "embedding", "replay")
            for field, value in one[group].items()
            if other[group][field] != value
        }

    rows = [asdict(row_config(row, "best")) for study in STUDIES for row in STUDIES[study]]
    covered = set().union(*(differing(row, best) for row in rows))
    assert differing(best, paper) - covered == {("env", "episode_length")}  # session plays 20 steps
