"""The vectorised twin of `OfflineEnv`: many users a step, as pure TensorFlow functions.

Nothing is stateful, so a whole episode compiles into one `tf.function`, on CPU or GPU, and an
episode in progress is just a tuple of arrays. Memory: the ratings, and a few ids per user.
"""

from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from data.ratings import Ratings
from embedding.table import EmbeddingTable
from envs.rewards import UNRATED_REWARD, rating_to_reward

PADDING = -1


class EnvState(NamedTuple):
    """E episodes. Ids are contiguous; -1 marks an empty place.

    users [E] int32; items [E, n] int32 and ratings [E, n] float32: the window, oldest first;
    seen [E, n + T] int32: items shown so far, the start's first; seen_rewards [E, n + T]: their
    rewards; step [E] int32: recommendations so far.
    """

    users: tf.Tensor
    items: tf.Tensor
    ratings: tf.Tensor
    seen: tf.Tensor
    seen_rewards: tf.Tensor
    step: tf.Tensor


class VectorOfflineEnv:
    """`OfflineEnv` for many users at once: same starts, same actions, same trajectories.

    Args:
        ratings: the log that answers.
        window: n, items in the state.
        episode_length: T, after which an episode is truncated.
        candidates: "catalogue", or "rated": only what the user rated (the paper's Algorithm 2).
        simulator: answers, clipped to the scale, for items without a rating in the log.
    """

    def __init__(
        self,
        ratings: Ratings,
        *,
        window: int = 10,
        episode_length: int = 10,
        candidates: Literal["catalogue", "rated"] = "catalogue",
        simulator: EmbeddingTable | None = None,
    ) -> None:
        self.ratings = ratings
        self.window = window
        self.episode_length = episode_length
        self.candidates = candidates
        self.n_items = ratings.n_items
        order = np.lexsort((ratings.items, ratings.users))  # by user, then item: for bisection
        positive = np.flatnonzero(rating_to_reward(ratings.values, ratings.scale) > 0)
        counts = np.bincount(ratings.users[positive], minlength=ratings.n_users)
        self._offsets = tf.constant(ratings.offsets, tf.int32)
        self._log_items = tf.constant(ratings.items[order], tf.int32)
        self._log_ratings = tf.constant(ratings.values[order], tf.float32)
        # one more, never drawn: a log without positives would leave nothing to gather from
        self._positive_items = tf.constant(np.append(ratings.items[positive], PADDING), tf.int32)
        self._positive_offsets = tf.constant(np.append(0, np.cumsum(counts)), tf.int32)
        longest = int(ratings.lengths.max(initial=1))
        self._bisections = longest.bit_length()
        self._longest = longest
        self._simulator = simulator

    def reset(self, users: np.ndarray, starts: np.ndarray) -> EnvState:
        """New episodes: users [E], starts [E] as `envs.episodes.draw_start` gives them."""
        return self.begin(users, *self._windows(users, starts))

    def _windows(self, users: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place = np.asarray(starts)[:, None] + np.arange(
            -self.window, 0
        )  # [E, n], in the user's row
        empty = place < 0
        rows = self.ratings.offsets[users][:, None] + np.maximum(place, 0)
        items = np.where(empty, PADDING, self.ratings.items[rows]).astype(np.int32)
        ratings = np.where(empty, 0, self.ratings.values[rows]).astype(np.float32)
        return items, ratings

    def begin(self, users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> EnvState:
        """New episodes of users [E] from windows: items and ratings [E, n], -1 and 0 where empty."""
        rewards = np.where(items < 0, 0, rating_to_reward(ratings, self.ratings.scale))
        ahead = [(0, 0), (0, self.episode_length)]
        return EnvState(
            users=tf.constant(users, tf.int32),
            items=tf.constant(items),
            ratings=tf.constant(ratings),
            seen=tf.constant(np.pad(items, ahead, constant_values=PADDING)),
            seen_rewards=tf.constant(np.pad(rewards, ahead), tf.float32),
            step=tf.zeros([len(users)], tf.int32),
        )

    def lookup(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ratings in the log, else the simulator's.

        users [B], items [B, C] -> ratings [B, C] (0 where unknown), known [B, C] bool.
        """
        places, known = self._find(users, items)
        logged = tf.gather(self._log_ratings, places)
        if self._simulator is None:
            return tf.where(known, logged, 0.0), known
        guess = predicted(self._simulator, users, items)
        guess = tf.clip_by_value(guess, *self.ratings.scale)
        return tf.where(known, logged, guess), tf.ones_like(known)

    def _find(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Places of items [B, C] in the log by bisection in the user's sorted row; which are there."""
        low = tf.broadcast_to(tf.gather(self._offsets, users)[:, None], tf.shape(items))
        end = tf.broadcast_to(tf.gather(self._offsets, users + 1)[:, None], tf.shape(items))
        high, last = end, self._log_items.shape[0] - 1
        for _ in range(self._bisections):
            middle = (low + high) // 2
            less = tf.gather(self._log_items, tf.minimum(middle, last)) < items
            open_ = low < high
            low = tf.where(open_ & less, middle + 1, low)
            high = tf.where(open_ & ~less, middle, high)
        found = tf.minimum(low, last)
        return found, (low < end) & (tf.gather(self._log_items, found) == items)

    def rewards(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Rewards of showing items [B, C] to users [B] -> [B, C] (equation 10; -0.5 if unrated)."""
        ratings, known = self.lookup(users, items)
        return tf.where(known, rating_to_reward(ratings, self.ratings.scale), UNRATED_REWARD)

    def legal(
        self,
        users: tf.Tensor,
        seen: tf.Tensor,
        start: tf.Tensor | int = 0,
        width: int | None = None,
    ) -> tf.Tensor:
        """Which of the items start .. start + width - 1 may be shown: [E, width] bool.

        To users [E] who were shown seen [E, m]; of the whole catalogue when no width is given.
        """
        width = self.n_items if width is None else width
        fresh = ~mark(seen, start, width)
        return fresh if self.candidates == "catalogue" else fresh & self._rated(users, start, width)

    def _rated(self, users: tf.Tensor, start: tf.Tensor | int, width: int) -> tf.Tensor:
        first = tf.gather(self._offsets, users)[:, None]
        rows = first + tf.range(self._longest)[None]  # [E, longest]
        inside = rows < tf.gather(self._offsets, users + 1)[:, None]
        items = tf.gather(self._log_items, tf.minimum(rows, self._log_items.shape[0] - 1))
        return mark(tf.where(inside, items, PADDING), start, width)

    def _any_left(self, users: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Whether users [E] who were shown seen [E, m], all different, have a candidate: [E] bool."""
        if self.candidates == "catalogue":
            total, gone = self.n_items, seen >= 0
        else:
            total = tf.gather(self._offsets, users + 1) - tf.gather(self._offsets, users)
            gone = self._find(users, seen)[1]
        return tf.reduce_sum(tf.cast(gone, tf.int32), axis=1) < total

    def step(
        self, state: EnvState, items: tf.Tensor
    ) -> tuple[EnvState, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Show items [E], one to each user; the items must be legal.

        Returns:
            next state, rewards [E], terminated [E] (no candidate is left), truncated [E] (T steps).
        """
        ratings, known = (value[:, 0] for value in self.lookup(state.users, items[:, None]))
        rewards = tf.where(known, rating_to_reward(ratings, self.ratings.scale), UNRATED_REWARD)
        place = self.window + state.step  # [E]
        here = tf.range(self.window + self.episode_length)[None] == place[:, None]
        following = EnvState(
            users=state.users,
            items=self.next_window(state.items, items, rewards),
            ratings=self.next_window(state.ratings, ratings, rewards),
            seen=tf.where(here, items[:, None], state.seen),
            seen_rewards=tf.where(here, rewards[:, None], state.seen_rewards),
            step=state.step + 1,
        )
        terminated = ~self._any_left(following.users, following.seen)
        return following, rewards, terminated, following.step >= self.episode_length

    @staticmethod
    def next_window(window: tf.Tensor, new: tf.Tensor, rewards: tf.Tensor) -> tf.Tensor:
        """Equation (1): window [E, n] takes in new [E] where rewards [E] are positive."""
        shifted = tf.concat([window[:, 1:], new[:, None]], axis=1)
        return tf.where((rewards > 0)[:, None], shifted, window)

    def sample_positives(self, users: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """`count` positives of each user, drawn with replacement: [B, count] int32, -1 if none."""
        start = tf.gather(self._positive_offsets, users)[:, None]
        length = tf.gather(self._positive_offsets, users + 1)[:, None] - start
        uniform = tf.random.stateless_uniform([tf.shape(users)[0], count], seed)
        drawn = tf.minimum(tf.cast(uniform * tf.cast(length, tf.float32), tf.int32), length - 1)
        rows = tf.clip_by_value(start + drawn, 0, self._positive_items.shape[0] - 1)
        return tf.where(length > 0, tf.gather(self._positive_items, rows), PADDING)


def mark(items: tf.Tensor, start: tf.Tensor | int, width: int) -> tf.Tensor:
    """Items [E, C] -> [E, width] bool, True where one of start .. start + width - 1 occurs."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    columns = items - start
    inside = (columns >= 0) & (columns < width)
    columns = tf.where(inside, columns, width)  # others, and empty places, in an extra column
    places = tf.reshape(tf.stack([rows, columns], axis=-1), [-1, 2])
    grid = tf.zeros([tf.shape(items)[0], width + 1], tf.bool)
    ones = tf.ones([tf.shape(places)[0]], tf.bool)
    return tf.tensor_scatter_nd_update(grid, places, ones)[:, :width]


def predicted(model: EmbeddingTable, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """`model.predict` in the graph: users [B], items [B, C] -> [B, C]."""
    vectors = tf.gather(tf.constant(model.users), users)  # [B, k]
    guess = tf.einsum("bk,bck->bc", vectors, tf.gather(tf.constant(model.items), items))
    guess += tf.gather(tf.constant(model.item_bias), items) + model.mean
    return guess + tf.gather(tf.constant(model.user_bias), users)[:, None]
