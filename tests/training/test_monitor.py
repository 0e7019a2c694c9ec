"""A run under watch: scalars, health, and `--loop.keep best`."""

import dataclasses
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import train as program
from evaluation import plots
from training import checkpoint
from training.loop import Training
from training.monitor import Best, Diverged, Progress, check_row, plot
from training.process import Interrupted
from training.run_folder import RunFolder

ROWS = [
    {"reward": -1.5, "epsilon": 0.25},
    {"reward": 1e-7, "precision@5": 1 / 3, "critic_loss": 2.0, "session_reward@10": 4.0},
]
TAGS = ["train/reward", "exploration/epsilon"]
TAGS += ["train/reward", "catalog/precision@5", "loss/critic", "session/reward@10"]


def write(folder: Path, rows: list[dict[str, float]]) -> None:
    progress = Progress(folder, total=100 * len(rows), protocol="catalog")
    progress.begin()
    for index, row in enumerate(rows):
        progress.update(row | {"step": 100.0 * (index + 1)})
    progress.close()


def test_scalars_are_in_groups_and_come_back_as_they_were_written(tmp_path, read_scalars):
    write(tmp_path, ROWS)
    values = [
        (100 * (place + 1), value) for place, row in enumerate(ROWS) for value in row.values()
    ]
    expected = [
        (tag, step, np.float32(value)) for tag, (step, value) in zip(TAGS, values, strict=True)
    ]
    assert read_scalars(tmp_path) == expected


def test_the_bar_begins_when_everything_is_compiled(tmp_path, capsys):
    write(tmp_path, [*ROWS, *ROWS])
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("compiling") and "compiled, " in out
    assert "400/400" in err and "100/400" not in err


def test_the_plot_has_a_title_and_baselines_as_lines(tmp_path, monkeypatch):
    curve = [ROWS[1] | {"step": 100.0}]
    figure = plots.learning_curves(curve)
    monkeypatch.setattr("training.monitor.learning_curves", lambda _: figure)
    rivals = {"popularity": {"precision@5": 0.25}, "ridge": {"precision@5": 0.5}}
    plot(curve, tmp_path / "x.png", "mine on ml-1m", rivals)
    assert figure.get_suptitle() == "mine on ml-1m"
    lines = figure.axes[0].get_lines()[-2:]
    assert [line.get_label() for line in lines] == ["popularity, precision@5", "ridge, precision@5"]
    assert [set(line.get_ydata()) for line in lines] == [{0.25}, {0.5}]
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


HEALTHY = {"reward": -1.0, "critic_loss": 1.0, "q_max": 1.5, "step": 800.0}


def row(**changes: float) -> dict[str, float]:
    return HEALTHY | changes


def fall(*largest: float) -> list[dict[str, float]]:
    """A history, first without updates, then with these |Q|."""
    return [{"reward": 0.0, "step": 0.0}, *(row(q_max=value) for value in largest)]


@pytest.mark.parametrize("name", ["reward", "critic_loss", "q_max"])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_what_is_not_finite(name, value):
    with pytest.raises(Diverged, match=rf"^{name} is {value} at step 800\. Usually .+ are intact"):
        check_row(row(**{name: value}), [], discount=0.5)


# bound 2: what was measured of healthy runs on ml-1m, ml-100k and synthetic data, and more noise
WITHIN = [
    (22.3, 12.3, 8.8, 7.5, 4.3, 2.5, 1.4),
    (300.0, 450.0, 200.0),
    (0.7, 1.5, 3.0, 6.0, 9.5, 19.9),
]
BEYOND = [((), 2001.0), ((5.0,), 20.1), ((1.4, 3.0, 9.0), 20.1), ((22.0, 12.0), 36.1)]


def test_q_may_fall_from_anywhere_but_not_rise_beyond_the_bound():
    for values in WITHIN:
        for count in range(len(values)):
            check_row(row(q_max=values[count]), fall(*values[:count]), discount=0.5)
    for before, value in BEYOND:
        check_row(row(q_max=value), fall(*before), discount=0.99)  # there it is within
        with pytest.raises(Diverged, match=r"^q_max .* is \d+.*, rewards and discount allow 2,"):
            check_row(row(q_max=value), fall(*before), discount=0.5)


# Faults put into a run before its third iteration, and how the message begins.


def nan_rewards(run: Training, patch: pytest.MonkeyPatch) -> None:
    step = run.task.environment.step

    def broken(*arguments):
        following, reward, *rest = step(*arguments)
        return following, reward * math.nan, *rest

    patch.setattr(run.task.environment, "step", broken)


def no_priorities(run: Training, patch: pytest.MonkeyPatch) -> None:
    replay = run.training_agent.replay
    replay._tree.set(np.arange(replay.capacity), np.zeros(replay.capacity))
    patch.setattr(replay, "_max_priority", 0.0)


def broken_by_the_last_update(run: Training, patch: pytest.MonkeyPatch) -> None:
    learner = run.training_agent.learner
    update, weight = learner.update_many, learner.online.actor.variables[0]

    def broken(*arguments):
        result = update(*arguments)
        weight.assign(math.nan * weight)
        return result

    patch.setattr(learner, "update_many", broken)


FAULTS = [
    (nan_rewards, "reward is nan"),
    (no_priorities, "replay cannot be sampled: the priorities of 200 transitions sum to 0"),
    (broken_by_the_last_update, "actor/"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_fault_is_named_at_once_and_the_checkpoint_before_is_whole(
    begun, monkeypatch, fault, message
):
    fault(begun, monkeypatch)
    with pytest.raises(Diverged, match=rf"^{message}.* at step 240\. Usually"):
        begun.run()
    monkeypatch.undo()
    step, arrays = checkpoint.load_newest(begun.folder.checkpoints)
    assert step == 2
    answers = ("replay/field/rating", "replay/field/shown_ratings")  # NaN: not rated
    numbers = [a for name, a in arrays.items() if a.dtype.kind == "f" and name not in answers]
    assert len(numbers) > 20 and all(np.isfinite(array).all() for array in numbers)


CURVE = {2: 0.1, 3: 0.5, 4: 0.5, 5: 0.3}  # precision by iteration; the first has no point


def test_a_later_point_is_kept_where_it_is_better_by_a_standard_error():
    best, weights = Best(), [tf.Variable([0.0])]
    best.put_back(weights)
    assert weights[0].numpy() == [0.0]  # nothing was offered
    users = np.array([[0.0, 0.4, 0.8], [1.0, 5.0, 3.0]])  # two protocols
    gains = {1: [0, 0, 0], 2: [0.3, -0.2, 0.0], 3: [0.2, 0.3, 0.1], 4: [0.2, 0.3, 0.1]}
    for step, gain in gains.items():
        weights[0].assign([float(step)])
        best.offer(step, users + gain, weights)
    assert best.step == 3
    again = Best()
    again.load_state_dict(best.state_dict())
    again.put_back(weights)
    assert weights[0].numpy() == [3.0] and again.step == 3


@pytest.fixture
def make(eager, tiny_flags, tiny_data, tmp_path, monkeypatch):
    """A run with a scripted learning curve, in a folder that stays; asked for the best weights."""

    def evaluate(run: Training, step: int) -> dict[str, float]:
        if run.iteration not in CURVE:
            return {}
        if run.best is not None:
            users = np.full((1, 4), CURVE[run.iteration])
            run.best.offer(step, users, run.agent.networks.variables)
        return {"precision@5": CURVE[run.iteration]}

    monkeypatch.setattr(Training, "_evaluate", evaluate)
    few = ("--loop.updates-per-rollout", "1", "--loop.evaluations", "5")

    def make_run(keep: str) -> Training:
        config = program.parse((*tiny_flags, *few, "--loop.keep", keep))
        folder = RunFolder(tmp_path / keep)
        if not folder.config_file.exists():
            folder.create(config)
        return Training(dataclasses.replace(config, run_name=keep), tiny_data, folder)

    return make_run


def deployed(run: Training) -> list[np.ndarray]:
    return [variable.numpy() for variable in run.agent.networks.variables]


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, left, right))


@pytest.mark.slow
def test_the_best_weights_are_deployed_and_survive_a_stop(make, monkeypatch):
    last = make("last")
    last.run()
    assert last.best is None

    seen, iterate = {}, Training._iterate

    def noted(run: Training):
        row = iterate(run)
        seen[run.iteration] = deployed(run)
        if run.iteration == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return row

    monkeypatch.setattr(Training, "_iterate", noted)
    with pytest.raises(Interrupted):
        make("best").run()
    resumed = make("best")
    assert resumed.restore() and resumed.iteration == 4
    resumed.run()
    assert resumed.best.step == 240
    assert same(deployed(resumed), seen[3]) and not same(seen[3], seen[5])
    assert same(seen[5], deployed(last))  # nothing else depends on what is kept
