"""DRRAgent: the trained recommender."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig
from data.ratings import Catalogue
from embedding.table import EmbeddingTable
from recommender.history import is_number, parse, place
from recommender.networks import Networks
from recommender.saved_run import SavedRun, save_run
from recommender.state import Features, Observation

if TYPE_CHECKING:
    from recommender.explain import Explanation
    from recommender.retrieval import Retrieval


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
            features = Features(table, catalogue.demographics, catalogue.scale)
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
        self,
        users: NDArray[Any],
        items: NDArray[Any],
        ratings: NDArray[Any],
        shown: NDArray[Any] | None = None,
        rewards: NDArray[Any] | None = None,
        profile: NDArray[Any] | None = None,
        candidates: NDArray[Any] | None = None,
    ) -> NDArray[np.float32]:
        """Equation 2: the scores of candidates for B users [B, C], or of every item [B, I].

        Args:
            users: rows of the catalogue's demographics [B]; -1 is someone unknown.
            items, ratings: the window [B, n], oldest first, -1 where empty.
            shown, rewards: what was recommended since the episode began, and its rewards [B, t].
            profile: user vectors [B, k], for an agent that `needs_profile`.
            candidates: items [B, C], -1 where empty: scores there mean nothing.
        """
        none = np.zeros([len(users), 0], np.float32)
        shown, rewards = (none if value is None else value for value in (shown, rewards))
        observation = Observation(
            users=tf.constant(users, tf.int32),
            items=tf.constant(items, tf.int32),
            ratings=tf.constant(ratings, tf.float32),
            seen=tf.constant(np.hstack([items, shown]), tf.int32),
            seen_rewards=tf.constant(np.hstack([np.zeros_like(ratings), rewards]), tf.float32),
            profile=None if profile is None else tf.constant(profile, tf.float32),
        )
        few = None if candidates is None else tf.constant(candidates, tf.int32)
        scores: NDArray[np.float32] = self._scores(observation, few).numpy()
        return scores

    def observe(self, items: NDArray[np.int64], ratings: NDArray[np.float32]) -> Observation:
        """B unknown users by what is known of them, oldest first: items [B, m], -1 hidden; ratings."""
        padding = [(0, 0), (max(self.window - items.shape[1], 0), 0)]
        window = tf.constant(
            np.pad(items, padding, constant_values=-1)[:, -self.window :], tf.int32
        )
        stars = tf.constant(np.pad(ratings, padding)[:, -self.window :], tf.float32)
        return Observation(
            users=tf.fill([len(items)], -1),
            items=window,
            ratings=stars,
            seen=window,
            seen_rewards=tf.zeros_like(stars),
            profile=tf.constant(self.table.fold_in(items, ratings)) if self.needs_profile else None,
        )

    def recommend(
        self,
        history: Iterable[tuple[int | str, float]],
        k: int = 10,
        retrieval: "Retrieval | None" = None,
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
        items, ratings = self._parse(history)
        remaining = len(self.catalogue.item_ids) - len(items)
        if not remaining:
            raise ValueError(f"the history holds all {len(items)} items: nothing is left")
        if not (is_number(k) and k in range(1, remaining + 1)):
            raise ValueError(f"k is {k!r}: choose 1 to {remaining}, the items not in the history")
        observation = self.observe(np.array([items]), np.array([ratings], np.float32))
        if retrieval is not None:
            action = self._actions(observation).numpy()
            found = retrieval.nearest(action, int(k) + len(items))
            candidates = np.setdiff1d(found[found >= 0], items)
            if len(candidates) >= k:
                return self._ranked(candidates, self.table.items[candidates] @ action[0], int(k))
        scores = self._scores(observation, None).numpy()[0]
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
    ) -> "Explanation":
        """What each item of a history adds to the score that `recommend` gives an item.

        Args:
            history: as for `recommend`.
            item_id: original id of the item to explain.

        Raises:
            ValueError: for an empty history, an unknown item or a rating off the scale.
        """
        from recommender.explain import explain

        return explain(self, history, item_id)

    def _parse(self, history: Iterable[tuple[int | str, float]]) -> tuple[list[int], list[float]]:
        return parse(history, self.catalogue)

    def _place(self, item_id: int | str) -> int:
        return place(item_id, self.catalogue)

    def _named(self, item: int) -> tuple[int | str, str | None]:
        """Original id and title."""
        titles = self.catalogue.titles
        return self.catalogue.item_ids[item].item(), titles[item] if titles else None

    def _recommendation(self, item: int, score: float) -> Recommendation:
        item_id, title = self._named(item)
        return Recommendation(item_id, score, title)

    def save(self, run_dir: str | Path) -> None:
        """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json into `run_dir`."""
        save_run(Path(run_dir), self._saved_models(), self.table, self.catalogue)

    @classmethod
    def load(cls, run_dir: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Rebuild the agent of a run from its config.json and weights.

        Args:
            run_dir: the folder that `train.py` wrote.
            catalogue: the data set, for titles and demographics; without it `recommend` gives ids.
        """
        run = SavedRun(Path(run_dir))
        if catalogue is not None:
            run.check(catalogue)
        config = run.config
        agent = cls(config.agent, run.table, catalogue or run.catalogue, window=config.env.window)
        run.load_into(agent._saved_models())
        return agent

    def _saved_models(self) -> dict[str, list[keras.Model]]:
        """The models in each file of weights."""
        networks = self.networks
        return {"actor": [networks.actor], "critic": networks.critics, "state": networks.states}
