"""The vectorised twin of `OfflineEnv`: many users a step, as pure TensorFlow functions.

Nothing is stateful: an episode in progress is its `Observation`, so a whole episode compiles into one
`tf.function`, on CPU or GPU. Memory: the ratings, and a few ids per user.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from config import Boredom
from data.observation import PADDING, UNRATED_REWARD, Observation, rating_to_reward
from data.ratings import Ratings
from embedding.table import EmbeddingTable
from envs.boredom import check_categories
from envs.episodes import windows

# an observation's fields that are stored with a transition; the others belong to its user
STORED = tuple(name for name in Observation._fields if name not in ("demographics", "profile"))


class Rows:
    """A log by user and item, for look-ups in the graph."""

    def __init__(self, ratings: Ratings) -> None:
        order = np.lexsort((ratings.items, ratings.users))  # for bisection
        self._offsets = tf.constant(ratings.offsets, tf.int32)
        # one more, never found: nothing could be gathered from an empty log
        self._items = tf.constant(np.append(ratings.items[order], PADDING), tf.int32)
        self.values = tf.constant(np.append(ratings.values[order], 0), tf.float32)
        self._longest = int(ratings.lengths.max(initial=1))

    def lengths(self, users: tf.Tensor) -> tf.Tensor:
        """How many items users [B] rated: [B]."""
        return tf.gather(self._offsets, users + 1) - tf.gather(self._offsets, users)

    def find(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Places of items [B, C] in `values` by bisection in the user's row; which are there."""
        low = tf.broadcast_to(tf.gather(self._offsets, users)[:, None], tf.shape(items))
        end = tf.broadcast_to(tf.gather(self._offsets, users + 1)[:, None], tf.shape(items))
        high = end
        for _ in range(self._longest.bit_length()):
            middle = (low + high) // 2
            less = tf.gather(self._items, middle) < items
            open_ = low < high
            low = tf.where(open_ & less, middle + 1, low)
            high = tf.where(open_ & ~less, middle, high)
        return low, (low < end) & (tf.gather(self._items, low) == items)

    def mark(self, users: tf.Tensor, start: tf.Tensor | int, width: int) -> tf.Tensor:
        """Which of the items start .. start + width - 1 users [E] rated: [E, width] bool."""
        rows = tf.gather(self._offsets, users)[:, None] + tf.range(self._longest)[None]
        inside = rows < tf.gather(self._offsets, users + 1)[:, None]
        items = tf.gather(self._items, tf.minimum(rows, self._items.shape[0] - 1))
        return occurring(tf.where(inside, items, PADDING), start, width)


class VectorOfflineEnv:
    """`OfflineEnv` for many users at once: same starts, same actions, same trajectories.

    Args:
        ratings: the log that answers, and its users' demographics.
        window: n, items in the state.
        episode_length: T, after which an episode is truncated.
        candidates: "catalogue", or "rated": only what the user rated (the paper's Algorithm 2).
        simulator: answers, clipped to the scale, for items without a rating in the log.
        boredom, misses: when users leave, as in `OfflineEnv`.
        known: what the users rated before; none of it is a candidate in the catalogue.
    """

    def __init__(
        self,
        ratings: Ratings,
        *,
        window: int = 10,
        episode_length: int = 10,
        candidates: Literal["catalogue", "rated"] = "catalogue",
        simulator: EmbeddingTable | None = None,
        boredom: Boredom | None = None,
        misses: int = 0,
        known: Ratings | None = None,
    ) -> None:
        if boredom is not None:
            check_categories(ratings.genres, ratings.name)
        self.boredom, self.misses = boredom, misses
        self.ratings = ratings
        self.window = window
        self.episode_length = episode_length
        self.candidates = candidates
        self.n_items = ratings.n_items
        self._log = Rows(ratings)
        self._known = None if known is None else Rows(known)
        positive = np.flatnonzero(rating_to_reward(ratings.values, ratings.scale) > 0)
        counts = np.bincount(ratings.users[positive], minlength=ratings.n_users)
        # one more, never drawn: a log without positives would leave nothing to gather from
        self._positive_items = tf.constant(np.append(ratings.items[positive], PADDING), tf.int32)
        self._positive_offsets = tf.constant(np.append(0, np.cumsum(counts)), tf.int32)
        self._demographics = tf.constant(ratings.demographics, tf.float32)
        self.set_profiles(np.zeros([ratings.n_users, 0], np.float32))
        self._simulator = simulator
        self._categories = tf.constant(ratings.genres)

    def set_profiles(self, vectors: np.ndarray) -> None:
        """The users' vectors [U, k], for an agent whose state needs them; before the first reset."""
        self._profiles = tf.constant(vectors, tf.float32)

    def reset(self, users: np.ndarray, starts: np.ndarray) -> Observation:
        """New episodes: users [E], starts [E] as `envs.episodes.draw_starts` gives them."""
        return self.begin(users, *windows(self.ratings, users, starts, self.window))

    def begin(self, users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> Observation:
        """New episodes of users [E] from windows: items and ratings [E, n], -1 and 0 where empty."""
        items, ratings = tf.constant(items, tf.int32), tf.constant(ratings, tf.float32)
        nothing = tf.zeros([len(users), self.episode_length])
        return self.observation(
            {
                "users": tf.constant(users, tf.int32),
                "window_items": items,
                "window_ratings": ratings,
                "known_items": items,
                "known_ratings": ratings,
                "shown_items": tf.fill(nothing.shape, PADDING),
                "shown_ratings": nothing,
                "shown_rewards": nothing,
            }
        )

    def observation(self, stored: dict[str, tf.Tensor]) -> Observation:
        """The observations of stored transitions: `STORED` fields, and what is known of each user."""
        return Observation(
            **{name: stored[name] for name in STORED},
            demographics=tf.gather(self._demographics, stored["users"]),
            profile=tf.gather(self._profiles, stored["users"]),
        )

    def answers(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Ratings of items [B, C] by users [B]: the log's, else the simulator's, else NaN: [B, C]."""
        places, rated = self._log.find(users, items)
        logged = tf.gather(self._log.values, places)
        if self._simulator is None:
            return tf.where(rated, logged, np.nan)
        model = self._simulator
        vectors = tf.gather(tf.constant(model.users), users)  # [B, k]
        guess = tf.einsum("bk,bck->bc", vectors, tf.gather(tf.constant(model.items), items))
        guess += tf.gather(tf.constant(model.item_bias), items) + model.mean
        guess += tf.gather(tf.constant(model.user_bias), users)[:, None]
        return tf.where(rated, logged, tf.clip_by_value(guess, *self.ratings.scale))

    def rewards(self, ratings: tf.Tensor) -> tf.Tensor:
        """Rewards of answers, of any shape (equation 10); -0.5 where not rated (NaN)."""
        rewards = rating_to_reward(ratings, self.ratings.scale)
        return tf.where(tf.math.is_nan(ratings), UNRATED_REWARD, rewards)

    def legal(
        self, observation: Observation, start: tf.Tensor | int = 0, width: int | None = None
    ) -> tf.Tensor:
        """Which of the items start .. start + width - 1 may be shown now: [E, width] bool.

        Of the whole catalogue when no width is given.
        """
        width = self.n_items if width is None else width
        seen = tf.concat([observation.known_items, observation.shown_items], axis=1)
        fresh = ~occurring(seen, start, width)
        if self.candidates == "rated":
            return fresh & self._log.mark(observation.users, start, width)
        if self._known is None:
            return fresh
        return fresh & ~self._known.mark(observation.users, start, width)

    def step(
        self, observation: Observation, items: tf.Tensor
    ) -> tuple[Observation, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Show items [E], one to each user; the items must be legal.

        Returns:
            next observation, rewards [E], terminated [E] (the user left, or no candidate is left),
            truncated [E] (T steps).
        """
        ratings = self.answers(observation.users, items[:, None])[:, 0]
        rewards = self.rewards(ratings)
        following = self.after(observation, items, ratings, rewards)
        truncated = tf.reduce_all(following.shown_items != PADDING, axis=1)
        left = self.leaves(observation, items[:, None])[:, 0]
        return following, rewards, left | ~self._any_left(following), truncated

    def leaves(self, observation: Observation, items: tf.Tensor) -> tf.Tensor:
        """Whether each of items [B, C] would make the user leave, were it shown now: [B, C] bool."""
        left = tf.zeros_like(items, tf.bool)
        if self.boredom is not None:  # as `envs.boredom.leaves`
            recent = _last(observation, self.boredom.window)[:, :, None]
            met = recent & tf.gather(self._categories, tf.maximum(observation.shown_items, 0))
            tired = tf.reduce_sum(tf.cast(met, tf.int32), axis=1) > self.boredom.most  # [B, G]
            left |= tf.reduce_any(tired[:, None] & tf.gather(self._categories, items), axis=2)
        if self.misses:
            rewards = self.rewards(self.answers(observation.users, items))
            before = _last(observation, self.misses - 1) & (observation.shown_rewards <= 0)
            missed = tf.reduce_sum(tf.cast(before, tf.int32), axis=1)
            left |= (missed == self.misses - 1)[:, None] & (rewards <= 0)
        return left

    @staticmethod
    def after(
        observation: Observation, items: tf.Tensor, ratings: tf.Tensor, rewards: tf.Tensor
    ) -> Observation:
        """`Observation.after` in a graph: items, ratings, rewards [B] take the next of the T places."""
        empty = tf.cast(observation.shown_items == PADDING, tf.int32)
        here = (tf.cumsum(empty, axis=1) == 1) & (empty == 1)  # the first empty place

        def shift(window: tf.Tensor, newest: tf.Tensor) -> tf.Tensor:
            """Equation 1."""
            pushed = tf.concat([window[:, 1:], newest[:, None]], axis=1)
            return tf.where((rewards > 0)[:, None], pushed, window)

        return observation._replace(
            window_items=shift(observation.window_items, items),
            window_ratings=shift(observation.window_ratings, ratings),
            shown_items=tf.where(here, items[:, None], observation.shown_items),
            shown_ratings=tf.where(here, ratings[:, None], observation.shown_ratings),
            shown_rewards=tf.where(here, rewards[:, None], observation.shown_rewards),
        )

    def _any_left(self, observation: Observation) -> tf.Tensor:
        """Whether the users have a candidate left: [E] bool; what they know or saw is all different.

        Counted, because a mask of the catalogue would not fit into memory.
        """
        users, total = observation.users, self.n_items
        seen = tf.concat([observation.known_items, observation.shown_items], axis=1)
        gone = seen >= 0
        if self.candidates == "rated":
            total, gone = self._log.lengths(users), self._log.find(users, seen)[1]
        elif self._known is not None:
            total -= self._known.lengths(users)
            gone &= ~self._known.find(users, seen)[1]
        return tf.reduce_sum(tf.cast(gone, tf.int32), axis=1) < total

    def sample_positives(self, users: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """`count` positives of each user, drawn with replacement: [B, count] int32, -1 if none."""
        start = tf.gather(self._positive_offsets, users)[:, None]
        length = tf.gather(self._positive_offsets, users + 1)[:, None] - start
        uniform = tf.random.stateless_uniform([tf.shape(users)[0], count], seed)
        drawn = tf.minimum(tf.cast(uniform * tf.cast(length, tf.float32), tf.int32), length - 1)
        rows = tf.clip_by_value(start + drawn, 0, self._positive_items.shape[0] - 1)
        return tf.where(length > 0, tf.gather(self._positive_items, rows), PADDING)


def _last(observation: Observation, count: int) -> tf.Tensor:
    """Which of the T places hold the `count` items shown last: [B, T] bool."""
    filled = tf.cast(observation.shown_items != PADDING, tf.int32)
    later = tf.cumsum(filled, axis=1, reverse=True)  # 1 at the last one
    return (filled == 1) & (later <= count)


def occurring(items: tf.Tensor, start: tf.Tensor | int, width: int) -> tf.Tensor:
    """Items [E, C] -> [E, width] bool, True where one of start .. start + width - 1 occurs."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    columns = items - start
    inside = (columns >= 0) & (columns < width)
    columns = tf.where(inside, columns, width)  # others, and empty places, in an extra column
    places = tf.reshape(tf.stack([rows, columns], axis=-1), [-1, 2])
    grid = tf.zeros([tf.shape(items)[0], width + 1], tf.bool)
    ones = tf.ones([tf.shape(places)[0]], tf.bool)
    return tf.tensor_scatter_nd_update(grid, places, ones)[:, :width]
