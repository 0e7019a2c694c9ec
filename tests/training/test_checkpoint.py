"""Checkpoints: whole or not at all, verified, with the ones before kept."""

import errno
import os

import numpy as np
import pytest

from data import files
from training import checkpoint
from training.checkpoint import CheckpointError, load_newest, save

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "empty": np.zeros((0, 3), np.int32),
    "scalar": np.array(2.5),
    "replay/field/users": np.array([3, 1], np.int32),
    "newlines": np.frombuffer(b"\n\n\r\n", np.uint8),
}


def other(step: int) -> dict[str, np.ndarray]:
    return {"a": np.full(3, step)}


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_equal(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_arrays_come_back_bit_for_bit(tmp_path):
    save(tmp_path / "new", 7, ARRAYS)
    step, found = load_newest(tmp_path / "new")
    assert step == 7
    assert_equal(found, ARRAYS)


def test_where_none_was_written_there_is_none(tmp_path):
    assert load_newest(tmp_path / "absent") is None
    (tmp_path / "checkpoint-1.drr").write_text("not one of ours")
    assert load_newest(tmp_path) is None


@pytest.mark.parametrize("keep", [1, 3])
def test_the_newest_are_kept(tmp_path, keep):
    for step in (1, 2, 10, 9_999, 10_000):
        save(tmp_path, step, other(step), keep=keep)
    steps = (1, 2, 10, 9_999, 10_000)[-keep:]
    assert names(tmp_path) == [f"checkpoint-{step:08d}.drr" for step in steps]
    found = [load_newest(tmp_path, up_to) for up_to in (10_001, 10_000, 9_999)]
    assert [one and one[0] for one in found] == [10_000, 10_000, 9_999 if keep > 1 else None]


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "a flipped bit": lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
    "another version": lambda content: content.replace(b"CHECKPOINT 1", b"CHECKPOINT 9", 1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_gives_way_to_the_one_before_and_says_so(tmp_path, capsys, damage):
    save(tmp_path, 1, ARRAYS)
    newest = save(tmp_path, 2, other(2))
    newest.write_bytes(damage(newest.read_bytes()))
    step, found = load_newest(tmp_path)
    assert step == 1
    assert_equal(found, ARRAYS)
    message = capsys.readouterr().err
    assert str(newest) in message and "damaged" in message and "the one before" in message


def test_where_all_are_damaged_it_is_an_error_and_not_a_fresh_start(tmp_path):
    for step in (1, 2):
        path = save(tmp_path, step, other(step))
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        load_newest(tmp_path)


def test_a_damaged_one_does_not_outlive_those_that_are_written_after_it(tmp_path):
    """After a fall-back from step 9 to step 4, step 5 is the newest, and 4 is the one before."""
    for step in (4, 9):
        path = save(tmp_path, step, other(step))
    path.write_bytes(path.read_bytes()[:-100])
    assert load_newest(tmp_path)[0] == 4
    save(tmp_path, 5, other(5))
    assert names(tmp_path) == ["checkpoint-00000004.drr", "checkpoint-00000005.drr"]


@pytest.mark.parametrize(("call", "number"), [("fsync", errno.ENOSPC), ("replace", errno.EIO)])
def test_a_failed_write_is_said_and_leaves_the_earlier_ones(tmp_path, monkeypatch, call, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    save(tmp_path, 1, ARRAYS, keep=1)
    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(CheckpointError, match=os.strerror(number)) as error:
        save(tmp_path, 2, other(2), keep=1)
    assert "free space or check permissions" in str(error.value)
    assert names(tmp_path) == ["checkpoint-00000001.drr"]  # no half-written file either
    monkeypatch.undo()
    assert_equal(load_newest(tmp_path)[1], ARRAYS)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    """Objects would need a pickle; they are refused when written and when read."""
    import hashlib
    import io

    buffer = io.BytesIO()
    np.savez(buffer, bad=np.array([{"an": "object"}], dtype=object))
    payload = buffer.getvalue()
    head = checkpoint.MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
    (tmp_path / "checkpoint-00000001.drr").write_bytes(head + payload)
    with pytest.raises(ValueError, match="allow_pickle"):
        load_newest(tmp_path)
