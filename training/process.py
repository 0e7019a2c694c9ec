"""This process: its signals, its device, and the faults of its machine in words."""

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from config import Config, ConfigError, DRRError
from config.command_line import quiet_stderr

STOPPING = (signal.SIGINT, signal.SIGTERM)
SIGNALLED = 128  # and the signal's number: the exit status


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop: `signal` is its number; `saved` where nothing is lost by it."""

    def __init__(self, number: int, *, saved: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number
        self.saved = saved


class DeviceError(DRRError):
    """The device that was asked for is not there."""


class OutOfMemoryError(DRRError):
    """The settings ask for more memory than there is."""

    status = 1


class DiskError(DRRError):
    """A file cannot be written or read."""

    status = 1


@contextmanager
def stop_later(until: str) -> Iterator[list[int]]:
    """The first signal is noted in the list, and said: `until` when; a second one raises Interrupted.

    The first does so at the end of the block.
    """
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received:
            stop_at_once(number, frame)
        received.append(number)
        text = f"\n{signal.Signals(number).name}: {until}; once more stops at once\n"
        os.write(2, text.encode())  # print could meet itself: the signal may come while it writes

    with signals_handled_by(note):
        yield received
        if received:
            raise Interrupted(received[0])


def stop_at_once(number: int, _: Any) -> None:
    """As a handler of signals: raise Interrupted, wherever the program is."""
    raise Interrupted(number)


@contextmanager
def signals_handled_by(handler: Callable[[int, Any], None] | signal.Handlers) -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM go to the handler."""
    previous = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def leave(status: int) -> NoReturn:
    """End the process. One that a signal stopped ends without Python's cleaning up, in which
    TensorFlow's threads, halfway through their work, may abort it."""
    if status > SIGNALLED:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


@cache
def select_device(name: str) -> str:
    """Make TensorFlow use "cpu", "gpu" or ("auto") a GPU if there is one; returns its description.

    Must be called before anything is placed on a device; once is enough. TensorFlow's start-up
    notices, which no log level silences, are shown only with "gpu": there they say what is missing.

    Raises:
        DeviceError: "gpu" where there is none.
    """
    with nullcontext() if name == "gpu" else quiet_stderr():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.config.experimental.enable_op_determinism()
    if name == "cpu" or (name == "auto" and not gpus):
        tf.config.set_visible_devices([], "GPU")
        return "CPU"
    if not gpus:
        raise DeviceError(
            "--device gpu: TensorFlow sees no GPU; pip install 'tensorflow[and-cuda]' and check "
            "nvidia-smi, or use --device cpu"
        )
    tf.config.set_visible_devices(gpus[:1], "GPU")
    tf.config.experimental.set_memory_growth(gpus[0], True)  # else TensorFlow takes all memory
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))


def on_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


@contextmanager
def machine_faults() -> Iterator[None]:
    """Memory or disk that ends, for Python or TensorFlow: one line, with advice.

    Raises:
        OutOfMemoryError, DiskError: for MemoryError, OSError and TensorFlow's own.
    """
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        reason = " ".join(str(error).split())[:80]
        raise OutOfMemoryError(
            f"out of memory ({reason}...); lower --replay.capacity, --loop.parallel-users, or a size "
            "of --agent or --embedding"
        ) from error
    except OSError as error:
        raise DiskError(
            f"{error}; free space or check permissions, then go on with --resume: checkpoints are "
            "intact"
        ) from error


def check_tracking(config: Config) -> None:
    """ConfigError where --track asks for what is not installed."""
    if config.track and importlib.util.find_spec("wandb") is None:
        raise ConfigError(
            "--track: Weights & Biases is not installed; pip install wandb, or leave out --track: "
            "the same curves are in the run's tensorboard/"
        )


def start_tracking(config: Config, folder: Path) -> Any:
    """A wandb run with the settings, named as the folder; None without --track."""
    if not config.track:
        return None
    wandb = importlib.import_module("wandb")
    return wandb.init(project="drr", name=folder.name, dir=str(folder), config=asdict(config))
