"""The benchmarks' tools: medians, tables, JSON."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks import common
from data.synthetic import SyntheticConfig


def test_the_median_ignores_the_first_call_and_an_outlier():
    sleeps = iter([0.2, 0.03, 0.03, 0.2, 0.03])  # first call, its length, then three timings
    seconds = common.median_seconds({"nap": lambda: time.sleep(next(sleeps))}, repeats=3)
    assert list(seconds) == ["nap"] and 0.03 <= seconds["nap"] < 0.2


def test_calls_take_turns():
    order = []
    calls = {name: lambda name=name: (order.append(name), time.sleep(0.03)) for name in "ab"}
    common.median_seconds(calls, repeats=2)
    assert "".join(order) == "aabb" + "abab"


def test_short_calls_are_timed_several_at_once():
    calls = []
    common.median_seconds({"short": lambda: calls.append(0)}, repeats=1)
    assert len(calls) > 100


def test_the_json_names_the_machine(tmp_path):
    common.write_json(tmp_path / "new" / "figures.json", {"updates_per_s": 3.5})
    written = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert written["updates_per_s"] == 3.5
    assert written["machine"]["cores"] >= 1 and written["machine"]["numpy"].count(".") == 2
    common.write_json(None, {})


def test_the_table_shows_titles_and_numbers(capsys):
    common.print_table("Speed", ["size", "per second"], [[1024, 123456.7], [32, 0.12345], ["x", 9]])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("Speed", "per second", "1,024", "123,457", "0.123", "9"))


@pytest.mark.parametrize("name", ["common", "learner", "environment", "replay", "evaluation"])
def test_help_does_not_wait_for_tensorflow(name):
    code = f"import sys, benchmarks.{name}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_synthetic_set_has_as_many_users_and_items_as_asked(monkeypatch):
    assert (common.ML_1M_SIZE.n_users, common.ML_1M_SIZE.n_items) == (6040, 3883)
    monkeypatch.setattr(common, "ML_1M_SIZE", SyntheticConfig(n_users=50, n_items=90))
    ratings = common.load_ratings(common.DataArguments(dataset="synthetic"))
    assert (ratings.n_users, ratings.n_items) == (50, 90)
