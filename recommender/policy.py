"""The agent as an `evaluation.policy.Policy`: what every protocol can ask."""

import numpy as np

from evaluation.policy import FloatArray, IntArray, States, take
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

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """Scores of all items [B, I], or of candidates [B, C]."""
        n = self.agent.window
        items, ratings = states.window_items[:, -n:], states.window_ratings[:, -n:]
        missing = [(0, 0), (n - items.shape[1], 0)]
        items = np.pad(items, missing, constant_values=-1)
        rewards = states.feedback_rewards(self.agent.catalogue.scale)
        scores = self.agent.scores(
            states.users, items, np.pad(ratings, missing), states.feedback_items, rewards
        )
        return take(scores, candidates)
