"""Several processes that train one agent: equal at every step, and together in every end."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from config import Config, ConfigError
from training import checkpoint
from training.workers import Workers, workers_from_environment

ROOT = Path(__file__).resolve().parents[2]

# Runs train.py, notes a digest of all weights after every iteration, which has one update, and sends
# itself a signal after the iteration given first.
PROGRAM = """
import os, sys, zlib
import numpy as np
point, number, notes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
import train
from training.loop import Training
inner = Training._iterate
def iterate(self):
    row = inner(self)
    weights = b"".join(np.asarray(v).tobytes() for v in self.training_agent.learner.variables)
    with open(notes, "a") as file:
        print(self.iteration, zlib.crc32(weights), row.get("critic_loss"), file=file)
    if self.iteration == point:
        os.kill(os.getpid(), number)
    return row
Training._iterate = iterate
sys.exit(train.main(sys.argv[4:]))
"""
# 6 iterations, checkpoints after the second, fourth and last
FLAGS = (
    *("--steps", "480", "--loop.checkpoints", "3", "--loop.updates-per-rollout", "1"),
    *("--loop.evaluations", "1", "--protocol", "catalog", "--loop.keep-checkpoints"),
    *("--agent.counterfactual", "0", "--agent.critics", "1"),
)


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def tf_config(index: object, ports: tuple[int, ...] = (1, 2)) -> str:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


def launch(notes: Path, flags: tuple[str, ...], point: int = 0, number: int = 0) -> list[Ended]:
    """Two workers; the second sends itself a signal. Their notes are notes/0 and notes/1."""
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        ports = (one.getsockname()[1], other.getsockname()[1])
    notes.mkdir()
    running = []
    for index, hurt in enumerate((0, point)):
        given = (str(hurt), str(number), str(notes / str(index)), *flags)
        options = {"env": {**os.environ, "TF_CONFIG": tf_config(index, ports)}, "text": True}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = (sys.executable, "-c", PROGRAM, *given)
        running.append(subprocess.Popen(command, cwd=ROOT, **options, **pipes))
    try:
        with ThreadPoolExecutor() as readers:
            outputs = list(readers.map(lambda one: one.communicate(timeout=250), running))
    finally:
        for one in running:
            one.kill()
    return [Ended(one.returncode, *text) for one, text in zip(running, outputs, strict=True)]


def digests(notes: Path) -> list[str]:
    """Iteration, digest of all weights and loss, which must be those of both workers."""
    first, second = ((notes / index).read_text().splitlines() for index in "01")
    assert first == second
    return first


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_stay_equal_when_one_is_killed_when_all_are_stopped_and_to_the_end(
    train, tiny_flags, tiny_root, tmp_path
):
    places = ("--data-root", str(tiny_root), "--output-root", str(tmp_path / "runs"))
    flags = (*tiny_flags, *FLAGS, *places)

    chief, killed = launch(tmp_path / "killed", flags, 3, signal.SIGKILL)
    assert killed.status == -signal.SIGKILL
    assert chief.status == 1 and "Traceback" not in chief.err
    said, command = chief.err.splitlines()[-2:]
    assert re.match(r"train: lost contact with worker 1: it died", said)
    assert command.split() == ["python", "train.py", *flags, "--resume"]

    again = (*flags, "--resume")
    for worker in launch(tmp_path / "stopped", again, 5, signal.SIGTERM):
        assert worker.status == 143 and "resumed at step 160" in worker.out, worker.err
        assert "stopped by SIGTERM; everything is saved" in worker.err
    folder = tmp_path / "runs" / "ml-1m-best-seed0"
    (folder / "checkpoints" / "checkpoint-00000005.drr").unlink()  # died before it wrote its own
    for worker in launch(tmp_path / "finished", again):
        assert worker.status == 0 and "resumed at step 320" in worker.out, worker.err

    notes = [digests(tmp_path / name) for name in ("killed", "stopped", "finished")]
    assert [[line[0] for line in one] for one in notes] == [list("123"), list("345"), list("56")]
    assert notes[0][2] == notes[1][0] and notes[1][2] == notes[2][0]  # goes on exactly
    assert json.loads((folder / "metrics.json").read_text())["workers"] == 2
    parts = (folder / "checkpoints", folder / "checkpoints" / "worker-1")
    saved = [checkpoint.load_newest(part)[1]["replay/field/users"] for part in parts]
    assert min(map(len, saved)) > 5 and not np.isin(*saved).any()  # each plays its own users

    (folder / "metrics.json").unlink()
    run = train(folder.parent, *FLAGS, "--resume")
    assert run.status == 1 and "saved by 2 workers; resume with as many, not with 1" in run.err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cluster": {"worker": ["a:1", "b:1"]}}', *map(tf_config, (2, -1, "0"))],
)
def test_a_cluster_that_cannot_be_is_refused_with_one_message(train, tmp_path, monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    run = train(tmp_path / "runs")
    assert run.status == 2 and run.err.startswith("train: TF_CONFIG is '") and text[:9] in run.err
    assert run.err.count("\n") == 1 and not (tmp_path / "runs").exists()


def test_the_cluster_says_how_many_there_are_and_which_this_one_is():
    for text in ("", " ", "{}", '{"environment": "cloud"}', tf_config(0, (1,))):
        assert workers_from_environment({"TF_CONFIG": text}).size == 1
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    text = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    found = workers_from_environment({"TF_CONFIG": text})
    assert (found.size, found.index, found.chief) == (3, 2, False)


def test_what_is_asked_for_is_divided_among_the_workers():
    config, part = Config(), Workers(2, 1).share(Config())
    assert part.agent.batch_size * 2 == config.agent.batch_size
    assert part.loop.parallel_users * 2 == config.loop.parallel_users
    assert part.replay.capacity * 2 == config.replay.capacity
    assert part.loop.jit == "off" and part.steps == config.steps
    with pytest.raises(ConfigError, match=r"must be multiples of 3, found \(128, 128, 200000\)"):
        Workers(3).share(config)
    parts = [Workers(3, index).part(np.arange(7)).tolist() for index in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]]
    seeds = {Workers(3, index).seed(5) for index in range(3)}
    assert len(seeds) == 3 and 5 in seeds and all(0 <= seed < 2**31 for seed in seeds)
