"""The size of the closed-form start, its weight of low ratings and its penalty, chosen for the data.

Every choice is tried as that regression (`recommender.ridge_start`) in small, on the window and the
similar users of first states, without a fold of the users. It is judged by the reward of the items
that it would show to the fold. Folds are fifths in the order of ids, as the test users are.
Shapes: U users, n window, I items, k embedding size.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import embedding
from baselines.profile import gains
from config import Config
from data.observation import UNRATED_REWARD, sparse_rows
from data.ratings import Ratings
from envs.episodes import default_start, windows
from recommender.ridge_start import solve
from recommender.state import AGE_DECAY, LIKED, RATING_LEVELS, SHARPNESS

TRIED: dict[str, tuple[float, ...]] = {
    "dim": (5, 10, 20, 30, 60, 90, 120, 200),
    "low_rating": (0.3, 0.0, -0.3),
    "start_penalty": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
}
FIRST_STATES = 10.0  # times the penalty of whole sessions, of which a user gives more states
FOLDS, ENOUGH = 5, 600  # held-out users after which no further fold is tried
MOST_USERS, MOST_RATINGS = 5_000, 1_000_000  # evenly drawn of more
SHOWN, AT_ONCE = 10, 256
Choice = tuple[float, ...]  # in the order of TRIED


def asked(config: Config) -> dict[str, Any]:
    """What the settings say of each of TRIED, a number or `auto`."""
    agent = config.agent
    values = (config.embedding.dim, agent.low_rating, agent.start_penalty)
    return dict(zip(TRIED, values, strict=True))


def chosen(config: Config, ratings: Ratings) -> tuple[Choice, dict[Choice, float]]:
    """The best choice for what is `auto` in the settings, and the reward of every one tried."""
    values = asked(config).items()
    options = [TRIED[name] if value == "auto" else (value,) for name, value in values]
    rewards = tried(config, ratings, *options)
    return max(rewards, key=lambda choice: rewards[choice]), rewards


def tried(
    config: Config,
    ratings: Ratings,
    dims: Sequence[float],
    lows: Sequence[float],
    penalties: Sequence[float],
) -> dict[Choice, float]:
    """Rewards of choices, means over held-out users: of every size with the first low rating, of
    every low rating with the best size, and of every size with the best low rating."""
    users = np.flatnonzero(ratings.lengths > 1)
    users = users[:: 1 + max(len(users) // MOST_USERS, ratings.n_ratings // MOST_RATINGS)]
    most = min(len(users), ratings.n_items) / 2  # components that these data could bear
    dims = [dim for dim in dims if dim <= most] or dims[:1]
    folds = np.array_split(users, min(FOLDS, len(users)))[::-1]
    held_out = np.cumsum([len(fold) for fold in folds])
    folds = folds[: 1 + int(np.searchsorted(held_out, ENOUGH))]
    trials = [HeldOut(config, ratings, np.setdiff1d(users, fold), fold) for fold in folds]
    found: dict[Choice, float] = {}

    def best(dims: Sequence[float], lows: Sequence[float]) -> Choice:
        for dim, low in product(dims, lows):
            if (dim, low, penalties[0]) not in found:
                sums = np.sum([trial.rewards(int(dim), low, penalties) for trial in trials], axis=0)
                means = sums / sum(len(fold) for fold in folds)
                found.update(zip(product([dim], [low], penalties), means, strict=True))
        return max(found, key=lambda choice: found[choice])

    size = best(dims, lows[:1])[0]
    best(dims, [best([size], lows)[1]])
    return found


class HeldOut:
    """Users to fit on and users held out, known by their first ratings."""

    def __init__(
        self, config: Config, ratings: Ratings, users: NDArray[Any], held_out: NDArray[Any]
    ) -> None:
        window, count = config.env.window, config.known or config.env.window // 2
        self._config, self._fitted = config, ratings.of_users(users)
        self._tables: dict[int, list[NDArray[np.float64]]] = {}
        everybody = np.append(users, held_out)
        starts = default_start(ratings.lengths[everybody], min(window, count))
        self._items, stars = windows(ratings, everybody, starts, window)  # [U, n]
        low, high = ratings.scale
        self._levels = np.rint((stars - low) / (high - low) * (RATING_LEVELS - 1)).astype(int)
        known = sparse_rows(np.ones_like(stars), self._items, ratings.n_items)
        self._gains = gains(ratings)[everybody]  # [U, I]
        self._left = (self._gains - self._gains.multiply(known)).tocsr()
        people = ratings.demographics[everybody]
        people = people if config.agent.demographics == "on" else people[:, :0]
        self._people = np.hstack([people, np.ones((len(everybody), 1))])
        self._n_fitted = n = len(users)
        self._blocked, self._hidden = known[n:].toarray() > 0, self._left[n:].toarray()

    def rewards(self, dim: int, low: float, penalties: Sequence[float]) -> NDArray[np.float64]:
        """Of each penalty, summed over the held-out users: [P]."""
        vectors, n = self._vectors_of(dim), self._n_fitted
        rows, items = self.features(vectors, low), vectors[0]
        gram, left = rows[:n].T @ rows[:n], self._left[:n] @ items
        target = rows[:n].T @ left @ np.linalg.pinv(items.T @ items)
        found = []
        for penalty in penalties:
            policy = solve(gram, target, blocks=1 + len(vectors), penalty=FIRST_STATES * penalty)
            scores = (rows[n:, :-1] @ policy.kernel + policy.bias) @ items.T
            scores[self._blocked] = -np.inf
            best = np.argpartition(-scores, min(SHOWN, len(items)) - 1, axis=1)[:, :SHOWN]
            gained = np.take_along_axis(self._hidden, best, axis=1)
            found.append((gained + UNRATED_REWARD).sum())
        return np.array(found)

    def _vectors_of(self, dim: int) -> list[NDArray[np.float64]]:
        """Vectors of items and of what is similar to each [I, k], fitted without the held-out users."""
        if dim not in self._tables:
            table = embedding.fit(replace(self._config.embedding, dim=dim), self._fitted, 0)
            both = [table.items, table.similar]
            self._tables[dim] = [each.astype(np.float64) for each in both if each is not None]
        return self._tables[dim]

    def features(self, vectors: Sequence[NDArray[np.float64]], low: float) -> NDArray[np.float64]:
        """Mean weighted vectors of the window, those of similar users, demographics, 1:
        [U, S + 1]."""
        items = vectors[0]
        levels = np.array([low] * (RATING_LEVELS - len(LIKED)) + [*LIKED])
        weights = levels[self._levels] * AGE_DECAY ** np.arange(self._items.shape[1])[::-1]
        rated = sparse_rows(weights, self._items, len(items))
        profiles = rated @ items
        users = self._gains[: self._n_fitted] @ items
        users /= np.sqrt(np.mean(users**2)) or 1.0
        similar = np.empty_like(profiles)
        queries, keys = (_unit(each).astype(np.float32) for each in (profiles, users))
        users = users.astype(np.float32)
        for begin in range(0, len(profiles), AT_ONCE):
            rows = np.arange(begin, min(begin + AT_ONCE, len(profiles)))
            likeness = SHARPNESS * queries[rows] @ keys.T
            own = rows[rows < len(users)]  # nobody is his own neighbour
            likeness[own - begin, own] = -np.inf
            similar[rows] = softmax(likeness, axis=1) @ users
        lengths = np.maximum((self._items >= 0).sum(axis=1, keepdims=True), 1)
        means = [rated @ each / lengths for each in vectors]
        return np.hstack([*means, similar, self._people])


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
