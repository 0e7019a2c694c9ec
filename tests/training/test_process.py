"""Ctrl-C and SIGTERM: the exit status, and what is said, wherever they arrive."""

import gc
import os
import signal

import pytest

import data
import train as program
from training.checkpoint import load_newest
from training.loop import Training
from training.process import STOPPING, Interrupted, stop_later

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}


def send(number: int):
    """A function that sends this process a signal, whatever it is called with."""
    return lambda *_, **__: os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers_are_put_back():
    before = [signal.getsignal(number) for number in STOPPING]
    yield
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.parametrize("number", STOPPING)
def test_later_the_second_time_at_once(number, capfd):
    after = []
    with pytest.raises(Interrupted), stop_later("finishing") as received:
        send(number)()
        after.append(list(received))
        send(number)()
        after.append("not reached")
    assert after == [[number]]
    assert ": finishing; once more stops at once" in capfd.readouterr().err


@pytest.mark.parametrize("number", STOPPING)
def test_while_the_data_are_read(train, tmp_path, monkeypatch, number):
    monkeypatch.setattr(data, "load_dataset", send(number))
    run = train(tmp_path)
    assert run.status == STATUS[number]
    assert run.err.startswith(f"stopped by {signal.Signals(number).name} before the first")
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_checkpoint_nothing_is_left_that_refuses_the_next_run(
    train, tmp_path, monkeypatch
):
    monkeypatch.setattr(program, "select_device", send(signal.SIGTERM))
    run = train(tmp_path)
    assert run.status == 143 and not run.folder.exists()
    assert run.err == "stopped by SIGTERM before the first checkpoint; nothing is left\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", STOPPING)
def test_while_it_trains_the_iteration_is_finished_and_saved(begun, monkeypatch, number):
    collect = begun.training_agent.collect

    def collect_and_send(*arguments):
        send(number)()
        return collect(*arguments)

    monkeypatch.setattr(begun.training_agent, "collect", collect_and_send)
    with pytest.raises(Interrupted) as stop:
        begun.run()
    assert stop.value.signal == number and stop.value.saved
    assert begun.iteration == 3 and len(begun.history) == 3
    assert load_newest(begun.folder.checkpoints)[0] == 3


@pytest.mark.slow
def test_what_is_printed_goes_on_with_the_run(train, tmp_path, monkeypatch):
    iterate = Training._iterate

    def stop_in_the_third(run: Training) -> dict[str, float]:
        if run.iteration == 2:
            send(signal.SIGTERM)()
        return iterate(run)

    monkeypatch.setattr(Training, "_iterate", stop_in_the_third)
    run = train(tmp_path, eager=True)
    assert run.status == 143 and "Traceback" not in run.err
    said, command = run.err.splitlines()[-2:]
    assert said == "stopped by SIGTERM; everything is saved. Go on with:"
    monkeypatch.undo()
    gc.collect()  # the lock goes with the run
    assert command.split()[:2] == ["python", "train.py"]
    again = train(tmp_path, *command.split()[2:], eager=True)
    assert again.status == 0 and "resumed at step 240" in again.out, again.err
