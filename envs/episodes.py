"""Where an episode starts: a user and a place in that user's history."""

import numpy as np
from numpy.typing import NDArray

from data.observation import PADDING
from data.ratings import Ratings


def draw_starts(
    rng: np.random.Generator,
    ratings: Ratings,
    users: NDArray[np.integer],
    known: int,
    random_start: float,
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users [E] and starts [E] for `count` = E episodes; a start counts the ratings before it.

    Users are uniform among `users`, nobody twice before everybody once. The start is `known`, so that
    an episode begins with the user's first `known` ratings, or, in a share `random_start` of the
    episodes, uniform in [0, known]: real users begin with nothing. A history no longer than `known`
    is cut in half.
    """
    chosen = np.resize(rng.permutation(np.asarray(users, np.int64)), count)
    uniform = rng.random(count)
    starts = default_start(ratings.lengths[chosen], known)
    if random_start:  # a number below it, rescaled, is a fresh random number
        fewer = (uniform / random_start * (starts + 1)).astype(np.int64)
        starts = np.where(uniform < random_start, fewer, starts)
    return chosen, starts


def default_start(lengths: NDArray[np.int64], known: int) -> NDArray[np.int64]:
    """Starts [E] in histories of `lengths` [E]: `known`, or half of what is no longer."""
    return np.where(lengths > known, known, np.maximum(lengths // 2, 1))


def windows(
    ratings: Ratings, users: NDArray[np.integer], starts: NDArray[np.integer], window: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Items [E, n] and ratings [E, n] of users [E] before starts [E] in their histories.

    Oldest first, padded on the left with -1 and 0.
    """
    places = np.asarray(starts)[:, None] + np.arange(-window, 0)  # [E, n], in the user's row
    empty = places < 0
    rows = ratings.offsets[users][:, None] + np.maximum(places, 0)
    rows = np.minimum(rows, max(ratings.n_ratings - 1, 0))  # an empty last row has no first place
    items = np.where(empty, PADDING, ratings.items[rows]).astype(np.int32)
    return items, np.where(empty, 0, ratings.values[rows]).astype(np.float32)
