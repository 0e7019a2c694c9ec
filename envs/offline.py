"""The offline environment: recorded ratings answer recommendations (paper, section III)."""

from typing import Any, Literal, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from config import Boredom
from data.datasets import load_dataset
from data.observation import answer_rewards, shifted
from data.ratings import Ratings
from envs.boredom import check_categories, leaves
from envs.episodes import default_start, draw_starts, windows

Fields = dict[str, Any]  # an observation as Gymnasium's Dict space has it
Info = dict[str, Any]
ILLEGAL_REWARD = -1.0  # that of the lowest rating: never better than what is legal


class RatingModel(Protocol):
    """Predicts ratings [B, C] of items [B, C] by users [B], within the rating scale."""

    def rating(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[Any]: ...


class OfflineEnv(gymnasium.Env[Fields, Any]):
    """One user per episode, to whom items are recommended one at a time, or `top_k` at a time.

    ## Description
    An episode starts from a window of n consecutive ratings of one user. The user's other ratings,
    earlier or later, are hidden and answer the recommendations. An item of the starting window, or
    one that was recommended before in the episode, is no candidate: recommending it is illegal.
    With `candidates="rated"` only items the user rated are candidates (the paper's Algorithm 2).

    ## Action Space
    `Discrete(I)`: an item, 0-based; with `top_k` above 1 `MultiDiscrete([I] * k)`: different items.
    `info["action_mask"]` [I] (int8) has 1 at the candidates; `action_space.sample(mask)` takes it.
    `action_masks()` is the same for sb3-contrib's MaskablePPO. An illegal item, or the second of
    two equal ones in a list, is not shown; `info["legal"]` [k] says which of an action were.

    ## Observation Space
    `Dict`: `user`, 0-based; `items` [n], the window, oldest first, padded on the left with I;
    `ratings` [n] in stars, 0 at padding. A recommended item with a positive reward enters the
    window on the right and pushes the oldest out; any other leaves the window as it is
    (equation 1). The items of a list are taken one after the other.

    ## Rewards
    (rating - 3) / 2 on a scale of 1 to 5 (equation 10) where the user rated the item. Elsewhere
    -0.5, or, if a `simulator` is given, the reward of the rating it predicts, clipped to the scale.
    An illegal item gives -1. A list gives the sum; `info["rewards"]` [k] has the parts.

    ## Episode End
    Truncated after `episode_length` steps: the state does not contain the step, so this is no
    terminal state of the decision process. Terminated when fewer than `top_k` candidates are left,
    and when the user leaves: bored by a category (`boredom`, see envs/boredom.py), or after
    `misses` rewards in a row that are not positive. The last item's reward counts.

    ## Arguments
    `ratings`: the data, or the name of a data set, as `data.load_dataset` takes it.
    `users`: who may start an episode (all with enough ratings if None). `random_start`: share
    of the episodes that start with fewer than `window` known ratings.
    `on_illegal`: "penalty", or "raise" for a ValueError that names the item.
    `reset(options={"user": u, "start": s})` fixes one or both.
    """

    def __init__(
        self,
        ratings: Ratings | str,
        users: ArrayLike | None = None,
        *,
        window: int = 10,
        episode_length: int = 10,
        top_k: int = 1,
        candidates: Literal["catalogue", "rated"] = "catalogue",
        random_start: float = 0.0,
        simulator: RatingModel | None = None,
        boredom: Boredom | None = None,
        misses: int = 0,
        on_illegal: Literal["penalty", "raise"] = "penalty",
    ) -> None:
        ratings = load_dataset(ratings) if isinstance(ratings, str) else ratings
        sizes = {"window": window, "episode_length": episode_length, "top_k": top_k}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if misses < 0:
            raise ValueError(f"misses must be at least 0, got {misses}")
        if boredom is not None:
            check_categories(ratings.genres, ratings.name)
        if not 0 <= random_start <= 1:
            raise ValueError(f"random_start must lie in [0, 1], got {random_start}")
        if candidates not in ("catalogue", "rated"):
            raise ValueError(f'candidates must be "catalogue" or "rated", got {candidates!r}')
        if on_illegal not in ("penalty", "raise"):
            raise ValueError(f'on_illegal must be "penalty" or "raise", got {on_illegal!r}')
        self.ratings, self.window, self.episode_length = ratings, window, episode_length
        self.top_k, self.candidates, self.random_start = top_k, candidates, random_start
        self.simulator, self.on_illegal = simulator, on_illegal
        self.boredom, self.misses = boredom, misses
        self.users = self._playable(users)
        n_items = ratings.n_items
        self.action_space = (
            spaces.Discrete(n_items) if top_k == 1 else spaces.MultiDiscrete([n_items] * top_k)
        )
        self.observation_space = self._observation_space()
        self._user = -1  # no episode yet

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Fields, Info]:
        """Start an episode; `options` may fix "user" and "start"."""
        super().reset(seed=seed)
        self._user, start = self._choose_start(options or {})
        window = windows(self.ratings, np.array([self._user]), np.array([start]), self.window)
        self._items, self._stars = (each[0] for each in window)
        self._legal = self._candidates(self._user)
        self._legal[self._items[self._items >= 0]] = False
        if self._legal.sum() < self.top_k:
            raise ValueError(f"nothing to recommend to user {self._user} from start {start}")
        self._steps, self._missed = 0, 0
        self._past: NDArray[np.int64] = np.zeros(0, np.int64)
        self._rewards: NDArray[np.float32] = np.zeros(0, np.float32)
        self._were_legal: NDArray[np.bool_] = np.zeros(0, bool)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Fields, float, bool, bool, Info]:
        """Recommend `action`, an item or a list of k; ValueError if it is not in the space."""
        items = self._checked(action)
        legal = self._legality(items)
        ratings = self._answers(items)
        rewards = answer_rewards(items, ratings, self.ratings.scale)
        rewards[~legal] = ILLEGAL_REWARD  # not positive: the window stays
        left = False
        for place in range(self.top_k):
            liked = rewards[[place]] > 0
            self._items = shifted(self._items[None], items[[place]], liked)[0]
            self._stars = shifted(self._stars[None], ratings[[place]], liked)[0]
            left |= bool(legal[place]) and self._leaves(items[[place]], bool(liked[0]))
        self._legal[items] = False
        self._rewards, self._were_legal = rewards, legal
        self._steps += 1
        terminated = left or int(self._legal.sum()) < self.top_k
        truncated = self._steps >= self.episode_length
        return self._observation(), float(rewards.sum()), terminated, truncated, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are legal, [I], or [k I] for a list: I for each of its places."""
        return np.tile(self._legal, self.top_k)

    def _choose_start(self, options: dict[str, Any]) -> tuple[int, int]:
        if unknown := set(options) - {"user", "start"}:
            raise ValueError(f'unknown reset options {sorted(unknown)}: only "user" and "start"')
        users = self.users
        if "user" in options:
            if options["user"] not in users:
                raise ValueError(
                    f"user {options['user']} is not among this environment's {len(users)} users"
                )
            users = np.array([options["user"]])
        drawn = draw_starts(self.np_random, self.ratings, users, self.window, self.random_start, 1)
        user, start = (int(each[0]) for each in drawn)
        if "start" in options:
            start, length = int(options["start"]), int(self.ratings.lengths[user])
            if not 0 <= start <= length:
                raise ValueError(
                    f"start {start} is outside 0..{length}, the ratings of user {user}"
                )
        return user, start

    def _candidates(self, user: int) -> NDArray[np.bool_]:
        if self.candidates == "catalogue":
            return np.ones(self.ratings.n_items, bool)
        legal = np.zeros(self.ratings.n_items, bool)
        legal[self.ratings.items[self.ratings.row(user)]] = True
        return legal

    def _checked(self, action: Any) -> NDArray[np.int64]:
        """The action as items [k]."""
        if self._user < 0:
            raise gymnasium.error.ResetNeeded("call reset() before the first step")
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r} is not in {self.action_space}")
        return np.atleast_1d(np.asarray(action, dtype=np.int64))

    def _legality(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of items [k] may be recommended, [k]; with "raise" ValueError where one may not."""
        first = np.zeros(len(items), bool)
        first[np.unique(items, return_index=True)[1]] = True
        legal: NDArray[np.bool_] = self._legal[items] & first
        if self.on_illegal == "raise" and not legal.all():
            raise ValueError(
                f"item {items[~legal][0]} is no candidate: it was recommended in this episode, is in "
                'the starting window, twice in the list, or, with candidates="rated", was not '
                'rated; see info["action_mask"]'
            )
        return legal

    def _answers(self, items: NDArray[np.int64]) -> NDArray[np.float32]:
        """Ratings [k] from the log, else the simulator, else NaN."""
        row = self.ratings.row(self._user)
        hits = items[:, None] == self.ratings.items[row]  # [k, length]
        logged = self.ratings.values[row][hits.argmax(axis=1)]
        if self.simulator is None:
            predicted = np.full(len(items), np.nan, np.float32)
        else:
            guess = self.simulator.rating(np.array([self._user]), items[None])[0]
            predicted = np.clip(guess, *self.ratings.scale).astype(np.float32)
        return np.asarray(np.where(hits.any(axis=1), logged, predicted))

    def _leaves(self, item: NDArray[np.int64], liked: bool) -> bool:
        """Whether the user leaves after `item` [1], which is noted."""
        shown, self._past = self._past, np.append(self._past, item)
        self._missed = 0 if liked else self._missed + 1
        if self.misses and self._missed >= self.misses:
            return True
        if self.boredom is None:
            return False
        return bool(leaves(self.ratings.genres, shown[None], item[None], self.boredom)[0, 0])

    def _playable(self, users: ArrayLike | None) -> NDArray[np.int64]:
        """Users with ratings for a window and, under "rated", candidates beside it."""
        lengths = self.ratings.lengths
        hidden = lengths - default_start(lengths, self.window)
        needed = self.top_k if self.candidates == "rated" else 0
        playable = (lengths >= 1) & (hidden >= needed)
        if users is None:
            chosen = np.flatnonzero(playable)
        else:
            chosen = np.asarray(users, dtype=np.int64).ravel()
            short = chosen[~playable[chosen]]
            if short.size:
                raise ValueError(f"user {short[0]} has too few ratings: {lengths[short[0]]}")
        if chosen.size == 0:
            raise ValueError(f"no user of {self.ratings.name} has enough ratings for an episode")
        return chosen

    def _observation_space(self) -> spaces.Dict:
        low, high = min(0.0, self.ratings.scale[0]), self.ratings.scale[1]
        return spaces.Dict(
            user=spaces.Discrete(self.ratings.n_users),
            items=spaces.MultiDiscrete([self.ratings.n_items + 1] * self.window),
            ratings=spaces.Box(low, high, (self.window,), np.float32),
        )

    def _observation(self) -> Fields:
        items = np.where(self._items < 0, self.ratings.n_items, self._items).astype(np.int64)
        return {"user": np.int64(self._user), "items": items, "ratings": self._stars.copy()}

    def _info(self) -> Info:
        mask = self._legal.astype(np.int8)
        return {"action_mask": mask, "legal": self._were_legal, "rewards": self._rewards.copy()}
