"""The DRR agent and its networks. Names are imported on first use: TensorFlow takes seconds."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from config.command_line import quiet_stderr

if TYPE_CHECKING:
    from recommender.agent import DRRAgent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read by TensorFlow when it is imported

_HOMES = {
    "DRRAgent": "recommender.agent",
    "Actor": "recommender.networks",
    "Critic": "recommender.networks",
    "load_weights": "recommender.weights",
    "save_weights": "recommender.weights",
}
__all__ = ["Actor", "Critic", "DRRAgent", "load_weights", "save_weights"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recommender' has no attribute {name!r}")
    with quiet_stderr():  # start-up notices, which no log level silences
        home = import_module(_HOMES[name])
        import_module("tensorflow").config.list_physical_devices()
    found = globals()[name] = getattr(home, name)
    return found


def __dir__() -> list[str]:
    return __all__
