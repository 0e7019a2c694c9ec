"""DRRAgent: the trained recommender."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig
from data.observation import IntArray, Observation
from data.ratings import Catalogue
from embedding.table import EmbeddingTable
from recommender.explain import Contribution, Explanation, shapley
from recommender.networks import Networks
from recommender.planning import LEARNERS
from recommender.ranking import ILLEGAL
from recommender.retrieval import Retrieval
from recommender.saved_run import SavedRun, save_run
from recommender.state import Features, user_vectors
from recommender.user_session import Recommendation, UserSession

RANKED_BY = (  # what of an observation a recommendation depends on
    "window_items",
    "window_ratings",
    "shown_items",
    "shown_rewards",
    "known_items",
    "demographics",
    "profile",
)
GATHERED = 1 << 24  # most numbers in the item vectors of one batch of windows


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
            networks = LEARNERS[config.head].networks(config, window, features, seed)
        self.networks, self.features = networks, networks.features
        self._scores = tf.function(self._score_items, reduce_retracing=True, autograph=False)
        self._actions = tf.function(self.act, reduce_retracing=True, autograph=False)
        # any number of users and places without another trace
        self.rank = tf.function(self._rank, input_signature=self._signature(), autograph=False)

    @property
    def needs_profile(self) -> bool:
        """Whether a user's vector is solved from all that is known, not from the window alone."""
        return self.config.user_vector == "pretrained"

    @cached_property
    def fingerprint(self) -> str:
        """Of the weights that act: what a stored session must have been played with."""
        digest = hashlib.sha256(self.table.items.tobytes())
        for model in (*self.networks.states, self.networks.actor):
            for variable in model.variables:
                digest.update(variable.numpy().tobytes())
        return digest.hexdigest()[:16]

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
        return self._scores(as_tensors(observation), few).numpy()

    def session(
        self,
        history: Iterable[tuple[int | str, float]] = (),
        demographics: Mapping[str, Any] | None = None,
        *,
        state: Mapping[str, Any] | None = None,
    ) -> UserSession:
        """A session of one person, who need not be in the data.

        Args:
            history: (original item id, rating) pairs, oldest first; of an item given twice the latest
                rating counts. It may be empty.
            demographics: {name: value} in the data set's own codes, for MovieLens
                {"age": 25, "gender": "F", "occupation": 12}; all of it optional.
            state: a stored `UserSession.state()` to go on from, instead of the other two.

        Raises:
            ValueError: for an unknown item, name or value, a rating off the scale, or a state of
                another run; the message quotes the value.
        """
        if state is not None:
            return UserSession.restored(self, state)
        return UserSession(self, history, demographics)

    def recommend(
        self,
        history: Iterable[tuple[int | str, float]] = (),
        k: int = 10,
        demographics: Mapping[str, Any] | None = None,
        retrieval: Retrieval | None = None,
    ) -> list[Recommendation]:
        """The k best items for one person: `session(history, demographics).recommend(k)`.

        `retrieval` finds candidates without scoring the whole catalogue; it may miss some.
        """
        return self.session(history, demographics).recommend(k, retrieval)

    def explain(
        self,
        history: Iterable[tuple[int | str, float]],
        item_id: int | str,
        demographics: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """What each item of a history adds to an item's score; see `UserSession.explain`."""
        return self.session(history, demographics).explain(item_id)

    def best(
        self, observation: Observation, k: int, retrieval: Retrieval | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The k best items of one user that are neither known nor shown, and their scores: [k] each.

        Ties go to the lower item. With `retrieval`, among what it finds, unless that is too little.
        """
        nothing = np.zeros((1, 0), np.float32)
        profile = user_vectors(self.table, observation) if self.needs_profile else nothing
        observation = observation._replace(profile=profile)
        if retrieval is not None:
            seen = np.hstack([observation.known_items[0], observation.shown_items[0]])
            action = self._actions(as_tensors(observation)).numpy()
            found = retrieval.nearest(action, k + len(seen))
            candidates = np.setdiff1d(found[found >= 0], seen)
            if len(candidates) >= k:
                scores = self.table.items[candidates] @ action[0]
                best = np.argsort(-scores, kind="stable")[:k]
                return candidates[best], scores[best]
        inputs = [tf.constant(getattr(observation, name)) for name in RANKED_BY]
        items, scores = self._compiled_rank(*inputs, tf.constant(k))
        return items.numpy()[0], scores.numpy()[0]

    @cached_property
    def _compiled_rank(self) -> Any:
        """`rank` itself, without the search for the trace that fits, which takes as long."""
        return self.rank.get_concrete_function()

    def _signature(self) -> list[tf.TensorSpec]:
        """Of `rank`: any number of users, of places, of items."""
        n, integer, real = self.window, tf.int32, tf.float32
        profile = self.table.k if self.needs_profile else 0
        widths = (n, n, None, None, None, self.features.n_demographics, profile)
        kinds = (integer, real, integer, real, integer, real, real)
        rows = zip(RANKED_BY, widths, kinds, strict=True)
        specs = [tf.TensorSpec([None, width], kind, name) for name, width, kind in rows]
        return [*specs, tf.TensorSpec([], integer, "k")]

    def _rank(self, *inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """RANKED_BY of B users, and k -> their k best items, -1 where fewer are left, and the scores:
        [B, k] each."""
        *arrays, k = inputs
        given = dict(zip(RANKED_BY, arrays, strict=True))
        observation = Observation(
            users=tf.fill(tf.shape(given["window_items"])[:1], -1),
            known_ratings=tf.zeros(tf.shape(given["known_items"])),
            shown_ratings=tf.zeros(tf.shape(given["shown_items"])),
            **given,
        )
        scores = tf.matmul(self.act(observation), self.features.items, transpose_b=True)
        names = ("window_items", "shown_items", "known_items")
        seen = tf.concat([given[name] for name in names], axis=1)
        n_items = self.features.n_items
        # one more column, which takes the empty places
        scores = tf.pad(scores, [[0, 0], [0, 1]], constant_values=ILLEGAL)
        columns = tf.where(seen < 0, n_items, seen)
        rows = tf.range(tf.shape(seen)[0])[:, None] + tf.zeros_like(seen)
        illegal = tf.fill(tf.shape(seen), ILLEGAL)
        scores = tf.tensor_scatter_nd_update(scores, tf.stack([rows, columns], axis=2), illegal)
        best = tf.math.top_k(scores, tf.minimum(k, n_items))
        return tf.where(best.values > ILLEGAL, best.indices, -1), best.values

    def explain_score(self, observation: Observation, item: int) -> Explanation:
        """Shapley values of the items of one user's window for an item's score.

        For an agent that solves its user's vector: of everything known.
        """
        source = "known" if self.needs_profile else "window"
        items = getattr(observation, f"{source}_items")[0]
        ratings = getattr(observation, f"{source}_ratings")[0][items >= 0]
        players, n = items[items >= 0], int((items >= 0).sum())
        rows = max(1, GATHERED // (self.window * self.table.k))

        def value(shown: NDArray[np.bool_]) -> NDArray[np.float64]:
            parts = np.split(shown, range(rows, len(shown), rows))
            hidden = [np.where(part, -2, players) for part in parts]  # [S, m]; -2 is no item
            scores = [self._scores_without(each, observation, item) for each in hidden]
            return np.concatenate(scores).astype(np.float64)

        score, base = value(np.array([[True] * n, [False] * n])).tolist()
        shares = shapley(value, n).tolist() if n else []
        rows_of = zip(players.tolist(), ratings.tolist(), shares, strict=True)
        parts = [Contribution(*self.named(each), *numbers) for each, *numbers in rows_of]
        return Explanation(*self.named(item), score, base, tuple(parts))

    def _scores_without(
        self, hidden: NDArray[Any], observation: Observation, item: int
    ) -> NDArray[np.float32]:
        """Scores of an item where the hidden items [S, m] of one user are not known: [S]."""
        known = observation.rows(np.zeros(len(hidden), np.int64))
        known = known._replace(
            window_items=_without(known.window_items, hidden),
            known_items=_without(known.known_items, hidden),
        )
        if self.needs_profile:
            known = known._replace(profile=user_vectors(self.table, known))
        vector = self.features.items[item][:, None]
        scores: NDArray[np.float32] = tf.matmul(self.act(as_tensors(known)), vector).numpy()
        return scores[:, 0]

    def named(self, item: int) -> tuple[int | str, str | None]:
        """Original id and title."""
        titles = self.catalogue.titles
        return self.catalogue.item_ids[item].item(), titles[item] if titles else None

    def save(self, run_dir: str | Path) -> None:
        """Write {actor,critic,state,embedding}.weights.h5 and catalogue.json into `run_dir`."""
        save_run(Path(run_dir), self._saved_models(), self.table, self.catalogue)

    @classmethod
    def load(cls, run_dir: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Rebuild the agent of a run from its config.json and weights.

        Args:
            run_dir: the folder that `train.py` wrote.
            catalogue: the data set, for titles; without it `recommend` gives ids.
        """
        run = SavedRun(Path(run_dir))
        if catalogue is not None:
            run.check(catalogue)
        window = run.config.env.window
        agent = cls(run.config.agent, run.table, catalogue or run.catalogue, window=window)
        run.load_into(agent._saved_models())
        return agent

    def _saved_models(self) -> dict[str, list[keras.Model]]:
        networks = self.networks
        return {"actor": [networks.actor], "critic": networks.critics, "state": networks.states}


def _without(items: NDArray[Any], hidden: NDArray[Any]) -> NDArray[Any]:
    """Items [S, n], empty (-1) where they are among the hidden [S, m]."""
    return np.where((items[:, :, None] == hidden[:, None, :]).any(axis=2), -1, items)


def as_tensors(observation: Observation) -> Observation:
    """NumPy's arrays as tensors, once, so that a compiled function is not traced again."""
    return Observation(*(None if value is None else tf.constant(value) for value in observation))
