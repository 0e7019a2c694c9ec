"""Runs killed at random moments and resumed, which end as the one that nobody killed, bit for bit; and
one that goes on for a while, whose memory does not grow."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from training.checkpoint import load_newest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Runs train.py, and kills itself right before one of its file operations in the folder given first;
# prints how many there were.
PROGRAM = """
import os, runpy, signal, sys
root, point, count = sys.argv[1], int(sys.argv[2]), 0
def watch(event, arguments):
    global count
    if event in ("open", "os.mkdir", "os.remove", "os.rename") and str(arguments[0]).startswith(root):
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)
import train
sys.addaudithook(watch)
sys.argv[1:] = [*sys.argv[3:], "--output-root", root]
try:
    runpy.run_path("train.py", run_name="__main__")
finally:
    print(count)
"""
MORE = ("--steps", "1600", "--loop.checkpoints", "10", "--loop.keep", "best")


def start(root: Path, flags: tuple[str, ...], point: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(root), str(point), *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes)


def outcome(root: Path, read_weights) -> dict:
    """All weights and all metrics of a finished run; times, command and place left out."""
    (folder,) = root.iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    for report in metrics["results"].values():
        for policy in report["policies"].values():
            policy.pop("seconds", None)
    kept = ("results", "curve", "weights", "seed", "data", "versions")
    return read_weights(folder) | {name: metrics[name] for name in kept}


@pytest.fixture(scope="module")
def flags(tiny_flags, tiny_root) -> tuple[str, ...]:
    return (*tiny_flags, *MORE, "--data-root", str(tiny_root))


@pytest.fixture(scope="module")
def whole(flags, read_weights, tmp_path_factory) -> tuple[dict, int, float]:
    """The uninterrupted run, its number of file operations, and its seconds."""
    root, began = tmp_path_factory.mktemp("whole"), time.perf_counter()
    process = start(root, flags)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return outcome(root, read_weights), int(printed.split()[-1]), time.perf_counter() - began


SHARES = np.random.default_rng(0).uniform(0.1, 0.9, 5)


@pytest.mark.parametrize("share", SHARES[:3], ids="operation {:.2f}".format)
def test_killed_right_before_a_file_operation(whole, flags, read_weights, tmp_path, share):
    process = start(tmp_path, flags, point=round(share * whole[1]))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert_goes_on_exactly(whole[0], flags, read_weights, tmp_path)


@pytest.mark.parametrize(
    ("share", "number"), [(SHARES[3], signal.SIGTERM), (SHARES[4], signal.SIGKILL)]
)
def test_stopped_or_killed_at_any_time(whole, flags, read_weights, tmp_path, share, number):
    process = start(tmp_path, flags)
    time.sleep(share * whole[2])
    ended = process.poll() is not None  # where the machine has become quicker since
    process.send_signal(number)
    process.communicate()
    assert process.returncode in ((0,) if ended else (143, -number))
    assert_goes_on_exactly(whole[0], flags, read_weights, tmp_path)


def assert_goes_on_exactly(expected, flags, read_weights, root: Path) -> None:
    begun = [path for path in root.iterdir() if (path / "config.json").exists()]
    if not any((path / "metrics.json").exists() for path in begun):  # the last file of a run
        process = start(root, (*flags, *(["--resume"] if begun else [])))
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
    found = outcome(root, read_weights)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_equal(found[name], value, err_msg=name)


def resident(process: int) -> int:
    """Memory of a process, kB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_long_run_does_not_grow(flags, tmp_path):
    process = start(tmp_path, (*flags, "--steps", "40000000", "--loop.checkpoints", "20000"))
    folder = tmp_path / "ml-1m-best-seed0" / "checkpoints"
    while not folder.exists():
        time.sleep(0.5)
        assert process.poll() is None, process.communicate()
    memory = []
    for _ in range(60):
        time.sleep(1)
        memory.append(resident(process.pid))
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate()
    assert process.returncode == 143 and "everything is saved" in printed
    assert np.median(memory[-15:]) < 1.03 * np.median(memory[15:30])
    step, arrays = load_newest(folder)
    history = json.loads(arrays["state"].tobytes())["history"]
    assert step > 100 and len(history) == step + 1  # the start is its first point
    assert np.median([row["q_max"] for row in history[-step // 4 :]]) < 2.5  # rewards allow 2
