"""What a policy is: the only door between a model and a protocol. docs/evaluation.md has an example."""

from typing import Protocol, runtime_checkable

import numpy as np

from data.observation import FloatArray, IntArray, Observation


@runtime_checkable
class Policy(Protocol):
    """Anything that can score items for users.

    A policy may also have `users_per_batch`, the most users it wants to be asked about at once:
    1 for one that learns within each session. A session begins where nothing was shown.
    And it may have `min_window`: a protocol whose window is shorter leaves room for that many items.
    """

    @property
    def name(self) -> str:
        """The row's name in tables and JSON."""
        ...

    @property
    def adaptive(self) -> bool:
        """False: asked once, and its fixed list is played; True: asked again after every answer."""
        ...

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """Scores, higher is better, ties to the lower item id.

        candidates None: [B, I] over the whole catalogue; candidates [B, C], padded with -1: [B, C],
        where the values at padding are ignored. Items that may not be recommended (known at the
        start, or recommended already) need no masking; the protocol does it. NaN is an error.
        """
        ...


class Adaptive:
    """A static policy asked again after every answer: the same scores from what is known by then."""

    adaptive = True

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name = f"{policy.name}-adaptive"
        self.min_window = getattr(policy, "min_window", 0)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        return self.policy.scores(observation, candidates)


def scores_at(scores: FloatArray, candidates: IntArray | None) -> FloatArray:
    """Scores [B, I] read at candidates [B, C] -> [B, C], -inf at padding; unchanged when None."""
    if candidates is None:
        return scores
    taken = np.take_along_axis(scores, np.maximum(candidates, 0), axis=1)
    return np.where(candidates >= 0, taken, -np.inf).astype(scores.dtype)
