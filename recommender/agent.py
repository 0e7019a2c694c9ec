"""DRRAgent: the trained recommender."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig
from data.observation import IntArray, Observation
from embedding.table import EmbeddingTable
from recommender.explain import Contribution, Explanation, Value, shapley
from recommender.history import Catalogue, is_number, item_number, parse
from recommender.networks import Networks
from recommender.retrieval import Retrieval
from recommender.runs import load_networks, load_parts, save_run
from recommender.state import Features

GATHERED = 1 << 24  # most numbers in the item vectors of one batch of windows


class Recommendation(NamedTuple):
    """One recommended item: its original id, its score, its title where titles are known."""

    item_id: int | str
    score: float
    title: str | None


class DRRAgent:
    """Deep reinforcement learning recommender (Liu et al., arXiv:1810.12027).

    Args:
        config: networks and update rules.
        table: item vectors [I, k].
        catalogue: original item ids, titles, demographics, rating range.
        window: n, items in the state.
        seed: of the initial weights.
        networks: weights to act with; new ones from `seed` when it is None.
    """

    def __init__(
        self,
        config: AgentConfig,
        table: EmbeddingTable,
        catalogue: Catalogue,
        *,
        window: int,
        seed: int = 0,
        networks: Networks | None = None,
    ) -> None:
        self.config = config
        self.table = table
        self.catalogue = catalogue
        self.window = window
        if networks is None:
            features = Features(table, catalogue.scale, catalogue.demographics.shape[1])
            networks = Networks(config, window, features, seed)
        self.networks, self.features = networks, networks.features
        self._scores = tf.function(self._score_items, reduce_retracing=True)
        self._actions = tf.function(self.act, reduce_retracing=True)

    @property
    def needs_profile(self) -> bool:
        """Whether a user's vector is solved from all that is known, not from the window alone."""
        return self.config.user_vector == "pretrained"

    def act(self, observation: Observation) -> tf.Tensor:
        """pi(s): observation of B users -> action [B, k]."""
        return self.networks.act(observation)

    def _score_items(self, observation: Observation, candidates: tf.Tensor | None) -> tf.Tensor:
        action, items = self.act(observation), self.features.items
        if candidates is None:
            return tf.matmul(action, items, transpose_b=True)
        return tf.einsum("bk,bck->bc", action, tf.gather(items, tf.maximum(candidates, 0)))

    def scores(
        self, observation: Observation, candidates: IntArray | None = None
    ) -> NDArray[np.float32]:
        """Equation 2: the scores of every item [B, I], or of candidates [B, C].

        Args:
            observation: B users, whose window has this agent's n places.
            candidates: items, -1 where empty: scores there mean nothing.
        """
        few = None if candidates is None else tf.constant(candidates, tf.int32)
        scores: NDArray[np.float32] = self._scores(as_tensors(observation), few).numpy()
        return scores

    def observe(self, items: IntArray, ratings: NDArray[np.float32]) -> Observation:
        """B unknown users by what is known of them, oldest first: items [B, m], -1 hidden; ratings."""
        size, items = len(items), items.astype(np.int32)
        start = Observation.start(
            np.full(size, -1),
            np.zeros((size, self.features.n_demographics), np.float32),
            items,
            ratings,
            window=self.window,
        )
        # hidden items keep their place, which the weights per position notice
        padding = [(0, 0), (max(self.window - items.shape[1], 0), 0)]
        return start._replace(
            window_items=np.pad(items, padding, constant_values=-1)[:, -self.window :],
            window_ratings=np.pad(ratings, padding)[:, -self.window :],
            profile=self.table.fold_in(items, ratings) if self.needs_profile else None,
        )

    def recommend(
        self,
        history: Iterable[tuple[int | str, float]],
        k: int = 10,
        retrieval: Retrieval | None = None,
    ) -> list[Recommendation]:
        """The k best items for a user who is not in the data.

        Args:
            history: (original item id, rating) pairs, oldest first; the last n make the state. Of an
                item given twice the latest rating counts.
            k: length of the list.
            retrieval: finds candidates without scoring the whole catalogue; may miss some.

        Raises:
            ValueError: for an empty history, an unknown item, a rating off the scale, or a k that
                the catalogue cannot serve; the message quotes the value.
        """
        items, ratings = parse(history, self.catalogue)
        remaining = len(self.catalogue.item_ids) - len(items)
        if not remaining:
            raise ValueError(f"the history holds all {len(items)} items: nothing is left")
        if not (is_number(k) and k in range(1, remaining + 1)):
            raise ValueError(f"k is {k!r}: choose 1 to {remaining}, the items not in the history")
        observation = self.observe(np.array([items]), np.array([ratings], np.float32))
        if retrieval is not None:
            action = self._actions(as_tensors(observation)).numpy()
            found = retrieval.nearest(action, int(k) + len(items))
            candidates = np.setdiff1d(found[found >= 0], items)
            if len(candidates) >= k:
                return self._ranked(candidates, self.table.items[candidates] @ action[0], int(k))
        scores = self.scores(observation)[0]
        scores[items] = -np.inf
        return self._ranked(np.arange(len(scores)), scores, int(k))

    def _ranked(
        self, items: NDArray[np.int64], scores: NDArray[np.float32], k: int
    ) -> list[Recommendation]:
        """The k best of ascending items by their scores, ties to the lower one."""
        best = tf.math.top_k(scores, k).indices.numpy()
        pairs = zip(items[best].tolist(), scores[best].tolist(), strict=True)
        return [self._recommendation(item, score) for item, score in pairs]

    def explain(
        self, history: Sequence[tuple[int | str, float]], item_id: int | str
    ) -> Explanation:
        """What each item of a history adds to the score that `recommend` gives an item.

        Items that have left the window add 0, unless the agent solves its user's vector from all.

        Args:
            history: as for `recommend`.
            item_id: original id of the item to explain.

        Raises:
            ValueError: for an empty history, an unknown item or a rating off the scale.
        """
        items, ratings = parse(history, self.catalogue)
        item = item_number(item_id, self.catalogue)
        n = len(items) if self.needs_profile else min(self.window, len(items))
        value = self._score_of_parts(items[-n:], ratings[-n:], item)
        score, base = value(np.array([[True] * n, [False] * n])).tolist()
        added = [0.0] * (len(items) - n) + shapley(value, n).tolist()
        parts = [
            Contribution(*self._named(place), rating, share)
            for place, rating, share in zip(items, ratings, added, strict=True)
        ]
        return Explanation(*self._named(item), score, base, tuple(parts))

    def _score_of_parts(self, items: list[int], ratings: list[float], item: int) -> Value:
        """Scores of one item for S histories, each the shown part of the same one [m]."""
        vector, stars = self.features.items[item][:, None], np.array(ratings, np.float32)
        rows = max(1, GATHERED // (self.window * self.table.k))

        def value(shown: NDArray[np.bool_]) -> NDArray[np.float64]:
            scores = []
            for start in range(0, len(shown), rows):
                part = shown[start : start + rows]
                known = self.observe(np.where(part, items, -1), np.where(part, stars, 0))
                scores.append(tf.matmul(self.act(as_tensors(known)), vector))
            return np.concatenate(scores).astype(np.float64)[:, 0]

        return value

    def _named(self, item: int) -> tuple[int | str, str | None]:
        """Original id and title."""
        titles = self.catalogue.titles
        return self.catalogue.item_ids[item].item(), titles[item] if titles else None

    def _recommendation(self, item: int, score: float) -> Recommendation:
        item_id, title = self._named(item)
        return Recommendation(item_id, score, title)

    def save(self, run_dir: str | Path) -> None:
        """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json into `run_dir`."""
        save_run(Path(run_dir), self.networks, self.table, self.catalogue)

    @classmethod
    def load(cls, run_dir: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Rebuild the agent of a run from its config.json and weights.

        Args:
            run_dir: the folder that `train.py` wrote.
            catalogue: the data set, for titles; without it `recommend` gives ids.
        """
        config, table, saved = load_parts(Path(run_dir), catalogue)
        agent = cls(config.agent, table, catalogue or saved, window=config.env.window)
        load_networks(Path(run_dir), agent.networks)
        saved.check_files(Path(run_dir))  # last: what does not fit has a better message by now
        return agent


def as_tensors(observation: Observation) -> Observation:
    """NumPy's arrays as tensors, once, so that a compiled function is not traced again."""
    return Observation(*(None if value is None else tf.constant(value) for value in observation))
