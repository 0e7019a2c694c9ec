"""`python evaluate.py`, in process: what it writes, and how it refuses."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

import evaluate
from baselines import item_based
from config import Config, preset, to_json
from recommender import run_choice

SYNTHETIC = ["--dataset", "synthetic"]
ENGAGEMENT = ["--protocol", "engagement"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path_factory, monkeypatch):
    """Where finished runs are looked for: an empty folder."""
    folder = tmp_path_factory.mktemp("save_weights")
    monkeypatch.setattr(run_choice, "RUNS", folder)
    return folder


def failure(capsys, *arguments):
    """The one message of a refused call."""
    assert evaluate.main([*SYNTHETIC, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("flag", evaluate.ELSEWHERE)
def test_a_flag_of_other_programs_is_told_what_to_do(capsys, flag):
    said = failure(capsys, f"{flag}=1")
    assert said == f"evaluate: {flag} is not a flag here; {evaluate.ELSEWHERE[flag]}\n"


@pytest.fixture
def run_folder(tmp_path):
    """A run that was trained for new users, without any weights."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text('{"protocol": ["catalog", "session"]}')
    return folder


@pytest.fixture
def fake_runs(monkeypatch):
    """Runs act at random, each by its folder's name."""

    class Fake:
        adaptive = True

        def __init__(self, name, folder):
            self.name = name
            self.rng = np.random.default_rng(list(folder.name.encode()))

        def scores(self, observation, candidates):
            return self.rng.random((observation.n_users, 1000))

    monkeypatch.setattr(evaluate, "load_run", lambda name, folder, *_: Fake(name, folder))


@pytest.mark.parametrize("protocol", ["catalog", "session", "rerank"])
def test_writes_json_and_markdown_and_prints_a_table(protocol, tmp_path, capsys):
    files = ["--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md")]
    names = ["--policies", "random", "popularity", "oracle"]
    asked = [*SYNTHETIC, "--protocol", protocol, *names, *files, "--show-users", "2"]
    assert evaluate.main(asked) == 0
    printed = capsys.readouterr().out
    assert "popularity" in printed
    assert printed.count("history") == 2
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["protocol"] == protocol
    assert list(content["policies"]) == ["popularity", "random", "oracle"]  # the bound is last
    assert "oracle (bound)" in printed
    key = "reward@10" if protocol == "session" else "precision@5"
    assert set(content["policies"]["random"][key]) == {"mean", "ci95"}
    assert (tmp_path / "out.md").read_text().count("\n|") == 5
    first = (tmp_path / "out.json").read_bytes()
    assert evaluate.main(asked) == 0
    assert (tmp_path / "out.json").read_bytes() == first


def test_several_runs_of_a_policy_are_seeds(tmp_path, run_folder, fake_runs, capsys):
    again, other = (run_folder.parent / name for name in ("again", "other"))
    for folder in (again, other):
        folder.mkdir()
        (folder / "config.json").write_text('{"protocol": ["catalog"]}')
    weights = [str(run_folder), str(again), f"drr-p={other}"]
    file = tmp_path / "out.json"
    names = ["--policies", "popularity", "drr"]
    asked = [*SYNTHETIC, *names, "--weights", *weights, "--json", str(file)]
    assert evaluate.main(asked) == 0
    content = json.loads(file.read_text())
    assert set(content["policies"]) == {"popularity", "drr", "drr-p"}
    assert content["policies"]["drr"]["precision@5"]["seeds"]["n"] == 2
    assert "seeds" not in content["policies"]["drr-p"]["precision@5"]
    assert set(content["differences"]) == {"drr", "drr-p"}
    assert content["differences"]["drr"]["baseline"] == "popularity"
    assert "drr - popularity: precision@5" in capsys.readouterr().out


@pytest.mark.slow
def test_online_only_the_runs_learn_from_what_is_visible(
    tmp_path, run_folder, fake_runs, monkeypatch, capsys
):
    asked = []

    def learning(policy, config, protocol):
        asked.append((policy, config.protocol, protocol))
        return policy

    monkeypatch.setattr("training.tasks.online_policy", learning)
    (run_folder / "config.json").write_text('{"protocol": ["simulator"]}')
    file, rest = tmp_path / "out.json", ["--policies", "random", "--weights", str(run_folder)]
    common = [*SYNTHETIC, "--protocol", "simulator", "--json", str(file), *rest]
    assert evaluate.main(common) == 0
    assert not asked and json.loads(file.read_text())["mode"] == "inductive"
    assert evaluate.main([*common, "--agent-mode", "online"]) == 0
    ((policy, settings, protocol),) = asked
    assert policy.name == "drr" and settings == ("simulator",) and protocol.name == "simulator"
    assert json.loads(file.read_text())["mode"] == "online"
    assert "simulator (online)" in capsys.readouterr().out


def test_all_means_everything_defined_and_drr_only_with_weights(run_folder, capsys):
    names = evaluate.choose_policies(["all"], "catalog", {})
    assert {"popularity", "ease", "oracle"} <= set(names)
    assert "drr" not in names
    assert "drr is left out" in capsys.readouterr().err
    assert "drr" in evaluate.choose_policies(["all"], "catalog", {"drr": [run_folder]})
    assert "linucb" in evaluate.choose_policies(["all"], "simulator", {})
    assert evaluate.choose_policies(["random", "random"], "catalog", {}) == ("random",)


def test_what_would_not_fit_the_memory_is_left_out_of_all_and_refused_by_name(
    capsys, monkeypatch, tmp_path
):
    uncached = ("--cache-dir", str(tmp_path))
    monkeypatch.setattr(item_based, "MOST_BYTES", 1_000_000)
    message = failure(capsys, "--policies", "ease", *uncached)
    assert "policy 'ease': its item-by-item weights would need 0.0 GB of memory" in message
    monkeypatch.setattr(evaluate.registry, "names", lambda _: ["popularity", "ease"])
    assert evaluate.main([*SYNTHETIC, "--policies", "all", *uncached]) == 0
    captured = capsys.readouterr()
    assert "evaluate: ease is left out: its item" in captured.err
    assert "popularity" in captured.out and "ease" not in captured.out


def test_without_demographics_nobody_sees_any(monkeypatch, fake_runs, run_folder):
    seen = []

    class Spy:
        name, adaptive = "spy", False

        def scores(self, observation, candidates):
            seen.append(observation.demographics.any())
            return np.zeros((observation.n_users, 1000))

    monkeypatch.setattr(evaluate, "load_run", lambda *_: Spy())
    asked = ["--dataset", "synthetic", "--policies", "random", "--weights", str(run_folder)]
    assert evaluate.main(asked) == 0 and all(seen)
    seen.clear()
    assert evaluate.main([*asked, "--demographics", "off"]) == 0 and not any(seen)
    assert seen


def test_newcomers_with_nothing_known_and_the_hits_of_long_sessions(tmp_path):
    file = tmp_path / "out.json"
    asked = ["--protocol", "session", "--known", "0", "--ks", "5", "10", "40", "--by-activity"]
    names = ["--policies", "popularity", "item-knn", "item-knn-adaptive"]
    assert evaluate.main([*SYNTHETIC, *asked, *names, "--json", str(file)]) == 0
    content = json.loads(file.read_text())
    hits = {name: row["hits@5"]["mean"] for name, row in content["policies"].items()}
    assert hits["item-knn"] == hits["popularity"] > 0
    assert content["policies"]["item-knn"]["hits@40"]["mean"] > hits["item-knn"]
    groups = content["by_activity"]
    assert groups["50"]["n_users"] >= groups["100"]["n_users"] > 0
    assert set(groups["50"]["policies"]["popularity"]) == {"reward@5", "reward@10", "reward@40"}


def test_a_run_of_another_split_is_refused_and_its_own_is_taken(run_folder, fake_runs, capsys):
    (run_folder / "config.json").write_text('{"protocol": ["catalog"], "split": "time"}')
    weights = ["--policies", "random", "--weights", str(run_folder)]
    message = failure(capsys, "--split", "users", *weights)
    assert "trained with --split time, and has seen ratings that --split users hides" in message
    assert evaluate.main([*SYNTHETIC, *weights]) == 0
    assert "split by time" in capsys.readouterr().out


def finished_run(root, name, seconds, dataset="synthetic", protocol=("catalog", "session")):
    """A run that ended at that time."""
    folder = root / name
    folder.mkdir()
    (folder / "config.json").write_text(to_json(Config(dataset=dataset, protocol=protocol)))
    (folder / "metrics.json").write_text("{}")
    os.utime(folder / "metrics.json", (seconds, seconds))
    return folder


def test_bare_the_newest_finished_run_that_fits_is_taken(own_runs, fake_runs, capsys):
    finished_run(own_runs, "old", 1)
    finished_run(own_runs, "new", 2)
    finished_run(own_runs, "other-data", 3, dataset="ml-100k")
    finished_run(own_runs, "other-protocol", 4, protocol=("rerank",))
    (finished_run(own_runs, "unfinished", 5) / "metrics.json").unlink()
    (finished_run(own_runs, "synthetic", 6) / "README.md").touch()  # as a released run
    assert evaluate.main(SYNTHETIC) == 0
    captured = capsys.readouterr()
    assert f"drr is {own_runs / 'new'}" in captured.err
    rows = {line.split()[0] for line in captured.out.splitlines() if line.strip()}
    assert {"drr", "popularity", "item-knn"} <= rows
    assert evaluate.main([*SYNTHETIC, "--policies", "popularity"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "" and "drr" not in captured.out


def test_without_a_run_of_ones_own_the_released_one_of_the_protocol_is_taken(own_runs):
    for name, protocol in (("ml-1m", ("catalog",)), ("ml-1m-engagement", ("engagement",))):
        settings = preset("best", protocol)
        folder = finished_run(own_runs, name, 1, dataset="ml-1m")
        (folder / "config.json").write_text(to_json(replace(settings, dataset="ml-1m")))
        (folder / "README.md").touch()
    for protocol, name in (("session", "ml-1m"), ("engagement", "ml-1m-engagement")):
        assert run_choice.default_run(protocol, "auto") == {"drr": [own_runs / name]}
        assert run_choice.default_run(protocol, "ml-100k") == {}


def test_a_run_of_other_data_is_refused_or_named(run_folder, fake_runs, capsys, tmp_path):
    (run_folder / "metrics.json").write_text('{"data": {"fingerprint": "of another file"}}')
    message = failure(capsys, "--weights", str(run_folder))
    assert f"{run_folder}: trained on other data than synthetic as it is now" in message
    out = ["--allow-other-data", "--json", str(tmp_path / "out.json")]
    assert evaluate.main([*SYNTHETIC, "--weights", str(run_folder), *out]) == 0
    title = json.loads((tmp_path / "out.json").read_text())["dataset"]
    assert title == f"synthetic (NOT the data of {run_folder})"


def test_a_folder_that_is_given_twice_is_refused(capsys, run_folder):
    again = run_folder / ".." / run_folder.name
    message = failure(capsys, "--weights", str(run_folder), f"seeds={again}")
    assert f"--weights 'seeds={again}': the folder is given twice" in message


def test_unknown_policies_get_a_suggestion(capsys):
    assert "did you mean 'popularity'?" in failure(capsys, "--policies", "popularty")
    assert "'zzz' is unknown here; choose from all, random" in failure(capsys, "--policies", "zzz")
    assert "add --weights DIR" in failure(capsys, "--policies", "drr")


def test_a_run_cannot_take_the_name_of_a_baseline(capsys, run_folder):
    for name in ("popularity", "oracle", "all"):
        message = failure(capsys, "--weights", f"{name}={run_folder}")
        assert f"--weights {name}=...: that is a baseline's name; choose another" in message


def test_what_cannot_be_written_is_said_before_the_work(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_, **__: pytest.fail("loaded too early"))
    os.mkfifo(tmp_path / "pipe")
    message = failure(capsys, "--markdown", str(tmp_path / "pipe"))
    assert message.endswith("pipe: it is a pipe or device; name a file\n")
    assert (tmp_path / "pipe").is_fifo()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    file = tmp_path / "out.json"
    message = failure(capsys, "--json", str(file))
    assert message == f"evaluate: cannot write {file}: no permission in {tmp_path}\n"


def test_runs_that_saw_the_hidden_part_are_refused(capsys, run_folder):
    for protocol in ("rerank", "simulator"):
        message = failure(capsys, "--protocol", protocol, "--weights", f"drr={run_folder}")
        assert "trained for catalog and session, and has" in message
        assert f"seen ratings that {protocol} hides; train one with: python train.py" in message
    (run_folder / "config.json").write_text('{"protocol": ["rerank"]}')
    for protocol in ("catalog", "session", "simulator"):
        message = failure(capsys, "--protocol", protocol, "--weights", str(run_folder))
        assert f"trained for rerank, and has seen ratings that {protocol} hides" in message
    (run_folder / "config.json").write_text('{"protocol": []}')
    assert "protocol is ()" in failure(capsys, "--weights", str(run_folder))


def test_a_damaged_run_is_found_before_any_baseline_is_fitted(capsys, monkeypatch, run_folder):
    monkeypatch.setattr(evaluate, "baseline", lambda *_: pytest.fail("fitted too early"))
    message = failure(capsys, "--policies", "popularity", "--weights", str(run_folder))
    assert message.startswith(f"evaluate: --weights {run_folder}: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data-root", "nowhere"], "nowhere"),
        (["--protocol", "rerank", "--mode", "transductive"], "catalog and session only"),
        (["--mode", "transductive", "--weights", "run"], "trained without the test users"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--json", "."], "cannot write .: it is a folder"),
        (["--show-users", "-1"], "got -1"),
        (["--policies"], "nothing to evaluate: name --policies"),
        (["--ks", "5", "1000000000"], "--ks 1000000000: the catalogue has 1000 items"),
        (["--known", "-1"], "--known must be at least 0, got -1"),
        (["--protocol", "rerank", "--split", "time"], "--split is for catalog and session only"),
        (
            ["--demographics", "off", "--policies", "ridge-demographics"],
            "'ridge-demographics' needs demographics",
        ),
        (["--known", "1000"], "none of the 240 users to be evaluated has a positive rating left"),
        (["--protocol", "rerank", "--known", "5"], "--known is for new users only"),
        (["--boredom", "4", "0"], "--boredom is for --protocol engagement only"),
        ([*ENGAGEMENT, "--boredom", "4", "-2"], "boredom.most is -2, expected 0 to 1000"),
        (["--agent-mode", "online"], "for --protocol simulator only, not catalog"),
        (["--known-items"], "for --protocol simulator only, not catalog"),
        (["--agent-mode", "online", "--protocol", "simulator"], "only: add --weights DIR"),
        (["--ks", "0"], "--ks must be at least 1, got 0"),
        (["--json", "nowhere/out.json"], "no folder nowhere"),
    ],
)
def test_impossible_requests_are_refused(capsys, arguments, expected):
    assert expected in failure(capsys, *arguments)
