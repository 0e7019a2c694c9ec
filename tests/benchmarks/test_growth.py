"""The growth benchmark: sets of the size asked for, every figure of a case, ratios that mean it."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import tensorflow as tf

from benchmarks import growth, growth_case, report
from benchmarks.growth_case import Case
from config import Config, EmbeddingConfig, EnvConfig, LoopConfig, ReplayConfig
from data.synthetic import make_synthetic

BASE = Config()
TINY = replace(
    BASE,
    embedding=EmbeddingConfig(dim=4),
    env=EnvConfig(window=3, episode_length=4),
    replay=ReplayConfig(capacity=100),
    agent=replace(BASE.agent, actor_hidden=8, critic_hidden=8, batch_size=8, counterfactual=4),
    loop=LoopConfig(parallel_users=8, updates_per_rollout=2),
)


@pytest.mark.parametrize("case", [Case(200, 300, 4000), Case(300, 400, 9000)])
def test_the_set_has_the_size_of_its_case(case):
    ratings = make_synthetic(growth_case.settings_of(case))
    assert (ratings.n_users, ratings.n_items) == (case.users, case.items)
    assert ratings.n_ratings == pytest.approx(case.ratings, rel=0.1)


def test_a_case_measures_every_stage_of_a_run():
    tf.config.run_functions_eagerly(True)
    try:
        figures = growth_case.measure(Case(60, 120, 1000, repeats=1), TINY)
    finally:
        tf.config.run_functions_eagerly(False)
    assert {*growth.ROWS, "users", "items", "ratings", "retrieval"} <= {*figures}
    assert all(figures[name] > 0 for name in (*growth.ROWS, "ratings"))
    peaks = list(figures["peak_gib"].values())
    assert 0.1 < peaks[0] <= peaks[-1] == max(peaks) < 10


@pytest.mark.parametrize(("items", "expected"), [(10, 8), (1 << 14, 8), (1 << 16, 2), (1 << 20, 1)])
def test_large_catalogues_are_timed_over_fewer_updates(items, expected):
    config = replace(BASE, loop=replace(BASE.loop, updates_per_rollout=8))
    assert growth_case.updates_per_call(config, items) == expected


def figures(users, items, transition, update):
    step = {"transition_us": transition, "update_ms": update}
    rest = dict.fromkeys(growth.ROWS, 1.5) | {"retrieval_s": 1.0, "ratings": 10 * users}
    found = dict.fromkeys(growth.RETRIEVAL, 0.25)
    peaks = {"peak_gib": {"run": 2.0}, "retrieval": found}
    return {"users": users, "items": items, **rest, **step, **peaks}


FOUND = {
    (100, 1000, 1): figures(100, 1000, 50.0, 20.0),
    (100, 4000, 1): figures(100, 4000, 300.0, 80.0),
    (800, 1000, 1): figures(800, 1000, 60.0, 22.0),
    (800, 4000, 1): figures(800, 4000, 1.0, 1.0) | {"retrieval": None},
}


@pytest.fixture
def asked(monkeypatch):
    """The sizes of which the figures were asked for, which are FOUND."""
    sizes = []

    def run_case(size, repeats):
        sizes.append(size)
        return {"size": size} | FOUND[size]

    monkeypatch.setattr(growth, "run_case", run_case)
    return sizes


def test_the_tables_and_the_json_show_ratios_to_the_first_case(asked, tmp_path, capsys):
    file = tmp_path / "growth.json"
    growth.main(growth.Arguments(json=file, sizes=tuple(FOUND)))
    written = json.loads(file.read_text())
    assert {*written} == {"cases", "growth", "machine"} and len(written["cases"]) == 4
    assert written["growth"] == {
        "items": {"4 x": {"transition_us": 1.5, "update_ms": 1.0}},
        "users": {"8 x": {"transition_us": 1.2, "update_ms": pytest.approx(1.1)}},
    }
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("update, CPU ms", "4 x items", "8 x users", "recall@100"))


def test_what_the_file_holds_is_not_measured_again(asked, tmp_path):
    file = tmp_path / "growth.json"
    first, second, *_ = sizes = tuple(FOUND)
    growth.main(growth.Arguments(json=file, sizes=(first, second)))
    growth.main(growth.Arguments(json=file, sizes=sizes[:3]))
    assert asked == list(sizes[:3])
    written = json.loads(file.read_text())
    assert [tuple(case["size"]) for case in written["cases"]] == list(sizes[:3])
    assert set(written["growth"]["users"]) == {"8 x"}


def test_an_interrupted_call_loses_nothing_that_the_file_holds(asked, tmp_path, monkeypatch):
    file = tmp_path / "growth.json"
    first, second, third, _ = FOUND
    growth.main(growth.Arguments(json=file, sizes=(third,)))
    monkeypatch.delitem(FOUND, second)
    with pytest.raises(KeyError):
        growth.main(growth.Arguments(json=file, sizes=(first, second, third)))
    written = json.loads(file.read_text())
    assert [tuple(case["size"]) for case in written["cases"]] == [first, third]


def test_the_plot(asked, tmp_path):
    file = tmp_path / "growth.json"
    growth.main(growth.Arguments(json=file, sizes=tuple(FOUND)))
    items, users, memory = report.plot_growth(json.loads(file.read_text())).axes
    lines = {line.get_label(): line for line in items.lines}
    assert list(lines["environment step"].get_xdata()) == [1000, 4000]
    assert list(lines["environment step"].get_ydata()) == [1.0, 6.0]
    assert list(lines["expected"].get_ydata()) == [1.0, 4.0]
    assert list(users.lines[1].get_ydata()) == [1.0, 1.1]
    assert list(memory.lines[0].get_ydata()) == [2.0] * 4


def test_help_does_not_wait_for_tensorflow():
    code = (
        "import sys, benchmarks.growth, benchmarks.growth_case;"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
