"""The DRR agent and its networks. Names are imported on first use: TensorFlow takes seconds."""

from importlib import import_module
from typing import Any

_HOMES = {
    "DRRAgent": "recommender.agent",
    "Actor": "recommender.actor",
    "Critic": "recommender.critic",
    "load_weights": "recommender.weights",
    "save_weights": "recommender.weights",
}
__all__ = ["Actor", "Critic", "DRRAgent", "load_weights", "save_weights"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recommender' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
