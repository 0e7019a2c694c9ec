"""The reward of a recommendation (equation 10)."""

from typing import Any

UNRATED_REWARD = -0.5  # the log is silent about the item (the earlier repositories' rule)


def rating_to_reward(values: Any, scale: tuple[float, float]) -> Any:
    """Stars to rewards in [-1, 1]: (rating - middle) / half range; (rating - 3) / 2 on 1..5.

    `values` may be a number, a NumPy array or a tensor; shape and type stay.
    """
    low, high = scale
    return (values - (low + high) / 2) / ((high - low) / 2)
