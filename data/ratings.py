"""Explicit ratings as typed arrays, stored user by user in time order."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import DataError, quote

IntArray = NDArray[np.integer]
Ids = NDArray[np.int64] | NDArray[np.str_]
Scalar = TypeVar("Scalar", bound=np.generic)
_ARRAYS = (
    *("offsets", "items", "values", "timestamps"),
    *("user_ids", "item_ids", "genres", "demographics"),
)


class Catalogue(Protocol):
    """What a recommender must know of a data set; `Ratings` is one."""

    @property
    def item_ids(self) -> Ids: ...  # [I], ascending
    @property
    def titles(self) -> tuple[str, ...]: ...  # I, or none
    @property
    def demographics(self) -> NDArray[np.float32]: ...  # [U, D]
    @property
    def demographic_columns(self) -> tuple[tuple[str, Any], ...]: ...  # D names and values
    @property
    def scale(self) -> tuple[float, float]: ...  # lowest and highest rating


@dataclass(frozen=True, eq=False)
class Ratings:
    """N ratings of I items by U users in compressed rows: user u owns `row(u)`.

    Users and items are numbered 0..U-1 and 0..I-1 in the order of their original ids. Everyone in
    the users file and everything in the movies file has a number, rated or not. A user's rows are
    in time order; ties keep the order of the file. All arrays are read-only.
    """

    name: str
    offsets: NDArray[np.int64]  # [U + 1]
    items: NDArray[np.int32]  # [N]
    values: NDArray[np.float32]  # [N] stars
    timestamps: NDArray[np.int64]  # [N] seconds since 1970
    user_ids: Ids  # [U] original ids, ascending
    item_ids: Ids  # [I] original ids, ascending
    titles: tuple[str, ...] = ()  # I titles, or none
    genres: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))  # [I, G]
    genre_names: tuple[str, ...] = ()
    # [U, D]
    demographics: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), "f4"))
    demographic_names: tuple[str, ...] = ()
    scale: tuple[float, float] = (1.0, 5.0)
    positive_threshold: float = 4.0
    # [N] whether a rating belongs to a test part that the data set comes with; mostly none does.
    held_out: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        if not self.genre_names:
            object.__setattr__(self, "genres", np.zeros((self.n_items, 0), dtype=bool))
        if not self.demographic_names:
            empty = np.zeros((self.n_users, 0), dtype=np.float32)
            object.__setattr__(self, "demographics", empty)
        if not self.held_out.size:
            object.__setattr__(self, "held_out", np.zeros(self.n_ratings, dtype=bool))
        for name in (*_ARRAYS, "held_out"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        expected = {
            "genres": (self.n_items, len(self.genre_names)),
            "demographics": (self.n_users, len(self.demographic_names)),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise DataError(f"Ratings.{name}: shape {found}, expected {shape}")
        if self.titles and len(self.titles) != self.n_items:
            raise DataError(f"Ratings.titles: {len(self.titles)} titles, {self.n_items} items")

    @classmethod
    def from_events(
        cls,
        name: str,
        users: ArrayLike,
        items: ArrayLike,
        values: ArrayLike,
        timestamps: ArrayLike,
        *,
        user_ids: ArrayLike | None = None,
        item_ids: ArrayLike | None = None,
        held_out: NDArray[np.bool_] | None = None,
        **fields: Any,
    ) -> "Ratings":
        """Ratings from N unordered events given by original ids, and other fields as they are.

        `user_ids` [U] and `item_ids` [I] list everybody and everything, ascending; without them
        it is whoever and whatever occurs. Titles, genres and demographics follow their order.
        Raises DataError on unknown ids, ratings off the scale and repeated (user, item) pairs.
        """
        users, items = np.asarray(users, np.int64), np.asarray(items, np.int64)
        timestamps, values = np.asarray(timestamps, np.int64), np.asarray(values, np.float32)
        shapes = [column.shape for column in (users, items, values, timestamps)]
        if any(shape != (users.size,) for shape in shapes):
            raise DataError(f"events: columns of shapes {shapes}")
        user_ids, rows = _ids_and_places("user", users, user_ids)
        item_ids, columns = _ids_and_places("item", items, item_ids)
        low, high = fields.get("scale", cls.scale)
        _refuse(  # nan is bad, too
            ~((values >= low) & (values <= high)),
            lambda event: f"rating {values[event]:g} is outside {low:g}..{high:g}",
        )
        _refuse(
            pd.Series(rows * len(item_ids) + columns).duplicated().to_numpy(),
            lambda event: f"user {users[event]} rated item {items[event]} before",
        )
        order = np.lexsort((timestamps, rows))  # stable: ties keep the order of the events
        return cls(
            name=name,
            offsets=_offsets(np.bincount(rows, minlength=len(user_ids))),
            items=columns[order].astype(np.int32),
            values=values[order],
            timestamps=timestamps[order],
            user_ids=user_ids,
            item_ids=item_ids,
            held_out=np.zeros(len(order), bool) if held_out is None else held_out[order],
            **fields,
        )

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def n_ratings(self) -> int:
        return len(self.items)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Ratings per user, [U]."""
        return _frozen(np.diff(self.offsets))

    @cached_property
    def users(self) -> NDArray[np.int32]:
        """Owner of each rating, [N]."""
        return _frozen(np.repeat(np.arange(self.n_users, dtype=np.int32), self.lengths))

    @cached_property
    def positive(self) -> NDArray[np.bool_]:
        """Whether each rating counts as relevant, [N]."""
        return _frozen(self.values >= self.positive_threshold)

    @property
    def demographic_columns(self) -> tuple[tuple[str, str | int], ...]:
        """What each column of `demographics` means: ("gender", "F"), ("age", 25), ... [D]."""
        pairs = (name.partition("=") for name in self.demographic_names)
        return tuple((key, int(value) if value.isdecimal() else value) for key, _, value in pairs)

    def row(self, user: int) -> slice:
        """Where a user's ratings lie, oldest first."""
        return slice(int(self.offsets[user]), int(self.offsets[user + 1]))

    def keep(self, mask: NDArray[np.bool_]) -> "Ratings":
        """The ratings where mask [N] is true; users and items keep their numbers."""
        return replace(
            self,
            offsets=_offsets(np.bincount(self.users[mask], minlength=self.n_users)),
            items=self.items[mask],
            values=self.values[mask],
            timestamps=self.timestamps[mask],
            held_out=self.held_out[mask],
        )

    def of_users(self, users: IntArray) -> "Ratings":
        """The ratings of these users; everybody keeps their number."""
        chosen = np.zeros(self.n_users, dtype=bool)
        chosen[users] = True
        return self.keep(chosen[self.users])

    def without_demographics(self) -> "Ratings":
        """The same with nothing known of anybody: zeros in the columns that are there."""
        return replace(self, demographics=np.zeros_like(self.demographics))

    def repeated(self, times: int) -> "Ratings":
        """Every user `times` times: row c U + u is user u again, with the same ratings."""
        starts = self.n_ratings * np.arange(times)[:, None] + self.offsets[:-1]
        return replace(
            self,
            offsets=np.append(starts.ravel(), times * self.n_ratings),
            items=np.tile(self.items, times),
            values=np.tile(self.values, times),
            timestamps=np.tile(self.timestamps, times),
            held_out=np.tile(self.held_out, times),
            user_ids=self.user_ids[np.tile(np.arange(self.n_users), times)],
            demographics=np.tile(self.demographics, (times, 1)),
        )

    def fingerprint(self) -> str:
        """SHA-256 over every array, name and title: equal data, equal fingerprint."""
        digest = hashlib.sha256()
        for name in (*_ARRAYS, *(["held_out"] if self.held_out.any() else [])):
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
        labels = (self.titles, self.genre_names, self.demographic_names)
        digest.update(repr((labels, self.scale, self.positive_threshold)).encode())
        return digest.hexdigest()


def check_usable(path: Path, ratings: Ratings) -> None:
    """DataError if the ratings read from `path` have nothing to learn from or to test on."""
    fault, raters = "", int(np.count_nonzero(ratings.lengths))
    if raters < 2:
        fault = f"ratings of {raters} user only; at least two users are needed"
    elif ratings.lengths.max() < 2:
        fault = "no user has two ratings or more; nothing can be learned from it"
    if fault:
        raise DataError(f"{path}: {fault}: restore the file, or give more data")


def _frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    view = array.view()
    view.setflags(write=False)
    return view


def _offsets(counts: IntArray) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def _refuse(bad: NDArray[np.bool_], message: Callable[[int], str]) -> None:
    """DataError about the first of the events that are bad."""
    if bad.any():
        event = int(np.argmax(bad))
        raise DataError(f"event {event}: {message(event)}")


def _ids_and_places(
    kind: str, found: NDArray[np.int64], given: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All ids, ascending, those that occur if none are given; and the place of each one found."""
    ids = np.unique(found) if given is None else np.array(given, dtype=np.int64)
    if np.any(np.diff(ids) <= 0):
        raise DataError(f"{kind} ids: must be ascending and different")
    places = pd.Index(ids).get_indexer(pd.Index(found))
    _refuse(
        places < 0,
        lambda event: f"{kind} id {quote(int(found[event]))} is not in the list of {kind}s",
    )
    return ids, places.astype(np.int64)
