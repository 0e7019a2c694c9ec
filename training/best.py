"""The best point of the learning curve so far, for `--loop.keep best`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.logs import Row


class Best:
    """The deployed networks' weights when `key` was largest; of equal points the first.

    `key` is a number of the learning curve, which is measured on validation users alone.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.value, self.step = -np.inf, 0
        self._weights: list[NDArray[np.float32]] = []

    def offer(self, row: Row, variables: Sequence[Any]) -> None:
        """Keep the weights if the row is a point of the curve that is better than all before."""
        if row.get(self.key, -np.inf) > self.value:
            self.value, self.step = row[self.key], int(row["step"])
            self._weights = [variable.numpy() for variable in variables]

    def put_back(self, variables: Sequence[Any]) -> None:
        """Give the variables the kept weights, if any point was offered."""
        if self._weights:
            for variable, weight in zip(variables, self._weights, strict=True):
                variable.assign(weight)

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        return {"kept": "best", "step": self.step, self.key: self.value}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays."""
        weights = {f"{index:04d}": weight for index, weight in enumerate(self._weights)}
        return weights | {"value": np.asarray(self.value), "step": np.asarray(self.step)}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state_dict` returned."""
        self.value, self.step = float(state["value"]), int(state["step"])
        self._weights = [state[name] for name in sorted(state) if name.isdigit()]
