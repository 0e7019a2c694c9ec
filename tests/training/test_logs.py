"""What a run writes down while it goes on."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from training.events import read_scalars
from training.logs import Progress

ROWS = [{"reward": -1.5, "q": 0.25}, {"reward": 1e-7, "precision@5": 1 / 3}]


def write(folder: Path, rows: list[dict[str, float]]) -> None:
    progress = Progress(folder, total=100 * len(rows), done=0)
    for index, row in enumerate(rows):
        progress.update(100 * (index + 1), 100, row)
    progress.close()


def test_scalars_come_back_as_they_were_written(tmp_path):
    write(tmp_path, ROWS)
    found = [(scalar.step, scalar.name, scalar.value) for scalar in read_scalars(tmp_path)]
    assert found == [
        (100 * (index + 1), name, np.float32(value))
        for index, row in enumerate(ROWS)
        for name, value in row.items()
    ]
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])  # killed while it wrote the last one
    assert [scalar.name for scalar in read_scalars(tmp_path)] == ["reward", "q", "reward"]


def memory() -> int:
    """Resident memory of this process, MiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux to read the memory of a process")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) >> 10


def test_logging_does_not_eat_memory(tmp_path, monkeypatch):
    """TensorFlow keeps every Python number that it is given: 40 MiB here."""
    monkeypatch.setattr(tf.summary, "scalar", lambda _, value: tf.convert_to_tensor(value))
    numbers = np.random.default_rng(0).random((500, 100)).tolist()
    rows = [{f"scalar_{place}": value for place, value in enumerate(row)} for row in numbers]
    write(tmp_path / "first", rows[:10])
    before = memory()
    write(tmp_path / "second", rows)
    assert memory() - before < 15
