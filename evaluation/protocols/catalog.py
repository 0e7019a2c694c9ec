"""`catalog`: one ranked list over the whole catalogue for users met for the first time."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from data.ratings import Ratings
from data.splits import split_users
from evaluation.policy import BoolArray, FloatArray, IntArray, States
from evaluation.protocols.base import (
    EvaluationProtocol,
    RatingLog,
    check_ks,
    mask_known,
    rows_of,
)

Mode = Literal["inductive", "transductive"]


class NewUsers(EvaluationProtocol):
    """Users known by their first `window` ratings in time; everything else is a candidate.

    train_users default to the first int(0.8 * (U + 1)) users by id, eval_users to the rest.
    `inductive`: nothing of the evaluated users is visible but demographics and the states.
    `transductive`: everybody's full history is visible; leaky, and labelled so.
    """

    default_ks: tuple[int, ...]
    _n_relevant: IntArray

    def __init__(
        self,
        ratings: Ratings,
        train_users: IntArray | None = None,
        eval_users: IntArray | None = None,
        *,
        window: int = 10,
        mode: Mode = "inductive",
        ks: Sequence[int] | None = None,
    ) -> None:
        if mode not in ("inductive", "transductive"):
            raise ValueError(f"mode must be 'inductive' or 'transductive', got {mode!r}")
        by_id = split_users(ratings.n_users)
        train_users = by_id[0] if train_users is None else train_users
        self.eval_users = by_id[1] if eval_users is None else eval_users
        both = np.intersect1d(train_users, self.eval_users)
        if len(both):
            raise ValueError(f"{len(both)} users both train and are evaluated, first {both[0]}")
        self.mode, self.ks = mode, check_ks(ks or self.default_ks)
        self.visible = ratings if mode == "transductive" else ratings.of_users(train_users)
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        known, hidden = self._split(ratings, window)
        offsets, places = rows_of(known, self.eval_users)
        self._states = States.begin(
            self.eval_users,
            offsets,
            known.items[places],
            known.values[places],
            window=window,
            n_items=ratings.n_items,
        )
        self._log = RatingLog(hidden)
        relevant = np.bincount(hidden.users[hidden.positive], minlength=ratings.n_users)
        self._n_relevant = relevant[self.eval_users]

    @property
    def label(self) -> str:
        """The protocol and its mode, with a warning where the mode leaks."""
        return f"{self.name} ({self.mode}{', LEAKY' if self.mode == 'transductive' else ''})"

    def _split(self, ratings: Ratings, window: int) -> tuple[Ratings, Ratings]:
        """The evaluated users' first ratings, and their others."""
        mine = ratings.of_users(self.eval_users)
        position = np.arange(mine.n_ratings) - np.repeat(mine.offsets[:-1], mine.lengths)
        return mine.keep(position < window), mine.keep(position >= window)

    def _candidates(self, rows: IntArray) -> None:
        return None

    def _blocked(self, states: States, candidates: IntArray | None) -> BoolArray:
        return mask_known(states)

    def _answer(self, users: IntArray, items: IntArray) -> FloatArray:
        return self._log(users, items)


class Catalog(NewUsers):
    """One list; precision, NDCG and the other list metrics at each k."""

    name = "catalog"
    headline = ("precision", "ndcg")
    sequential = False
    default_ks = (5, 10)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        return self._ranking_metrics(items, ratings, self._n_relevant)
