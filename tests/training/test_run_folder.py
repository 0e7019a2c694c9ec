"""The run folder: made once, never overwritten, one process at a time; and what it was begun with."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config import Config, ReplayConfig
from data import DataError
from training.process import DiskError, Interrupted, OutOfMemoryError
from training.run_folder import (
    RunFolder,
    RunFolderError,
    compare_with_origin,
    contradictions,
)

ROOT = Path(__file__).resolve().parents[2]


HOLD = """
import sys, time
from pathlib import Path
from training.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.lock()
print("locked", flush=True)
time.sleep(100)
"""


def test_a_second_process_is_kept_out_until_the_first_one_dies(tmp_path):
    RunFolder(tmp_path).create(Config())
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    try:
        with pytest.raises(RunFolderError, match=f"in use by process {process.pid}; wait for it"):
            RunFolder(tmp_path).resume()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert (tmp_path / "run.lock").read_text() == str(process.pid)  # the dead one's
    folder = RunFolder(tmp_path)
    assert folder.resume() == Config()
    assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def test_settings_that_contradict_a_saved_run_are_listed_as_flags():
    saved = Config(dataset="ml-1m", run_name="x")
    asked = replace(
        saved,
        seed=3,
        resume=True,
        output_root="elsewhere",
        data_root="d",
        run_name="y",
        agent=replace(saved.agent, critic_lr=0.5),
        replay=ReplayConfig(alpha=0.25),
    )
    assert contradictions(saved, saved) == []
    assert contradictions(asked, saved) == [
        "--seed 3 (the run has 0)",
        "--replay.alpha 0.25 (the run has 0.6)",
        "--agent.critic-lr 0.5 (the run has 1e-05)",
    ]


def test_a_folder_with_anything_in_it_is_not_taken(tmp_path):
    """An embedding left there would silently become the run's."""
    (tmp_path / "embedding.weights.h5").write_bytes(b"")
    with pytest.raises(RunFolderError, match=r"is not empty .embedding.weights.h5.; choose"):
        RunFolder(tmp_path).create(Config())
    assert not (tmp_path / "config.json").exists()


def end(folder: RunFolder, error: BaseException) -> None:
    with pytest.raises(type(error)), folder.removed_if_unused():
        raise error


@pytest.mark.parametrize("error", [DataError("x"), OutOfMemoryError("x"), Interrupted(2)])
def test_a_start_that_was_refused_or_stopped_leaves_nothing_behind(tmp_path, error):
    folder = RunFolder(tmp_path / "run")
    folder.create(Config())
    end(folder, error)
    assert not folder.path.exists()
    folder.create(Config())
    folder.checkpoints.mkdir()
    end(folder, error)
    assert folder.config_file.exists()  # there is something to go on with


def test_what_was_there_before_or_failed_while_it_ran_stays(tmp_path):
    folder = RunFolder(tmp_path / "failed")
    folder.create(Config())
    end(folder, DiskError("full"))
    assert folder.config_file.exists()
    RunFolder(tmp_path / "killed").create(Config())
    resumed = RunFolder(tmp_path / "killed")
    resumed.resume()
    end(resumed, Interrupted(2))
    assert resumed.config_file.exists()


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    """Files of our own names only; also where the kill came before config.json was there."""
    (tmp_path / ".config.json.123.tmp").write_text("{")
    folder = RunFolder(tmp_path)
    folder.create(Config())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "run.lock"]
    folder.checkpoints.mkdir()
    ours = (
        *(".metrics.json.7.tmp", ".actor.123.tmp.weights.h5", ".embedding.weights.h5.9.tmp"),
        "checkpoints/.checkpoint-00000003.drr.123.tmp",
    )
    theirs = (".notes.tmp", "a.123.tmp", "actor.weights.h5", "checkpoints/checkpoint-00000002.drr")
    for name in (*ours, *theirs):
        (tmp_path / name).write_text("")
    del folder  # its lock goes with it
    RunFolder(tmp_path).resume()
    assert not any((tmp_path / name).exists() for name in ours)
    assert all((tmp_path / name).exists() for name in theirs)


def test_what_changed_since_the_run_began_is_said(tmp_path, tiny, capsys):
    folder = RunFolder(tmp_path / "run")
    folder.create(Config())
    for device in ("CPU", "GPU", "CPU"):
        compare_with_origin(folder, tiny, device)
    assert capsys.readouterr().err.count("not bit-identical") == 1
    compare_with_origin(folder, tiny, "GPU")
    assert "device is GPU, was CPU" in capsys.readouterr().err


@pytest.fixture
def stopped(train, tiny, write, tmp_path, monkeypatch):
    """`again(*flags, root=...)` goes on with a run that ended before its first checkpoint."""

    def fail(*_: object) -> None:
        raise DiskError("full")

    monkeypatch.setattr("training.loop.Training", fail)
    root = write(tiny, tmp_path / "data")
    assert train(tmp_path / "runs", root=root).status == 1
    return lambda *flags, root=root: train(tmp_path / "runs", "--resume", *flags, root=root)


def test_a_run_whose_data_or_settings_changed_is_not_resumed(stopped, write, tiny, tmp_path):
    fewer = write(tiny.keep(np.arange(tiny.n_ratings) > 0), tmp_path / "b")
    again = stopped(root=fewer)
    assert again.status == 2 and "the data set is not the one" in again.err
    path = again.folder / "config.json"
    path.write_text(path.read_text().replace('"steps": 400', '"steps": 480'))
    again = stopped("--steps", "480")
    assert again.status == 2 and "config.json was edited" in again.err
    assert "Traceback" not in again.err and path.exists()
