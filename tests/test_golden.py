"""Runs of earlier versions, and the released ones, load and answer as they did (tests/golden)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from golden.expect import answers, main

from recommender import DRRAgent

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests/golden", "save_weights")
pytestmark = pytest.mark.usefixtures("eager")
RUNS = sorted(path.parent for place in FOLDERS for path in ROOT.glob(f"{place}/*/expected.json"))


def assert_same_answers(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, best in expected["recommend"].items():
        items, scores = zip(*found["recommend"][name], strict=True)
        assert list(items) == [item for item, _ in best], name
        np.testing.assert_allclose(scores, [score for _, score in best], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-4, atol=1e-4)
    shapes = [[row[:-1] for row in run["weights"]] for run in (found, expected)]
    assert shapes[0] == shapes[1]
    sums = [[row[-1] for row in run["weights"]] for run in (found, expected)]
    np.testing.assert_allclose(*sums, rtol=1e-4, atol=1e-3)


def test_the_first_version_and_the_releases_are_among_them() -> None:
    assert {"0.1-best", "0.1-paper", "ml-1m", "ml-100k"} <= {run.name for run in RUNS}


@pytest.mark.parametrize("run", RUNS, ids=[run.name for run in RUNS])
def test_a_run_of_an_earlier_version_answers_as_it_did(run: Path) -> None:
    expected = json.loads((run / "expected.json").read_text())
    assert_same_answers(answers(DRRAgent.load(run)), expected)


def test_other_weights_answer_otherwise() -> None:
    """The comparison is able to fail."""
    run = ROOT / "tests" / "golden" / "0.1-best"
    expected = json.loads((run / "expected.json").read_text())
    agent = DRRAgent.load(run)
    bias = agent.networks.actor.action.bias
    bias.assign(bias + 0.01)
    found = answers(agent)
    for part in expected:
        with pytest.raises(AssertionError):
            assert_same_answers({**expected, part: found[part]}, expected)


def test_golden_answers_are_not_made_again(tmp_path: Path, capsys) -> None:
    run = shutil.copytree(ROOT / "tests" / "golden" / "0.1-paper", tmp_path / "run")
    before = (run / "expected.json").read_bytes()
    assert main(run) == 2
    assert "golden answers are never made again" in capsys.readouterr().err
    assert (run / "expected.json").read_bytes() == before
    (run / "expected.json").unlink()
    assert main(run) == 0
    assert_same_answers(json.loads((run / "expected.json").read_text()), json.loads(before))
