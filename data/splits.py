"""Splits by user and by time. Users are given by their contiguous numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.ratings import IntArray, Ratings

UserArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class NewUserSplit:
    """What may be fitted on, whose ratings that is, and the users to be met for the first time."""

    visible: Ratings
    train_users: UserArray
    test_users: UserArray


def split_new_users(ratings: Ratings, by: str = "users", fraction: float = 0.8) -> NewUserSplit:
    """`users`: see split_users. `time`: everything before a date, and who joins from that date on.

    The date is the time by which `fraction` of the ratings are in. What earlier users rate later is
    in neither part. DataError if one part has no user.
    """
    if by == "users":
        train, test = split_users(ratings.n_users, fraction)
        return NewUserSplit(ratings.of_users(train), train, test)
    if by != "time":
        raise ValueError(f"split: got {by!r}, choose 'users' or 'time'")
    place = min(int(fraction * ratings.n_ratings), ratings.n_ratings - 1)
    early = ratings.timestamps < np.partition(ratings.timestamps, place)[place]
    visible = ratings.keep(early)
    joined = visible.lengths > 0
    later = ~joined & (ratings.lengths > 0)
    train, test = (np.flatnonzero(mask).astype(np.int32) for mask in (joined, later))
    if not (len(train) and len(test)):
        raise DataError(
            f"{ratings.name}: {len(train)} user(s) rated before the date by which {fraction:.0%} of "
            f"the ratings are in, {len(test)} joined later; both are needed: use --split users"
        )
    return NewUserSplit(visible, train, test)


def split_users(n_users: int, fraction: float = 0.8) -> tuple[UserArray, UserArray]:
    """Train users: the first int(fraction * (U + 1)) by id; test users: the rest, never none."""
    if n_users < 2:
        raise DataError(f"split: {n_users} user(s); training and testing need at least two")
    n_train = min(max(int(fraction * (n_users + 1)), 1), n_users - 1)
    users = np.arange(n_users, dtype=np.int32)
    return users[:n_train], users[n_train:]


def hold_out_users(
    train_users: IntArray, count: int, seed: int | np.random.SeedSequence
) -> tuple[UserArray, UserArray]:
    """Fitting users and `count` validation users, drawn from the train users; both ascending."""
    users: UserArray = np.asarray(train_users, dtype=np.int32)
    if not 0 < count < len(users):
        raise DataError(
            f"hold_out_users: {count} validation users out of {len(users)} training users leave "
            "none; more users are needed, or a smaller --loop.validation-share"
        )
    shuffled = np.random.default_rng(seed).permutation(users)
    return np.sort(shuffled[count:]), np.sort(shuffled[:count])


def split_by_time(ratings: Ratings, fraction: float = 0.8) -> tuple[Ratings, Ratings]:
    """Each user's first int(fraction * length) ratings in time, and the rest, which is the published
    test part where there is one."""
    if ratings.held_out.any():
        return ratings.keep(~ratings.held_out), ratings.keep(ratings.held_out)
    return training_sessions(ratings, [fraction])


def training_sessions(ratings: Ratings, cuts: Sequence[float]) -> tuple[Ratings, Ratings]:
    """Every user once per cut, as (what is known before it, what comes later).

    Session v = c U + u is user u cut at int(cuts[c] * length), so the first U sessions have the
    users' own numbers. A policy that is to be asked after 80% of a history must be trained on
    histories that go on: vectors fitted on what it then recommends would give the answers away.
    """
    repeated = ratings.repeated(len(cuts))
    lengths = np.tile(ratings.lengths, len(cuts))
    known = (np.repeat(np.asarray(cuts), ratings.n_users) * lengths).astype(np.int64)
    early = np.arange(repeated.n_ratings) < np.repeat(repeated.offsets[:-1] + known, lengths)
    return repeated.keep(early), repeated.keep(~early)
