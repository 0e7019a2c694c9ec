"""The soak's verdict: what is flat passes, what grows, slows down or breaks does not."""

import numpy as np
import pytest

import config as settings
from experiments import soak
from experiments.soak import Sample, Watched
from training.checkpoint import save

ITERATIONS, SECONDS, TRANSITIONS = 200, 2.0, 2560


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(settings.to_json(settings.Config()))
    return tmp_path


def rows(slower: float = 0.0, q_max: float = 1.5) -> dict[str, np.ndarray]:
    """An hour in small; `slower` is how much longer the last iteration takes than the first."""
    seconds = SECONDS * np.linspace(1, 1 + slower, ITERATIONS)
    return {
        "step": TRANSITIONS * np.arange(1.0, ITERATIONS + 1),
        "time": 100.0 + np.cumsum(seconds),
        "seconds": seconds,
        "q_max": np.append(np.full(20, 20.0), np.full(ITERATIONS - 20, q_max)),  # high at first
    }


def watched(more: float = 0.0, damaged: tuple[str, ...] = (), status: int = 143) -> Watched:
    times = np.arange(100.0, 100 + 3 * ITERATIONS, 5)
    memory = 1e9 * np.linspace(1, 1 + more, len(times))
    samples = [Sample(*values) for values in zip(times, memory, times - 90, strict=True)]
    return Watched(samples, [1, 2, 3], list(damaged), status, "stopped\n  go on")


def failed(found: dict) -> list[str]:
    return [name for name, check in found["checks"].items() if not check["passed"]]


def test_a_healthy_run_passes(folder):
    found = soak.judge(watched(), rows(), folder)
    assert failed(found) == []
    assert found["transitions"] == ITERATIONS * TRANSITIONS
    assert found["transitions per second"] == pytest.approx(TRANSITIONS / SECONDS)
    assert found["warm after seconds"] == pytest.approx(79 * SECONDS)  # 200,000 transitions


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        ((watched(more=0.1), rows()), "memory growth"),
        ((watched(), rows(slower=0.3)), "slowdown"),
        ((watched(), rows(q_max=2.1)), "largest |Q|"),
        ((watched(damaged=("checkpoint 3 is damaged",)), rows()), "damaged checkpoints"),
        ((watched(status=1), rows()), "exit status less 143"),
    ],
)
def test_what_is_wrong_is_named(folder, broken, check):
    assert failed(soak.judge(*broken, folder)) == [check]


def test_one_extreme_q_is_noise_and_is_reported(folder):
    once = rows()
    once["q_max"][-1] = 2.5
    found = soak.judge(watched(), once, folder)
    assert failed(found) == []
    assert found["largest |Q| of any iteration"] == 2.5
    assert 0 < found["iterations above the bound"] < 0.02


def test_the_run_is_the_default_one_but_longer():
    command = soak.train_command(soak.Arguments(minutes=60))
    assert command[command.index("--steps") + 1] == "24000000"
    default = settings.Config()
    every = default.steps / default.loop.evaluations, default.steps / default.loop.checkpoints
    assert every == (soak.STEPS_PER_EVALUATION, soak.STEPS_PER_CHECKPOINT)


def test_the_figure_is_drawn(folder, tmp_path):
    found = soak.judge(watched(), rows(), folder)
    soak.plot(watched(), rows(), found, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


def test_every_new_checkpoint_is_read_once(tmp_path, capsys):
    checkpoints, damaged = [], []
    for step in (0, 3, 3, 6):
        if step:
            save(tmp_path, step, {"a": np.arange(step)})
        soak.verify(tmp_path, checkpoints, damaged)
    assert (checkpoints, damaged) == ([3, 6], [])
    path = save(tmp_path, 9, {"a": np.arange(9)})
    path.write_bytes(path.read_bytes()[:-1])
    soak.verify(tmp_path, checkpoints, damaged)
    assert (checkpoints, damaged) == ([3, 6], ["checkpoint 9"])
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    soak.verify(tmp_path, checkpoints, damaged)
    assert len(damaged) == 2 and "every checkpoint is damaged" in damaged[1]
