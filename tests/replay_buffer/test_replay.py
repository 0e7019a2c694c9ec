"""Both replays: what they store, how often they draw it, how they weight it, what they restore."""

import numpy as np
import pytest
from scipy.stats import chisquare

from replay_buffer.buffers import PrioritizedReplay, UniformReplay

SPEC = {"user": ((), np.int32), "window": ((3,), np.int32), "reward": ((), np.float32)}


def transitions(start, count):
    """Transitions that know their number: start, start + 1, ..."""
    number = np.arange(start, start + count)
    return {
        "user": number.astype(np.int32),
        "window": np.stack([number, number + 1, number + 2], axis=1).astype(np.int32),
        "reward": (number / 2).astype(np.float32),
    }


def both(capacity):
    return [UniformReplay(capacity, SPEC), PrioritizedReplay(capacity, SPEC)]


def filled(errors, alpha=0.6, **settings):
    replay = PrioritizedReplay(len(errors), SPEC, alpha=alpha, **settings)
    replay.update_priorities(replay.add(transitions(0, len(errors))), errors)
    return replay


@pytest.mark.parametrize("replay", both(10))
def test_the_oldest_transitions_are_overwritten(replay):
    assert replay.add(transitions(0, 7)).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert replay.add(transitions(7, 7)).tolist() == [7, 8, 9, 0, 1, 2, 3]
    assert len(replay) == 10
    many = replay.sample_many(1, 500, np.random.default_rng(0)).data
    drawn = {name: values[0] for name, values in many.items()}
    assert set(drawn["user"].tolist()) == set(range(4, 14))
    np.testing.assert_array_equal(drawn["window"][:, 2], drawn["user"] + 2)
    np.testing.assert_array_equal(drawn["reward"], drawn["user"] / 2)


def test_frequencies_are_proportional_to_the_priorities():
    errors = np.linspace(0, 3, 50) ** 2
    replay = filled(errors, alpha=0.7, eps=0.01)
    uniform = UniformReplay(50, SPEC)
    uniform.add(transitions(0, 50))
    for subject, share in ((replay, (errors + 0.01) ** 0.7), (uniform, np.ones(50))):
        drawn = subject.sample_many(40_000, 1, np.random.default_rng(3)).indices  # independent
        counts = np.bincount(drawn.ravel(), minlength=50)
        assert chisquare(counts, share / share.sum() * 40_000).pvalue > 1e-3


def test_a_batch_draws_once_from_each_part_of_the_range():
    errors = np.random.default_rng(0).exponential(size=30)
    replay = filled(errors, alpha=1.0, eps=1e-9)
    share = errors / errors.sum()
    draws = [replay.sample_many(1, 64, np.random.default_rng(s)).indices[0] for s in range(400)]
    counts = [np.bincount(drawn) for drawn in draws]
    counts = np.array([np.pad(row, (0, 30 - len(row))) for row in counts])
    assert np.all(np.abs(counts - 64 * share) <= 2)  # whole parts inside a share are certain
    np.testing.assert_allclose(counts.mean(axis=0), 64 * share, atol=0.15)


@pytest.mark.parametrize(("progress", "beta"), [(0.0, 0.4), (0.5, 0.7), (1.0, 1.0)])
def test_weights_follow_the_formula(progress, beta):
    errors = np.random.default_rng(0).exponential(size=40)
    replay = filled(errors, alpha=0.6, beta0=0.4, eps=0.01)
    batch = replay.sample_many(5, 16, np.random.default_rng(1), progress)
    probability = (errors + 0.01) ** 0.6 / np.sum((errors + 0.01) ** 0.6)
    for indices, weights in zip(batch.indices, batch.weights, strict=True):
        expected = (40 * probability[indices]) ** -beta
        np.testing.assert_allclose(weights, expected / expected.max(), rtol=1e-6)


def test_alpha_is_applied_once_also_to_new_transitions():
    replay = PrioritizedReplay(4, SPEC, alpha=0.5, eps=1.0)
    replay.update_priorities(replay.add(transitions(0, 2)), [-3.0, 15.0])
    assert replay._tree.leaves.tolist() == [2.0, 4.0, 0.0, 0.0]
    replay.add(transitions(2, 1))
    assert replay._tree.leaves.tolist() == [2.0, 4.0, 4.0, 0.0]
    replay.update_priorities([1], [0.0])
    replay.add(transitions(3, 1))  # the running maximum does not fall
    assert replay._tree.leaves.tolist() == [2.0, 1.0, 4.0, 4.0]


@pytest.mark.parametrize("size", [6, 25])
def test_state_round_trip_continues_bit_for_bit(size):
    rng = np.random.default_rng(5)
    replay, copy = PrioritizedReplay(20, SPEC), PrioritizedReplay(20, SPEC)
    for start in range(size):
        replay.update_priorities(replay.add(transitions(start, 1)), rng.exponential(size=1))
    copy.add(transitions(90, 13))  # to be overwritten
    state = replay.state_dict()
    assert all(isinstance(value, np.ndarray) for value in state.values())
    before = {key: value.copy() for key, value in state.items()}
    copy.load_state_dict(state)
    first, second = np.random.default_rng(9), np.random.default_rng(9)
    for step in range(30):
        batch, again = replay.sample_many(2, 5, first, 0.3), copy.sample_many(2, 5, second, 0.3)
        np.testing.assert_array_equal(batch.indices, again.indices)
        np.testing.assert_array_equal(batch.weights, again.weights)
        np.testing.assert_array_equal(batch.data["window"], again.data["window"])
        for one in (replay, copy):
            one.update_priorities(batch.indices, batch.data["reward"] * 0.1)
            one.add(transitions(100 + step, 2))
    np.testing.assert_array_equal(replay._tree._nodes, copy._tree._nodes)
    for key, value in before.items():  # a state is a copy: what followed did not reach it
        np.testing.assert_array_equal(state[key], value)


@pytest.mark.parametrize("replay", both(8))
def test_misuse_is_refused(replay):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="the replay is empty"):
        replay.sample_many(1, 2, rng)
    with pytest.raises(ValueError, match="9 transitions at once do not fit a capacity of 8"):
        replay.add(transitions(0, 9))
    with pytest.raises(ValueError, match=r"\['user'\] given"):
        replay.add({"user": np.zeros(1, np.int32)})
    with pytest.raises(ValueError, match=r"field 'window': shape \(2, 1\), expected \(2, 3\)"):
        replay.add(transitions(0, 2) | {"window": np.zeros((2, 1), np.int32)})
    with pytest.raises(ValueError, match="field 'user': float64 does not fit int32"):
        replay.add(transitions(0, 2) | {"user": np.zeros(2)})
    assert len(replay) == 0
    replay.add(transitions(0, 2))
    with pytest.raises(ValueError, match="cannot sample 1 batches of 0"):
        replay.sample_many(1, 0, rng)
    state = replay.state_dict()
    with pytest.raises(ValueError, match="field 'reward' is missing"):
        replay.load_state_dict({key: state[key] for key in state if key != "field/reward"})
    with pytest.raises(ValueError, match="size 9"):
        replay.load_state_dict({**state, "size": np.asarray(9), "priorities": np.ones(9)})


def test_bad_td_errors_are_refused_and_change_nothing():
    replay = filled(np.ones(5))
    before = replay._tree.leaves.copy()
    with pytest.raises(
        ValueError, match=r"nan at position 1 \(transition 3\): the critic diverged"
    ):
        replay.update_priorities([0, 3], [5.0, np.nan])
    with pytest.raises(ValueError, match="2 indices but 1 TD errors"):
        replay.update_priorities([0, 3], [5.0])
    with pytest.raises(IndexError, match="7 is outside the 5 stored"):
        replay.update_priorities([7], [5.0])
    with pytest.raises(IndexError, match="-1 is outside the 5 stored"):
        replay.update_priorities([-1], [5.0])
    with pytest.raises(ValueError, match="progress must lie"):
        replay.sample_many(1, 2, np.random.default_rng(0), progress=1.2)
    np.testing.assert_array_equal(replay._tree.leaves, before)
    replay.add(transitions(9, 1))
    assert replay._tree.leaves[0] == pytest.approx(
        (1 + 1e-3) ** 0.6
    )  # the largest so far, as before
