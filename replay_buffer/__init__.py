"""Experience replay in small layers: sum tree, storage, prioritised and uniform sampling."""

from replay_buffer.base import Batch
from replay_buffer.prioritized import PrioritizedReplay
from replay_buffer.sum_tree import SumTree
from replay_buffer.transitions import Spec, TransitionStorage
from replay_buffer.uniform import UniformReplay

__all__ = ["Batch", "PrioritizedReplay", "Spec", "SumTree", "TransitionStorage", "UniformReplay"]
