"""The run folder: made once, never overwritten, one process at a time."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from training.folder import JoinedFolder, RunFolder, RunFolderError, contradictions

from config import AgentConfig, Config, ReplayConfig

ROOT = Path(__file__).resolve().parents[2]


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files}


def holder(folder: Path) -> subprocess.Popen:
    """Another process that has locked `folder` and waits."""
    code = f"""
        import sys, time
        from pathlib import Path
        from training.folder import RunFolder
        folder = RunFolder(Path({str(folder)!r}))
        folder.lock()
        print("locked", flush=True)
        time.sleep(100)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_new_run_has_its_settings_on_disk_and_comes_back(tmp_path):
    config = replace(Config(), seed=7, agent=replace(AgentConfig(), discount=0.25))
    first = RunFolder(tmp_path / "a" / "run")
    first.create(config)
    assert (first.path / "config.json").is_file() and not first.finished
    del first  # its lock goes with it
    assert RunFolder(tmp_path / "a" / "run").resume() == config


@pytest.mark.parametrize(("finished", "advice"), [(False, "or go on with --resume"), (True, "")])
def test_an_existing_run_is_never_overwritten(tmp_path, finished, advice):
    folder = RunFolder(tmp_path)
    folder.create(Config())
    if finished:
        (tmp_path / "metrics.json").write_text("{}")
    before = snapshot(tmp_path)
    state = "a finished" if finished else "an unfinished"
    with pytest.raises(RunFolderError, match=f"holds {state} run; nothing is overwritten") as e:
        RunFolder(tmp_path).create(replace(Config(), seed=1))
    assert str(e.value).endswith(f"choose another --run-name{', ' + advice if advice else ''}")
    assert snapshot(tmp_path) == before


def test_what_is_not_there_or_is_finished_cannot_be_resumed(tmp_path):
    with pytest.raises(RunFolderError, match="no run to resume; start it without --resume"):
        RunFolder(tmp_path / "absent").resume()
    assert not (tmp_path / "absent").exists()
    folder = RunFolder(tmp_path)
    folder.create(Config())
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(RunFolderError, match="this run is finished"):
        folder.resume()


def test_a_second_process_is_kept_out_until_the_first_one_dies(tmp_path):
    RunFolder(tmp_path).create(Config())
    process = holder(tmp_path)
    try:
        with pytest.raises(RunFolderError, match=f"in use by process {process.pid}; wait for it"):
            RunFolder(tmp_path).resume()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert (tmp_path / "run.lock").read_text() == str(process.pid)  # the dead one's
    folder = RunFolder(tmp_path)
    folder.resume()
    assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def deny(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_place_where_nothing_can_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"cannot be written \(Not a directory\)"):
        RunFolder(tmp_path / "file" / "run").create(Config())
    RunFolder(tmp_path / "run").create(Config())
    monkeypatch.setattr(Path, "open", deny)
    for act in (RunFolder(tmp_path / "new").create, lambda _: RunFolder(tmp_path / "run").resume()):
        with pytest.raises(RunFolderError, match=r"cannot be written \(Permission denied\)"):
            act(Config())


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
        "--agent.critic-lr 0.5 (the run has 0.002)",
    ]


def test_a_folder_with_anything_in_it_is_not_taken(tmp_path):
    """An embedding left there would silently become the run's."""
    (tmp_path / "embedding.weights.h5").write_bytes(b"")
    with pytest.raises(RunFolderError, match=r"is not empty .embedding.weights.h5.; choose"):
        RunFolder(tmp_path).create(Config())
    assert not (tmp_path / "config.json").exists()


def test_a_start_that_failed_leaves_nothing_behind_but_checkpoints_stay(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(Config())
    folder.discard()
    assert not folder.path.exists()
    folder.create(Config())
    folder.checkpoints.mkdir()
    folder.discard()
    assert folder.config_file.exists()


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


def test_a_worker_beside_the_chief_writes_in_its_own_part_only(tmp_path):
    chief, other = RunFolder(tmp_path), JoinedFolder(tmp_path, 1)
    other.create(Config())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunFolderError, match="the chief's run is not there; give all workers the"):
        other.join(Config())
    chief.create(Config())
    assert other.resume() == Config()  # which the chief has locked
    other.join(Config())
    other.discard()
    assert sorted(path.name for path in tmp_path.rglob("*.lock")) == ["run.lock", "run.lock"]
    assert other.checkpoints == tmp_path / "workers" / "1" / "checkpoints" != chief.checkpoints


def test_a_worker_with_other_settings_than_the_chief_or_a_place_that_is_taken_is_refused(tmp_path):
    RunFolder(tmp_path).create(Config())
    with pytest.raises(
        RunFolderError, match=r"other settings: --seed 4 \(the run has 0\); start all"
    ):
        JoinedFolder(tmp_path, 1).join(replace(Config(), seed=4))
    first = JoinedFolder(tmp_path, 1)
    first.join(Config())
    with pytest.raises(RunFolderError, match=f"1: in use by process {os.getpid()}"):
        JoinedFolder(tmp_path, 1).join(Config())
    JoinedFolder(tmp_path, 2).join(Config())
