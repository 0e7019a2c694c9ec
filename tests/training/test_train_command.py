"""The command line of train.py: what it refuses, how, and what it costs before TensorFlow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import config as settings
import train as program
from training.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def python(code: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_explains_every_knob_and_needs_no_tensorflow():
    code = """
import resource, sys, train
try:
    train.main(["--help"])
except SystemExit as end:
    heavy = {"tensorflow", "keras", "pandas", "matplotlib"} & set(sys.modules)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("status", end.code, "heavy", heavy, "seconds", used.ru_utime + used.ru_stime)
"""
    done = python(code)
    end = re.search(r"status 0 heavy set\(\) seconds ([\d.]+)", done.stdout)
    assert end, done.stdout[-300:] + done.stderr
    assert float(end[1]) < 2
    for flag in ("--dataset", "--agent.discount", "--loop.warmup", "--replay.alpha", "--resume"):
        assert flag in done.stdout
    assert "gamma (paper: 0.9)" in " ".join(done.stdout.split())


def test_the_run_is_on_disk_before_tensorflow_is_imported(tmp_path, tiny_root):
    code = "import sys, train; sys.modules['tensorflow'] = None; train.main(sys.argv[1:])"
    flags = ("--dataset", "ml-1m", "--data-root", tiny_root, "--output-root", tmp_path)
    done = python(code, *flags)
    assert "import of tensorflow halted" in done.stderr
    assert (tmp_path / "ml-1m-best-seed0" / "config.json").is_file()


@pytest.mark.parametrize(
    ("flag", "suggestion"),
    [("--agent.discont", "--agent.discount"), ("--outputroot", "--output-root")],
)
def test_an_unknown_flag_is_refused_with_a_suggestion(train, tmp_path, flag, suggestion):
    run = train(tmp_path / "runs", flag, "1")
    assert run.status == 2
    assert flag in run.err and re.search(rf"{suggestion}\b", run.err.replace(flag + " ", ""))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", program.ELSEWHERE)
def test_a_flag_of_other_programs_is_told_its_name_here(train, tmp_path, flag):
    for given in ((flag, "1"), (f"{flag}=1",)):
        run = train(tmp_path / "runs", *given)
        assert run.status == 2
        assert run.err == f"train: {flag} is not a flag here; {program.ELSEWHERE[flag]}\n"
    for name in re.findall(r"--(?:[a-z]+\.)?([a-z-]+)", program.ELSEWHERE[flag]):
        assert f'"{name.replace("-", "_")}"' in settings.to_json(settings.Config())


BAD = [
    ("--preset", "", "preset"),
    ("--steps", "0", "steps is 0, expected 1 to"),
    ("--dataset", "ml-10m", "ml-10m"),
    ("--replay.capacity", "10", "replay.capacity is 10, expected at least loop.parallel-users"),
]


@pytest.mark.parametrize(("flag", "value", "words"), BAD, ids=[f"{f} {v}" for f, v, _ in BAD])
def test_a_value_that_cannot_work_is_refused_with_one_message(train, tmp_path, flag, value, words):
    run = train(tmp_path / "runs", flag, value)
    assert run.status == 2, run.err
    assert words in " ".join(re.sub("[│╭╮╰╯─]", " ", run.err).split())
    assert "Traceback" not in run.err and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("library", ["numpy", "tensorflow"])
def test_too_little_memory_is_said_and_the_folder_taken_back(train, tmp_path, monkeypatch, library):
    import tensorflow as tf

    exhausted = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\n[9, 9]")
    error = MemoryError("Unable to allocate 9 TiB") if library == "numpy" else exhausted

    def build(*_):
        raise error

    monkeypatch.setattr("training.loop.Training._replay", build)
    run = train(tmp_path / "runs")
    assert run.status == 1 and run.err.count("\n") == 1
    assert run.err.startswith(f"train: out of memory ({str(error).split()[0]} ")
    assert "lower --replay.capacity" in run.err
    assert not list((tmp_path / "runs").iterdir())


@pytest.fixture
def begun(tmp_path, tiny_flags, tiny_root) -> Path:
    """A run that was killed before its first checkpoint."""
    flags = (*tiny_flags, "--data-root", str(tiny_root), "--output-root", str(tmp_path))
    config = program.parse((*flags, "--run-name", "begun"))
    folder = RunFolder(tmp_path / "begun")
    folder.create(config)
    return folder.path


def test_a_run_goes_on_with_its_own_settings_only(train, begun):
    before = files(begun)
    run = train(begun.parent, "--run-name", "begun", "--resume", "--seed", "4", "--steps", "800")
    assert run.status == 2 and "cannot resume with other settings" in run.err
    assert "--seed 4 (the run has 0), --steps 800 (the run has 400)" in run.err
    assert "Traceback" not in run.err
    after = files(begun)
    after.pop(str(begun / "run.lock")), before.pop(str(begun / "run.lock"))
    assert after == before


def test_a_finished_run_stays_as_it_is(train, tiny_run):
    before = files(tiny_run.folder)
    for flags in ((), ("--resume",)):
        run = train(tiny_run.folder.parent, *flags)
        assert run.status == 2 and "finished" in run.err and run.err.count("\n") == 1
    assert files(tiny_run.folder) == before


def test_a_damaged_config_is_named_and_not_overwritten(train, begun):
    for text, words in (("{", "config.json:1"), ('{"stepz": 3}', "unknown field 'stepz'")):
        (begun / "config.json").write_text(text)
        run = train(begun.parent, "--run-name", "begun", "--resume")
        assert run.status == 2 and words in run.err and "Traceback" not in run.err
        assert (begun / "config.json").read_text() == text
