"""A resumed run is compared with what it was begun with."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest
from training.folder import RunFolder, RunFolderError

from config import Config
from training import loop, origin

FACTS = {"data": "d", "settings": "s", "numpy": "1", "git_commit": None, "device": "CPU"}


@pytest.fixture
def folder(tmp_path):
    found = RunFolder(tmp_path / "run")
    found.create(Config())
    return found


def test_equal_facts_are_no_news(folder):
    assert origin.pin(folder, FACTS) == origin.pin(folder, FACTS) == []
    assert origin.read(folder) == {"facts": FACTS, "changed": []}


def test_what_changes_is_said_every_time_and_recorded_once(folder):
    origin.pin(folder, FACTS)
    other = FACTS | {"numpy": "2", "device": "GPU"}
    words = ["numpy is 2, was 1", "device is GPU, was CPU"]
    assert origin.pin(folder, other) == origin.pin(folder, other) == words
    assert origin.pin(folder, FACTS) == []  # back to where it began, but what was, was
    assert origin.read(folder) == {"facts": FACTS, "changed": words}


@pytest.mark.parametrize(("name", "words"), origin.REFUSED.items())
def test_other_data_or_settings_are_refused(folder, name, words):
    origin.pin(folder, FACTS)
    with pytest.raises(RunFolderError, match=f"cannot resume: {words}"):
        origin.pin(folder, FACTS | {name: "another"})
    assert origin.read(folder) == {"facts": FACTS, "changed": []}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"facts": 1, "changed": []}', '{"facts": {}}'])
def test_a_damaged_file_is_named(folder, text):
    (folder.path / "origin.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"origin.json: damaged"):
        origin.pin(folder, FACTS)


def test_the_facts_tell_data_and_settings_apart(folder, tiny_data):
    found = origin.facts(folder, tiny_data)
    assert found == origin.facts(folder, tiny_data)
    assert {"python", "tensorflow", "keras", "numpy", "git_commit"} <= found.keys()
    fewer = tiny_data.keep(np.arange(tiny_data.n_ratings) > 0)
    folder.config_file.write_text(folder.config_file.read_text() + " ")
    again = origin.facts(folder, fewer)
    changed = {name for name in found if found[name] != again[name]}
    assert changed == {"data", "settings"}


def test_only_code_makes_a_checkout_dirty(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "__file__", str(tmp_path / "training" / "origin.py"))

    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    assert origin.git_commit() is None
    git("init", "-q")
    (tmp_path / "training").mkdir()
    for name in ("README.md", "a.py", "training/b.py", "requirements.txt"):
        (tmp_path / name).write_text("1")
    git("add", "-A"), git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "README.md").write_text("2")
    assert origin.git_commit() == commit and len(commit) == 40
    for name in ("a.py", "training/b.py", "requirements.txt", "training/new.py"):
        path = tmp_path / name
        before = path.read_text() if path.exists() else None
        path.write_text("2")
        assert origin.git_commit() == f"{commit}-dirty", name
        path.unlink() if before is None else path.write_text(before)
    assert origin.git_commit() == commit


def stopped(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_whose_data_or_settings_changed_is_not_resumed(
    train, write, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "Training", stopped)
    begun = train(tmp_path / "runs", root=write(tiny, tmp_path / "a"))
    assert begun.status == 143
    fewer = write(tiny.keep(np.arange(tiny.n_ratings) > 0), tmp_path / "b")
    again = train(tmp_path / "runs", "--resume", root=fewer)
    assert again.status == 2 and "the data set is not the one" in again.err
    text = begun.folder.joinpath("config.json").read_text()
    begun.folder.joinpath("config.json").write_text(text.replace('"steps": 400', '"steps": 480'))
    again = train(tmp_path / "runs", "--resume", "--steps", "480", root=tmp_path / "a")
    assert again.status == 2 and "config.json was edited" in again.err
    assert "Traceback" not in again.err and begun.folder.exists()


def test_another_version_is_a_warning(train, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "Training", stopped)
    begun = train(tmp_path)
    monkeypatch.setattr(origin.importlib.metadata, "version", lambda name: f"{name} 0")
    again = train(tmp_path, "--resume")
    assert again.status == 143
    assert "train: numpy is numpy 0, was 2" in again.err and "not bit-identical" in again.err
    changed = json.loads((begun.folder / "origin.json").read_text())["changed"]
    assert len(changed) == len(origin.PACKAGES)
