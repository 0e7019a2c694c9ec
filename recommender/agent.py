"""DRRAgent: the trained recommender, and its training half that wires it to environment and replay."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from config import AgentConfig, Xla
from embedding.table import EmbeddingTable
from recommender.exploration import Exploration, explore
from recommender.history import is_number, parse, place
from recommender.networks import Networks
from recommender.ranking import Block
from recommender.state import Features, Observation
from recommender.updates import Learner, Mean, alone
from replay_buffer.prioritized import PrioritizedReplay
from replay_buffer.uniform import UniformReplay

if TYPE_CHECKING:
    from recommender.explain import Explanation
    from recommender.retrieval import Retrieval


class Catalogue(Protocol):
    """What the agent must know of a data set; `data.ratings.Ratings` is one."""

    @property
    def item_ids(self) -> NDArray[np.int64] | NDArray[np.str_]: ...  # [I], ascending
    @property
    def titles(self) -> tuple[str, ...]: ...  # I, or none
    @property
    def demographics(self) -> NDArray[np.float32]: ...  # [U, D]
    @property
    def scale(self) -> tuple[float, float]: ...  # lowest and highest rating


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
        from recommender.runs import save_agent

        save_agent(self, Path(run_dir))

    @classmethod
    def load(cls, run_dir: str | Path, catalogue: Catalogue | None = None) -> Self:
        """Rebuild the agent of a run from its config.json and weights.

        Args:
            run_dir: the folder that `train.py` wrote.
            catalogue: the data set, for titles and demographics; without it `recommend` gives ids.
        """
        from recommender.runs import load_agent

        return load_agent(cls, Path(run_dir), catalogue)


class TrainingAgent:
    """The learning half: collects transitions from an environment into a replay, and updates.

    Args:
        config: networks and update rules.
        table, catalogue, window: as for `DRRAgent`.
        environment: the vectorised environment of the training users.
        replay: where transitions go; made with `transition_spec`.
        total_updates: of the whole run, for the learning-rate schedule.
        seed: of the initial weights.
        mean: over the workers that train together, see `Learner`.
        profiles: the vectors [U, k] of the environment's users, where the state needs them.
        xla: what XLA compiles.
    """

    def __init__(
        self,
        config: AgentConfig,
        table: EmbeddingTable,
        catalogue: Catalogue,
        *,
        window: int,
        environment: Any,
        replay: PrioritizedReplay | UniformReplay,
        total_updates: int,
        seed: int,
        mean: Mean = alone,
        profiles: NDArray[np.float32] | None = None,
        xla: Xla = Xla(),  # noqa: B008
    ) -> None:
        self.config = config
        self.environment = environment
        self.replay = replay
        self.features = Features(table, catalogue.demographics, catalogue.scale, profiles)
        self.learner = Learner(
            config,
            window,
            self.features,
            environment,
            total_updates=total_updates,
            seed=seed,
            mean=mean,
            jit_compile=xla.updates,
        )
        deployed = self.learner.target if config.average_actor else self.learner.online
        self.agent = DRRAgent(config, table, catalogue, window=window, networks=deployed)
        self.play = tf.function(self._play, jit_compile=xla.episodes)

    def collect(
        self, start: Any, exploration: Exploration, seed: tuple[int, int]
    ) -> dict[str, NDArray[Any]]:
        """Play one episode of every parallel user and store it; returns the stored fields [N, ...]."""
        played = self.play(
            start,
            Exploration(*(tf.constant(np.float32(value)) for value in exploration)),
            tf.constant(seed, tf.int32),
        )
        alive = played.pop("alive").numpy().ravel()
        shape = alive.shape[0]
        stored = {
            name: value.numpy().reshape(shape, *value.shape[2:])[alive]
            for name, value in played.items()
        }
        self.replay.add(stored)
        return stored

    def _play(self, state: Any, exploration: Exploration, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """T steps of E users, fields [T, E, ...]; `alive` is False once an episode has ended."""
        length, size = self.environment.episode_length, state.users.shape[0]
        k = self.features.table.k
        shapes = _fields(state.items.shape[1], state.seen.shape[1], k, self.config)
        arrays = {
            name: tf.TensorArray(kind, length, element_shape=[size, *shape])
            for name, (shape, kind) in shapes.items()
        }
        arrays["alive"] = tf.TensorArray(tf.bool, length, element_shape=[size])
        alive = tf.ones([size], tf.bool)
        for step in tf.range(length):
            action, item = self._explore(state, exploration, seed + tf.stack([0, 4 * step]))
            following, reward, terminated, _ = self.environment.step(state, item)
            rating, _ = self.environment.lookup(state.users, item[:, None])
            row = {
                "users": state.users,
                "items": state.items,
                "ratings": state.ratings,
                "seen": state.seen,
                "seen_rewards": state.seen_rewards,
                "item": item,
                "rating": rating[:, 0],
                "reward": reward,
                "terminated": tf.cast(terminated, tf.float32),
                "action": tf.cast(action, tf.float16),
                "alive": alive,
            }
            arrays = {name: array.write(step, row[name]) for name, array in arrays.items()}
            alive, state = alive & ~terminated, following
        return {name: array.stack() for name, array in arrays.items()}

    def _explore(
        self, state: Any, exploration: Exploration, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        action = self.learner.online.act(Observation.of(state._asdict()))
        kind, items = self.config.exploration, self.features.items

        def legal(block: Block) -> tf.Tensor:
            return self.environment.legal(state.users, state.seen, block.start, block.width)

        return explore(kind, action, items, legal, exploration, seed)

    def learn(
        self, updates: int, rng: np.random.Generator, seed: tuple[int, int], progress: float
    ) -> dict[str, float]:
        """`updates` updates on batches drawn by `rng`; returns the means of the logged scalars."""
        batch = self.replay.sample_many(updates, self.config.batch_size, rng, progress)
        fields = {name: tf.constant(np.ascontiguousarray(v)) for name, v in batch.data.items()}
        fields["weights"] = tf.constant(batch.weights)
        errors, scalars = self.learner.update_many(fields, tf.constant(seed, tf.int32))
        if np.isfinite(errors).all():  # else the scalars say so, and the loop stops the run
            self.replay.update_priorities(batch.indices, errors.numpy())
        row = {name: float(value) for name, value in scalars.items()}
        return row | {"replay_weight": float(batch.weights.mean())}


def _fields(window: int, places: int, k: int, config: AgentConfig) -> dict[str, Any]:
    fields = {
        "users": ((), tf.int32),
        "items": ((window,), tf.int32),
        "ratings": ((window,), tf.float32),
        "seen": ((places,), tf.int32),
        "seen_rewards": ((places,), tf.float32),
        "item": ((), tf.int32),
        "rating": ((), tf.float32),
        "reward": ((), tf.float32),
        "terminated": ((), tf.float32),
    }
    return fields | ({"action": ((k,), tf.float16)} if config.critic_action == "proto" else {})


def transition_spec(
    config: AgentConfig, window: int, episode_length: int, k: int
) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Fields of one stored transition for the replay: name -> (shape, NumPy dtype). Ids, no states."""
    fields = _fields(window, window + episode_length, k, config)
    return {name: (shape, kind.as_numpy_dtype) for name, (shape, kind) in fields.items()}
