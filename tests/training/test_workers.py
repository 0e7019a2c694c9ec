"""Several processes that train one agent: equal at every step, and together in every end."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from training.cluster import read_cluster

from config import Config, ConfigError, ReplayConfig
from training import checkpoint
from training import workers as workers_module
from training.workers import ALONE, Workers, from_environment

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(900)  # six processes: half a minute on two idle cores

# Runs train.py, notes a digest of all weights after every iteration, which has one update, and sends
# itself a signal after the iteration given first. Checks the collectives before they are used.
PROGRAM = """
import os, sys, zlib
point, number, notes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
import numpy as np, tensorflow as tf
from training.loop import Training
from training.workers import MirroredWorkers
inner, connect = Training._iterate, MirroredWorkers.connect
def iterate(self):
    row = inner(self)
    weights = b"".join(np.asarray(v).tobytes() for v in self.training_agent.learner.variables)
    with open(notes, "a") as file:
        print(self.iteration, zlib.crc32(weights), row.get("critic_loss"), file=file)
    if self.iteration == point:
        os.kill(os.getpid(), number)
    return row
Training._iterate = iterate
def checked(self):
    connect(self)
    here = float(self.index)
    rows = tf.IndexedSlices(tf.constant([[here]]), tf.constant([self.index]), tf.constant([2, 1]))
    means = tf.function(lambda: self.mean([tf.fill([2], here), None, rows]))()
    assert means[0].numpy().tolist() == [0.5, 0.5] and means[1] is None
    assert means[2].numpy().tolist() == [[0.0], [0.5]]
    assert self.gather([here, 3.0]).tolist() == [[0, 3], [1, 3]]
MirroredWorkers.connect = checked
import train
sys.exit(train.main(sys.argv[4:]))
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def tf_config(index: object, ports: list[int], job: str = "worker") -> str:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def launch(notes: Path, flags: tuple[str, ...], hurt: dict[int, tuple[int, int]]) -> list[Ended]:
    """Two workers; hurt: worker -> (iteration, signal). The notes are notes/0 and notes/1."""
    ports = free_ports(2)
    notes.mkdir()
    running = []
    for index in range(2):
        point, number = hurt.get(index, (0, 0))
        command = (sys.executable, "-c", PROGRAM, str(point), str(number), str(notes / str(index)))
        environment = {**os.environ, "TF_CONFIG": tf_config(index, ports)}
        running.append(
            subprocess.Popen(
                (*command, *flags),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        with ThreadPoolExecutor() as readers:
            outputs = list(readers.map(lambda one: one.communicate(timeout=250), running))
    finally:
        for one in running:
            one.kill()
    return [Ended(one.returncode, *text) for one, text in zip(running, outputs, strict=True)]


# 6 iterations, checkpoints after the second, fourth and last
FLAGS = (
    *("--steps", "480", "--loop.checkpoints", "3", "--loop.updates-per-rollout", "1"),
    *("--loop.evaluations", "1", "--protocol", "catalog"),
    *("--agent.counterfactual", "0", "--agent.critics", "1"),
)


class Runs(NamedTuple):
    """A run of two workers of which one is killed, stopped when it is resumed, and then finished."""

    root: Path
    flags: tuple[str, ...]
    ended: Future

    @property
    def folder(self) -> Path:
        return self.root / "runs" / "ml-1m-best-seed0"


def launch_three_times(root: Path, flags: tuple[str, ...]) -> tuple[list[Ended], ...]:
    again = (*flags, "--resume")
    return (
        launch(root / "killed", flags, {1: (3, signal.SIGKILL)}),
        launch(root / "stopped", again, {1: (5, signal.SIGTERM)}),
        launch(root / "finished", again, {}),
    )


@pytest.fixture(scope="session", autouse=True)
def runs(tiny_flags, tiny_root, tmp_path_factory) -> Iterator[Runs]:
    """Started first, so that they run while this process is busy with the other tests."""
    root = tmp_path_factory.mktemp("workers")
    places = ("--data-root", str(tiny_root), "--output-root", str(root / "runs"))
    flags = (*tiny_flags, *FLAGS, *places)
    with ThreadPoolExecutor(max_workers=1) as background:
        yield Runs(root, flags, background.submit(launch_three_times, root, flags))


UNUSABLE = [
    ("{", "TF_CONFIG: is not valid JSON (Expecting property name"),
    ("[]", 'TF_CONFIG: is not an object with "cluster" and "task"'),
    ('{"cluster": ["a:1"]}', "cluster is not an object"),
    ('{"cluster": {"worker": "a:1"}}', "cluster.worker is not a list of addresses: 'a:1'"),
    ('{"cluster": {"worker": ["a:1", "b"]}}', "is not host:port: 'b'"),
    ('{"cluster": {"worker": ["a:1", "b:65536"]}}', "is not host:port: 'b:65536'"),
    ('{"cluster": {"worker": ["a:1", 5]}}', "is not host:port: 5"),
    ('{"cluster": {"worker": ["a:1", "a:1"]}}', "is there twice: 'a:1'"),
    ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}}', "leave it out: 'ps'"),
    ('{"cluster": {"worker": ["a:1", "b:1"]}}', "task is not an object like"),
    (tf_config(0, [1, 2], job="evaluator"), "task.type is not a job of the cluster"),
    (tf_config(0, [1, 2], job="chief"), "task.type is not a job of the cluster"),
    (tf_config(2, [1, 2]), "task.index is not a number from 0 to 1: 2"),
    (tf_config(-1, [1, 2]), "task.index is not a number from 0 to 1: -1"),
    (tf_config("0", [1, 2]), "task.index is not a number from 0 to 1: '0'"),
    (tf_config(0, [1, 2, 3]), "agent.batch-size is 16, expected a multiple of the 3 workers"),
]


@pytest.mark.parametrize(("text", "words"), UNUSABLE)
def test_workers_that_cannot_be_are_refused_with_one_message(
    train, tmp_path, monkeypatch, text, words
):
    monkeypatch.setenv("TF_CONFIG", text)
    run = train(tmp_path / "runs")
    assert run.status == 2 and words in run.err and run.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["", " ", "{}", '{"environment": "cloud"}', tf_config(0, [1])])
def test_without_other_workers_a_process_is_alone(text):
    assert from_environment({"TF_CONFIG": text}) is ALONE
    assert from_environment({}) is ALONE


def test_a_chief_comes_first_whatever_the_order_in_the_cluster():
    cluster = {"worker": ["a:1", "[::1]:2"], "chief": ["c:3"]}
    found = [
        read_cluster({"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})
        for task in ({"type": "chief", "index": 0}, {"type": "worker", "index": 1})
    ]
    assert [one.index for one in found] == [0, 2] and found[0].members == found[1].members
    assert [(one.host, one.port) for one in found[0].members] == [("c", 3), ("a", 1), ("::1", 2)]


def test_a_port_in_use_and_a_worker_that_does_not_come_are_said(train, tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "START_SECONDS", 0.2)
    with socket.create_server(("", 0)) as taken:
        ports = [taken.getsockname()[1], *free_ports(1)]
        for index, words in enumerate(
            (f"port {ports[0]}, this process' in TF_CONFIG, cannot be opened", "did not come up")
        ):
            monkeypatch.setenv("TF_CONFIG", tf_config(0, [ports[index], *free_ports(1)]))
            run = train(tmp_path)
            assert run.status == 2 and words in run.err and "Traceback" not in run.err
            assert list(tmp_path.iterdir()) == []  # to be started again as it was


def member(index: int, size: int) -> Workers:
    one = Workers()
    one.index, one.size = index, size
    return one


def test_what_is_asked_for_is_divided_among_the_workers():
    config = Config()
    part = member(1, 2).share(config)
    assert part.agent.batch_size * 2 == config.agent.batch_size
    assert part.loop.parallel_users * 2 == config.loop.parallel_users
    assert part.replay.capacity * 2 == config.replay.capacity
    assert part.loop.jit == "off" and part.steps == config.steps
    assert ALONE.share(config) is config
    odd = dataclasses.replace(config, replay=ReplayConfig(capacity=200_001))
    with pytest.raises(ConfigError, match=r"replay.capacity is 200001, expected a multiple of"):
        member(0, 2).share(odd)
    on = dataclasses.replace(config, loop=dataclasses.replace(config.loop, jit="on"))
    with pytest.raises(ConfigError, match=r"loop.jit is 'on'"):
        member(0, 2).share(on)


def test_every_user_is_played_by_one_worker_and_every_worker_has_seeds_of_its_own():
    users = np.arange(7)
    parts = [member(index, 3).part(users).tolist() for index in range(3)]
    assert (
        sorted(user for part in parts for user in part) == users.tolist()
        and min(map(len, parts)) == 2
    )
    np.testing.assert_array_equal(ALONE.part(users), users)
    with pytest.raises(ConfigError, match="7 users to train on, expected one or more for each"):
        member(0, 8).part(users)
    seeds = [member(index, 3).seed(5) for index in range(3)]
    assert seeds[0] == 5 and len(set(seeds)) == 3 and all(0 <= seed < 2**31 for seed in seeds)


class Thread(Workers):
    """A worker that is a thread; `table` and `barrier` belong to all of them."""

    def __init__(self, index: int, table: list, barrier: threading.Barrier) -> None:
        self.index, self.size, self.table, self.barrier = index, len(table), table, barrier

    def gather(self, numbers):
        self.table[self.index] = numbers
        self.barrier.wait()
        gathered = np.array(self.table, np.float64)
        self.barrier.wait()
        return gathered


def together(act: Callable[[Workers], object]) -> list:
    """What `act` returns, or raises, in each of two workers."""

    def outcome(worker: Workers) -> object:
        try:
            return act(worker)
        except Exception as error:
            return error

    table, barrier = [None, None], threading.Barrier(2, timeout=60)
    with ThreadPoolExecutor() as threads:
        return list(threads.map(outcome, [Thread(index, table, barrier) for index in range(2)]))


def test_rows_are_averaged_and_differences_found():
    rows = together(lambda worker: worker.agree({"q": worker.index, "q_max": worker.index}))
    assert rows == [{"q": 0.5, "q_max": 1.0}] * 2
    assert ALONE.agree({"q": 0.1, "q_max": 0.3}) == {"q": 0.1, "q_max": 0.3}
    assert together(lambda worker: worker.require_equal("the data", b"same")) == [None, None]
    for error in together(lambda worker: worker.require_equal("the data", bytes([worker.index]))):
        assert str(error) == "the data of worker 1 is not that of worker 0, the chief"


@pytest.mark.parametrize(("block", "order"), [("chief_first", [0, 1]), ("chief_last", [1, 0])])
def test_the_chief_goes_first_or_last(block, order):
    entered = []

    def act(worker: Workers) -> None:
        with getattr(worker, block)():
            time.sleep(0.05 * (worker.index == order[0]))
            entered.append(worker.index)

    together(act)
    assert entered == order


@pytest.mark.parametrize(
    ("chief", "other", "expected"),
    [
        ([4, 6], [4, 6], 6),
        ([2, 4], [4, 6], 4),  # the chief died before it wrote the last one
        ([4, 6], [2, 4], 4),  # the other one's newest was damaged
        ([], [], None),
        ([], [2], None),
        ([2], [], "no checkpoint in common"),
        ([4, 6], [2], "no checkpoint in common"),
    ],
)
def test_all_go_on_from_the_newest_checkpoint_that_all_have(tmp_path, chief, other, expected):
    folders = [tmp_path / "chief", tmp_path / "other"]
    for folder, steps in zip(folders, (chief, other), strict=True):
        for step in steps:
            checkpoint.save(folder, step, {"workers": np.array(2)})

    def act(worker: Workers) -> int | None:
        found = worker.load_newest(folders[worker.index])
        return found and found[0]

    for outcome in together(act):
        assert outcome == expected or str(expected) in str(outcome)


# These wait for the other processes, so they come last.


def notes(path: Path) -> list[list[str]]:
    """Iteration, digest of all weights, loss."""
    return [line.split() for line in path.read_text().splitlines()]


def test_all_replicas_are_equal_after_every_update(runs):
    runs.ended.result()
    for name, iterations in (("killed", "123"), ("stopped", "345"), ("finished", "6")):
        first, second = (notes(runs.root / name / str(index)) for index in range(2))
        assert first == second and "".join(row[0] for row in first) == iterations
    digests = {
        digest for name in ("killed", "stopped") for _, digest, _ in notes(runs.root / name / "0")
    }
    assert len(digests) == 5


def test_when_one_dies_the_other_ends_with_a_message_and_the_checkpoint_stays(runs):
    (chief, killed), (resumed, _), _ = runs.ended.result()
    assert killed.status == -signal.SIGKILL
    assert chief.status == 1 and "Traceback" not in chief.err
    said, command = chief.err.splitlines()[-2:]
    assert re.match(r"train: lost contact with worker 1 \(127.0.0.1:\d+\): it died", said)
    assert command.split() == ["python", "train.py", *runs.flags, "--resume"]
    assert "resumed at step 160" in resumed.out


def test_a_resumed_run_goes_on_exactly_as_it_would_have(runs):
    runs.ended.result()
    assert notes(runs.root / "stopped" / "0")[0] == notes(runs.root / "killed" / "0")[2]


def test_one_that_is_stopped_stops_all_with_everything_saved(runs):
    _, stopped, finished = runs.ended.result()
    for worker in stopped:
        assert worker.status == 143, worker.err
        assert "stopped by SIGTERM; everything is saved" in worker.err
        # TensorFlow may still complain about its closed connections afterwards
        commands = [line.split() for line in worker.err.splitlines()]
        assert ["python", "train.py", *runs.flags, "--resume"] in commands
    for worker in finished:
        assert worker.status == 0, worker.err
        assert "resumed at step 400" in worker.out


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_chief_writes_and_the_other_has_a_part_of_its_own(runs):
    chief, other = runs.ended.result()[-1]
    saved = {f"checkpoints/checkpoint-0000000{step}.drr" for step in (5, 6)}
    assert files(runs.folder / "workers") == {
        f"1/{name}" for name in (*saved, "run.lock", "origin.json")
    }
    assert saved | {"metrics.json", "actor.weights.h5", "progress.png"} <= files(runs.folder)
    metrics = json.loads((runs.folder / "metrics.json").read_text())
    assert metrics["workers"] == 2 and len(metrics["curve"]) == 6
    assert "popularity" in chief.out and "popularity" not in other.out
    assert "worker 1 (127.0.0.1:" in other.out


def test_every_worker_plays_users_of_its_own(runs):
    runs.ended.result()
    parts = (runs.folder, runs.folder / "workers" / "1")
    saved = [checkpoint.load_newest(part / "checkpoints")[1] for part in parts]
    users = [set(arrays["replay/field/users"].tolist()) for arrays in saved]
    assert min(map(len, users)) > 5 and not users[0] & users[1]


def test_a_run_of_two_workers_does_not_go_on_with_one(runs, train):
    runs.ended.result()
    (runs.folder / "metrics.json").unlink()
    run = train(runs.folder.parent, *FLAGS, "--resume")
    assert run.status == 1 and "saved by 2 workers; resume with as many, not with 1" in run.err
