"""`--track`: what reaches Weights & Biases, played by a stub."""

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from config import Config, ConfigError
from training.monitor import Progress
from training.process import check_tracking, start_tracking


def test_the_curves_and_settings_are_logged_under_the_names_of_tensorboard(tmp_path, monkeypatch):
    logged = []
    run = SimpleNamespace(
        log=lambda row, step: logged.append((step, row)), finish=lambda: logged.append("finished")
    )
    stub = SimpleNamespace(init=lambda **asked: logged.append(asked) or run)
    monkeypatch.setitem(sys.modules, "wandb", stub)
    assert start_tracking(Config(), tmp_path) is None
    tracked = start_tracking(Config(track=True, seed=7), tmp_path)
    progress = Progress(None, total=100, protocol="catalog", tracked=tracked)
    progress.update({"step": 100.0, "critic_loss": 2.0, "precision@5": 0.5})
    progress.close()
    asked, row, end = logged
    assert asked["name"] == tmp_path.name and asked["config"]["seed"] == 7
    assert row == (100, {"loss/critic": 2.0, "catalog/precision@5": 0.5}) and end == "finished"


def test_where_it_is_not_installed_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    check_tracking(Config())
    with pytest.raises(ConfigError, match=r"^track: .* not installed; pip install wandb"):
        check_tracking(Config(track=True))
