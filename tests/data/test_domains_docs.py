"""docs/domains.md: its shop can be made and read, its recipes are flags that exist."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

import train
from data import DATASETS, read_interactions

PAGE = (Path(__file__).parents[2] / "docs" / "domains.md").read_text("utf-8")
RECIPES = re.findall(r"\| `(--csv\.[^`]* [^`]*)`", PAGE)


def test_the_shop_is_the_one_in_the_text(tmp_path, capsys):
    script = tmp_path / "shop.py"
    script.write_text(
        PAGE.split("```python\n")[1].split("```")[0].replace("data/shop", str(tmp_path))
    )
    runpy.run_path(str(script))
    flags = re.search(r"python train.py (--dataset csv.*?)\n```", PAGE, re.DOTALL)[1]
    flags = flags.replace("\\\n", "").replace("data/shop", str(tmp_path))
    asked = train.parse(shlex.split(flags)).csv
    ratings = read_interactions(
        asked.path,
        **{
            name: getattr(asked, name) for name in ("user", "item", "rating", "timestamp", "titles")
        },
    )
    assert f"data/shop{capsys.readouterr().err.removeprefix(str(tmp_path))}" in PAGE
    assert (tmp_path / "books.csv").read_text().startswith(PAGE.split("```\n")[2].split("```")[0])
    assert ratings.user_ids[-400] == "C1600" and "Paper Witness (1987)" in ratings.titles


@pytest.mark.parametrize("flags", RECIPES)
def test_a_recipe_can_be_typed(flags):
    asked = train.parse(("--dataset", "csv", "--csv.path", "x", *shlex.split(flags)))
    assert asked.csv.user != "user"


def test_every_data_set_has_its_recipe():
    assert len(RECIPES) == 7
    for name in set(DATASETS) - {"auto", "ml-1m", "ml-100k", "synthetic"}:
        assert f"--dataset {name}" in PAGE
