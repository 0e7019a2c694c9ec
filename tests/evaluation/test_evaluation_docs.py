"""The examples in docs/evaluation.md and the README run as they stand."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import data
from data.synthetic import make_synthetic

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evaluation.md"


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


@pytest.mark.realdata
def test_the_readmes_lists_are_those_of_the_released_run():
    readme = (ROOT / "README.md").read_text()
    code, shown = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", readme, re.DOTALL).groups()
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (shown, "")
