"""Numbers that cannot be right stop a run before they reach a checkpoint, and are named."""

import math

import numpy as np
import pytest
from training.health import DEAD, Diverged, check

from training import checkpoint
from training.loop import Training

HEALTHY = {"reward": -1.0, "critic_loss": 1.0, "q_max": 1.5, "replay_weight": 0.5, "step": 800.0}


def row(**changes: float) -> dict[str, float]:
    return HEALTHY | changes


def fall(*largest: float) -> list[dict[str, float]]:
    """A history, first without updates, then with these |Q|."""
    return [{"reward": 0.0, "step": 0.0}, *(row(q_max=value) for value in largest)]


@pytest.mark.parametrize("name", ["reward", "critic_loss", "q_max", "replay_weight", "precision@5"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite(name, value):
    with pytest.raises(Diverged, match=rf"^{name} is {value} at step 800\. Usually .+ are intact"):
        check(row(**{name: value}), [], discount=0.5)


# bound 2: what was measured of healthy runs on ml-1m, ml-100k and synthetic data, and more noise
WITHIN = [
    (),
    (22.3, 12.3, 8.8, 7.5, 4.3, 2.5, 1.4),
    (28.6, 13.5, 9.0, 7.5),
    (16.4, 8.5, 6.4),
    (300.0, 450.0, 200.0),
    (0.7, 1.5, 3.0, 6.0, 9.5, 19.9),
]
BEYOND = [((), 2001.0), ((5.0,), 20.1), ((1.4, 3.0, 9.0), 20.1), ((22.0, 12.0), 36.1)]


@pytest.mark.parametrize("values", WITHIN)
def test_q_of_untrained_networks_may_fall_from_anywhere(values):
    for count in range(len(values)):
        check(row(q_max=values[count]), fall(*values[:count]), discount=0.5)


@pytest.mark.parametrize(("before", "value"), BEYOND)
def test_q_that_rises_beyond_the_bound(before, value):
    check(row(q_max=value), fall(*before), discount=0.99)  # there it is within
    with pytest.raises(Diverged, match=r"^q_max .* is \d+.*, rewards and discount allow 2,"):
        check(row(q_max=value), fall(*before), discount=0.5)


def test_importance_weights_from_which_nothing_is_learned():
    check(row(replay_weight=1.1 * DEAD), [], discount=0.5)
    with pytest.raises(Diverged, match=r"replay_weight .* is 0\.0009 at step 800"):
        check(row(replay_weight=0.9 * DEAD), [], discount=0.5)


# Faults put into a run before its third iteration, and how the message begins.


def nan_rewards(run: Training, patch: pytest.MonkeyPatch) -> None:
    step = run.task.environment.step

    def broken(*arguments):
        following, reward, *rest = step(*arguments)
        return following, reward * math.nan, *rest

    patch.setattr(run.task.environment, "step", broken)


def first_critic_explodes(run: Training, _: pytest.MonkeyPatch) -> None:
    layer = run.training_agent.learner.online.critics[0].direction
    layer.kernel.assign(1e4 * layer.kernel)


def second_critic_explodes(run: Training, _: pytest.MonkeyPatch) -> None:
    layer = run.training_agent.learner.online.critics[1].direction
    layer.kernel.assign(1e4 * layer.kernel)


def no_priorities(run: Training, patch: pytest.MonkeyPatch) -> None:
    replay = run.training_agent.replay
    replay._tree.load(np.zeros(replay.capacity))
    patch.setattr(replay, "_max_priority", 0.0)


def nan_priority(run: Training, _: pytest.MonkeyPatch) -> None:
    tree = run.training_agent.replay._tree
    tree._nodes[tree.width + 100] = math.nan
    tree._recompute(np.array([tree.width + 100]))


def dead_weights(run: Training, patch: pytest.MonkeyPatch) -> None:
    replay = run.training_agent.replay
    patch.setattr(replay, "_weights", lambda p, _: np.zeros_like(p, np.float32))


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
    (first_critic_explodes, r"q_max \(the largest \|Q\|\) is"),
    (second_critic_explodes, r"q_max \(the largest \|Q\|\) is"),
    (no_priorities, "replay cannot be sampled: the priorities of 200 transitions sum to 0"),
    (nan_priority, "replay cannot be sampled: the priorities of 200 transitions sum to nan"),
    (dead_weights, r"replay_weight \(the mean importance weight\) is 0"),
    (broken_by_the_last_update, "actor/"),
]


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
    numbers = [array for array in arrays.values() if array.dtype.kind == "f"]
    assert len(numbers) > 20 and all(np.isfinite(array).all() for array in numbers)


def test_without_a_fault_the_same_run_goes_on(begun):
    begun.history.append(begun._iterate())
    assert begun.history[-1]["step"] == 240


def test_a_learning_rate_that_is_far_too_high(train, tmp_path):
    flags = ("--agent.critic-lr", "1", "--agent.weight-decay", "999999", "--agent.clip-norm", "0")
    run = train(tmp_path, *flags, eager=True)
    assert run.status == 1 and "Traceback" not in run.err
    said = run.err.splitlines()[-1]
    assert "at step 160. Usually a learning rate is too high" in said  # the first update
    assert [path.name for path in (run.folder / "checkpoints").iterdir()] == [
        "checkpoint-00000001.drr"
    ]
