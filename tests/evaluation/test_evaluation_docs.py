"""The examples in docs/evaluation.md run as they stand."""

import re
import runpy
from pathlib import Path

import data
from data.synthetic import make_synthetic

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_examples_run(monkeypatch, capsys, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) == 2
    monkeypatch.setattr(data, "load_dataset", lambda name: make_synthetic())
    script = tmp_path / "examples.py"
    script.write_text("\n".join(examples))
    names = runpy.run_path(str(script))
    assert capsys.readouterr().out.startswith("Estimate(mean=")
    assert names["validation"].n_users == len(names["validation_users"])
    hidden = names["ratings"].n_ratings - names["validation_in_time"].visible.n_ratings
    assert hidden > 0
