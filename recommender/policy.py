"""The agent as an `evaluation.policy.Policy`: what every protocol can ask."""

import numpy as np

from evaluation.policy import FloatArray, IntArray, States
from recommender.agent import DRRAgent


class DRRPolicy:
    """Scores from the window, which shifts on positive feedback (equation 1).

    Args:
        agent: the trained agent; built with the catalogue whose demographics `States.users` index.
        name: the row's name in tables.
    """

    adaptive = True

    def __init__(self, agent: DRRAgent, name: str = "drr") -> None:
        self.agent = agent
        self.name = name
        self._solved: tuple[IntArray, FloatArray] | None = None  # items known at a start, vectors

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """Scores of all items [B, I], or of candidates [B, C]."""
        items, ratings = self.latest(states)
        return self.agent.scores(
            states.users,
            items,
            ratings,
            shown=states.feedback_items,
            rewards=self.rewards(states),
            profile=self._profile(states) if self.agent.needs_profile else None,
            candidates=candidates,
        )

    @property
    def min_window(self) -> int:
        """n: a session that starts with fewer items has room for what is liked in it."""
        return self.agent.window

    def latest(self, states: States) -> tuple[IntArray, FloatArray]:
        """Items and ratings [B, n] for the agent's own n, left-padded where less is known."""
        n = self.agent.window
        items, ratings = states.window_items[:, -n:], states.window_ratings[:, -n:]
        missing = [(0, 0), (n - items.shape[1], 0)]
        return np.pad(items, missing, constant_values=-1), np.pad(ratings, missing)

    def rewards(self, states: States) -> FloatArray:
        """Rewards [B, t] of what was recommended since the start."""
        return states.feedback_rewards(self.agent.catalogue.scale)

    def _profile(self, states: States) -> FloatArray:
        """The vectors of what was known at the start [B, k], solved once for each start."""
        if self._solved is None or self._solved[0] is not states.items:
            known = (states.offsets, states.items, states.ratings)
            self._solved = (states.items, self.agent.table.fold_in_rows(*known))
        return self._solved[1]
