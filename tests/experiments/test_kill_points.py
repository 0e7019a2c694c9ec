"""The parts of the kill test that decide: what is drawn, what counts as equal, what a kill leaves."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import kill_points

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = np.linspace(-1, 1, 5, dtype=np.float32)


def test_half_of_the_points_are_times_and_half_are_file_operations():
    points = kill_points.draw(kill_points.Arguments(points=20), seconds=10.0, operations=50)
    times = [point.seconds for point in points if not point.operation]
    operations = [point.operation for point in points if point.operation]
    assert len(times) == len(operations) == 10
    assert 0 < min(times) < 2 and 8 < max(times) < 10
    assert 1 <= min(operations) < 12 and 38 < max(operations) <= 50
    again = kill_points.draw(kill_points.Arguments(points=20), seconds=10.0, operations=50)
    assert again == points
    assert kill_points.draw(kill_points.Arguments(seed=1), seconds=10.0, operations=50) != points


@pytest.mark.parametrize(
    "other",
    [
        np.nextafter(WEIGHTS, np.float32(2)),
        WEIGHTS.astype(np.float64),
        WEIGHTS[:-1],
        None,
    ],
)
def test_the_last_bit_counts(other):
    whole = {"a": WEIGHTS, "curve": [{"q": 1.0}]}
    assert kill_points.differences(dict(whole), whole) == []
    assert kill_points.differences(whole | {"a": other}, whole) == ["a"]
    assert kill_points.differences(whole | {"b": WEIGHTS}, whole) == ["b"]
    assert kill_points.differences(whole | {"curve": [{"q": 1.5}]}, whole) == ["curve"]


KILLED = """
import sys, train
from pathlib import Path
from experiments import kill_points
place = Path(sys.argv[1])
def act(_):
    (place / "first").write_text("1")
    (place / "first").rename(place / "second")
    return 0
train.main = act
sys.exit(kill_points.train_or_die(place, int(sys.argv[2]), resume=False))
"""


@pytest.mark.parametrize(
    ("operation", "left"), [(0, ["second"]), (1, []), (2, ["first"]), (3, ["second"])]
)
def test_a_process_dies_right_before_the_file_operation(tmp_path, operation, left):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(operation)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    died = operation in (1, 2)
    assert done.returncode == (-signal.SIGKILL if died else 0), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == left
    assert died or done.stdout == "2\n"


class Finishing:
    """Stands for a run of five seconds: a later kill comes to nothing."""

    returncode: int = 0

    def __init__(self, root: Path, *_: object, **__: object) -> None:
        (root / kill_points.NAME).mkdir(parents=True)
        (root / kill_points.NAME / "metrics.json").write_text("{}")

    def kill(self) -> None:
        self.returncode = -signal.SIGKILL if Finishing.slept < 5 else 0

    def communicate(self) -> tuple[str, str]:
        return "", ""

    @classmethod
    def sleep(cls, seconds: float) -> None:
        cls.slept = seconds

    slept = 0.0


@pytest.mark.parametrize(
    ("point", "status", "seconds", "different"),
    [
        (kill_points.Point(4.0, 0), -signal.SIGKILL, 4.0, []),
        (kill_points.Point(6.0, 0), -signal.SIGKILL, 3.0, []),
        (kill_points.Point(0.0, 3), 0, 0.0, ["was not killed"]),
    ],
)
def test_a_run_that_ended_before_its_kill_does_not_count(
    tmp_path, monkeypatch, point, status, seconds, different
):
    monkeypatch.setattr(kill_points, "begin", Finishing)
    monkeypatch.setattr(kill_points.time, "sleep", Finishing.sleep)
    monkeypatch.setattr(kill_points, "outcome", lambda _: {})
    found = kill_points.kill_and_resume(tmp_path / "a", point, {})
    assert (found["status"], found["seconds"], found["different"]) == (status, seconds, different)
