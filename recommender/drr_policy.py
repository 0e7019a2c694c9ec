"""The agent as a `data.policy.Policy`: what every protocol can ask."""

from data.observation import FloatArray, IntArray, Observation, answer_rewards
from recommender.agent import DRRAgent


class DRRPolicy:
    """Scores from the window, which shifts on positive feedback (equation 1).

    Args:
        agent: the trained agent; built with the catalogue whose demographics `Observation.users` index.
        name: the row's name in tables.
    """

    adaptive = True

    def __init__(self, agent: DRRAgent, name: str = "drr") -> None:
        self.agent = agent
        self.name = name
        self._solved: tuple[IntArray, FloatArray] | None = None  # items known at a start, vectors

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """Scores of all items [B, I], or of candidates [B, C]."""
        items, ratings = self.latest(observation)
        return self.agent.scores(
            observation.users,
            items,
            ratings,
            shown=observation.shown_items,
            rewards=self.rewards(observation),
            profile=self._profile(observation) if self.agent.needs_profile else None,
            candidates=candidates,
        )

    @property
    def min_window(self) -> int:
        """n: a session that starts with fewer items has room for what is liked in it."""
        return self.agent.window

    def latest(self, observation: Observation) -> tuple[IntArray, FloatArray]:
        """Items and ratings [B, n] for the agent's own n, left-padded where less is known."""
        n = self.agent.window
        room = observation.widened(n)
        return room.window_items[:, -n:], room.window_ratings[:, -n:]

    def rewards(self, observation: Observation) -> FloatArray:
        """Rewards [B, t] of what was recommended since the start."""
        shown = observation.shown_items, observation.shown_ratings
        return answer_rewards(*shown, self.agent.catalogue.scale)

    def _profile(self, observation: Observation) -> FloatArray:
        """The vectors of what was known at the start [B, k], solved once for each start."""
        if self._solved is None or self._solved[0] is not observation.known_items:
            known = observation.known_items, observation.known_ratings
            self._solved = (known[0], self.agent.table.fold_in(*known))
        return self._solved[1]
