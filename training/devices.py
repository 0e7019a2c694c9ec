"""The device of a run: CPU, or one CUDA GPU with memory growth."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


class DeviceError(ValueError):
    """The device that was asked for is not there."""


@cache
def select_device(name: str) -> str:
    """Make TensorFlow use "cpu", "gpu" or ("auto") a GPU if there is one; returns its description.

    Must be called before anything is placed on a device; once is enough. TensorFlow's start-up
    notices, which no log level silences, are shown only with "gpu": there they say what is missing.
    """
    with quiet_stderr(name != "gpu"):
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


@contextmanager
def one_memory_error() -> Iterator[None]:
    """Whether NumPy or TensorFlow runs out of memory: a MemoryError of one line, with advice."""
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        reason = " ".join(str(error).split())[:80]
        raise MemoryError(
            f"out of memory ({reason}...); lower --replay.capacity, --loop.parallel-users, or a size "
            "of --agent or --embedding"
        ) from error


def on_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


@contextmanager
def quiet_stderr(quiet: bool = True) -> Iterator[None]:
    """What C++ prints on stderr in the block goes nowhere."""
    if not quiet:
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # the file descriptor: the notices come from C++
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
