"""The agent as a `data.policy.Policy`: what every protocol can ask."""

from data.observation import FloatArray, IntArray, Observation
from recommender.agent import DRRAgent, as_tensors
from recommender.state import user_vectors


class DRRPolicy:
    """Scores from the window, which shifts on positive feedback (equation 1).

    Args:
        agent: the trained agent.
        name: the row's name in tables.
    """

    adaptive = True
    users_per_batch = 256  # each is compared with thousands of training users

    def __init__(self, agent: DRRAgent, name: str = "drr") -> None:
        self.agent = agent
        self.name = name
        self._solved: tuple[IntArray, FloatArray] | None = None  # items known at a start, vectors

    @property
    def min_window(self) -> int:
        """n: a session that starts with fewer items has room for what is liked in it."""
        return self.agent.window

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """Scores of all items [B, I], or of candidates [B, C]."""
        return self.agent.scores(self.fitted(observation), candidates)

    def actions(self, observation: Observation) -> FloatArray:
        """pi(s) [B, k]."""
        actions: FloatArray = self.agent.act(as_tensors(self.fitted(observation))).numpy()
        return actions

    def fitted(self, observation: Observation) -> Observation:
        """The observation with this agent's n places in its window, and its users' vectors."""
        n = self.agent.window
        fitted = observation.widened(n)
        return fitted._replace(
            window_items=fitted.window_items[:, -n:],
            window_ratings=fitted.window_ratings[:, -n:],
            profile=self._profile(observation) if self.agent.needs_profile else None,
        )

    def _profile(self, observation: Observation) -> FloatArray:
        """The vectors of what was known at the start [B, k], solved once for each start."""
        if self._solved is None or self._solved[0] is not observation.known_items:
            self._solved = (observation.known_items, user_vectors(self.agent.table, observation))
        return self._solved[1]
