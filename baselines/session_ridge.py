"""Session ridge: DRR's closed-form start as a baseline, a linear policy fitted on its own sessions."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tensorflow as tf

import embedding
from baselines.fit_cache import Keepable
from baselines.start_choice import Choice, chosen
from config import AgentConfig, Config, EmbeddingConfig, EnvConfig
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings
from envs.episodes import draw_starts
from envs.vector import VectorOfflineEnv
from recommender.networks import seeded_initialisers
from recommender.ridge_start import PENALTY, RidgeStart
from recommender.state import LOW, Features, StateRepresentation


@dataclass(kw_only=True, eq=False)
class SessionRidge(Keepable):
    """Ridge regression of rewards on DRR's state, see `recommender.ridge_start`.

    Training sessions begin with `known` ratings, a share `random_start` of them with fewer, and last
    `steps`: the agent's own settings, so that the difference to DRR is what learning adds. Those
    that the agent chooses for the data (`baselines.start_choice`) are chosen alike, unless `size`,
    that of the embedding, is given.
    """

    name = "session-ridge"
    adaptive = False
    fitted = ("kernel", "bias", "k", "low")

    demographics: bool = False
    size: int | None = None
    window: int = 20
    known: int = 10
    steps: int = 40
    random_start: float = 0.3
    seed: int = 0

    @property
    def min_window(self) -> int:
        """n; see Policy."""
        return self.window

    def fit(self, ratings: Ratings) -> Self:
        """Play, and solve, in turns."""
        best: Choice = (self.size or 0, LOW, PENALTY)
        if self.size is None:
            env, agent = EnvConfig(window=self.window), self._agent(low_rating="auto")
            best = chosen(Config(known=self.known, env=env, agent=agent), ratings)[0]
        self.k, self.low, penalty = int(best[0]), *best[1:]
        environment = VectorOfflineEnv(ratings, window=self.window, episode_length=self.steps)
        features = self._features(ratings)
        users = np.flatnonzero(ratings.lengths > 1)
        rng = np.random.default_rng(self.seed)

        def begin(count: int) -> Observation:
            share = self.random_start
            return environment.reset(*draw_starts(rng, ratings, users, self.known, share, count))

        dropout = AgentConfig.demographics_dropout
        start = RidgeStart(self._state, features, environment, penalty, dropout)
        self.kernel, self.bias = start.fit(begin, len(users))
        return self

    def restore(self, arrays: dict[str, np.ndarray], ratings: Ratings) -> Self:
        """See Keepable."""
        super().restore(arrays, ratings)
        self._features(ratings)
        return self

    def _features(self, ratings: Ratings) -> Features:
        config = self._agent(low_rating=self.low)
        table = embedding.fit(EmbeddingConfig(dim=self.k), ratings, self.seed)
        features = Features(table, ratings.scale, ratings.demographics.shape[1])
        with seeded_initialisers(self.seed):
            self._state = StateRepresentation(config, self.window, features)
        self._items = features.items.numpy()
        return features

    def _agent(self, **fields: Any) -> AgentConfig:
        return AgentConfig(demographics="on" if self.demographics else "off", **fields)

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        n, seen = self.window, observation.widened(self.window)
        seen = seen._replace(
            window_items=seen.window_items[:, -n:], window_ratings=seen.window_ratings[:, -n:]
        )
        tensors: Any = (None if each is None else tf.constant(each) for each in seen)
        state = self._state(Observation(*tensors)).numpy()
        action: FloatArray = state @ self.kernel + self.bias
        return scores_at(action @ self._items.T, candidates)
