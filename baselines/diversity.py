"""What an expert does about bored users: predicted ratings less what is like the latest items."""

from typing import Any, Self

import numpy as np

from baselines.factors import MF
from config import Boredom
from data.observation import FloatArray, IntArray, Observation
from data.policy import scores_at
from data.ratings import Ratings
from envs.boredom import bored_of, leaves

LEAVING = 100.0  # stars that leaving costs: an item that keeps the user always comes first


class GenreMMR:
    """`mf` less `weight` stars for every genre of an item that the last `window` items had, too
    (maximal marginal relevance), and less `price` stars for every genre at all."""

    adaptive = True

    def __init__(
        self, *, weight: float = 2.0, window: int = 10, price: float = 0.0, **settings: Any
    ) -> None:
        self.name = "mf-mmr-price" if price else "mf-mmr"
        self.weight, self.window, self.price = weight, window, price
        self.base = MF(**settings)

    def fit(self, ratings: Ratings) -> Self:
        """Fit `mf`; keep the genres."""
        self.base.fit(ratings)
        self.genres = ratings.genres
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        met = bored_of(self.genres, observation.shown_items, Boredom(self.window, 0))
        costs = self.weight * met.astype(np.float32) + self.price  # of a genre, [B, G]
        penalty = costs @ self.genres.T.astype(np.float32)
        return scores_at(self.base.scores(observation, None) - penalty, candidates)


class Foresight:
    """`mf`, told the rule: never an item that makes the user leave while another is left."""

    name, adaptive = "mf-foresight", True

    def __init__(self, *, boredom: Boredom | None = None, **settings: Any) -> None:
        self.boredom, self.base = boredom or Boredom(), MF(**settings)

    def fit(self, ratings: Ratings) -> Self:
        """See GenreMMR."""
        self.base.fit(ratings)
        self.genres = ratings.genres
        return self

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        leaving = leaves(self.genres, observation.shown_items, None, self.boredom)
        return scores_at(self.base.scores(observation, None) - LEAVING * leaving, candidates)
