"""`catalog`, `session` and `engagement`: users met for the first time, any item may be shown."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np

from config import Boredom, Split
from data.observation import PADDING, BoolArray, FloatArray, IntArray, Observation
from data.policy import Policy, scores_at
from data.ratings import Ratings
from data.splits import split_new_users
from envs.boredom import check_categories, leaves
from evaluation.protocols.base import (
    AnswerModel,
    CompletedLog,
    EvaluationProtocol,
    Oracle,
    RatingLog,
    check_ks,
    without_known,
)

Mode = Literal["inductive", "transductive"]
MAX_STEPS = 30
LEAVING = 100.0  # what leaving costs a policy that is told the rule: more than any reward
PATIENCE = 3  # misses in a row after which `patience_reward` ends


class NewUsersProtocol(EvaluationProtocol):
    """Users known by their first `window` ratings in time; everything else is a candidate.

    train_users and eval_users default to those of `split` (data.splits.split_new_users): the first
    int(0.8 * (U + 1)) users by id and the rest, or everything before a date and who joins later.
    `inductive`: nothing of the evaluated users is visible but demographics and the observations.
    `transductive`: everybody's full history is visible; leaky, and labelled so.
    """

    default_ks: tuple[int, ...]

    def __init__(
        self,
        ratings: Ratings,
        train_users: IntArray | None = None,
        eval_users: IntArray | None = None,
        *,
        window: int = 10,
        split: Split = "users",
        mode: Mode = "inductive",
        ks: Sequence[int] | None = None,
    ) -> None:
        if mode not in ("inductive", "transductive"):
            raise ValueError(f"mode must be 'inductive' or 'transductive', got {mode!r}")
        default = split_new_users(ratings, split)
        visible = default.visible if train_users is None else ratings.of_users(train_users)
        train_users = default.train_users if train_users is None else train_users
        self.eval_users = default.test_users if eval_users is None else eval_users
        both = np.intersect1d(train_users, self.eval_users)
        if len(both):
            raise ValueError(f"{len(both)} users both train and are evaluated, first {both[0]}")
        self.mode, self.ks = mode, check_ks(ks or self.default_ks)
        self.visible = ratings if mode == "transductive" else visible
        notes = [mode, *(["LEAKY"] if mode == "transductive" else [])]
        notes += ["split by time"] if split == "time" else []
        notes += ["nothing known"] if window == 0 else []
        self.label = f"{self.name} ({', '.join(notes)})"
        self._threshold, self._scale = ratings.positive_threshold, ratings.scale
        self._window = window
        mine = ratings.of_users(self.eval_users)
        position = np.arange(mine.n_ratings) - np.repeat(mine.offsets[:-1], mine.lengths)
        self._known, hidden = mine.keep(position < window), mine.keep(position >= window)
        self._log = RatingLog(hidden)
        relevant = np.bincount(hidden.users[hidden.positive], minlength=ratings.n_users)
        self._n_relevant = relevant[self.eval_users]

    def _blocked(self, observation: Observation, candidates: IntArray | None) -> BoolArray:
        return without_known(super()._blocked(observation, candidates), observation)


class CatalogProtocol(NewUsersProtocol):
    """`catalog`: one list; precision, NDCG and the other list metrics at each k."""

    name = "catalog"
    headline = ("precision", "ndcg")
    sequential = False
    default_ks = (5, 10)
    _n_relevant: IntArray

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        return self._ranking_metrics(ratings, self._n_relevant)


class SessionProtocol(NewUsersProtocol):
    """`session`: T steps without repeats; the log answers, an unrated item costs a constant.

    `reward@T` is a user's total reward over the first T steps, `hits@T` the number of relevant
    ones; `hit_rate@T` is 1 where there is one, `precision@T` their share. `patience_reward@T` is the
    reward of a user who leaves after PATIENCE misses in a row, rewards that are not positive.
    """

    name = "session"
    headline = ("reward", "hits")
    default_ks = (10, 20)

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        misses = np.where(rewards > 0, 0, 1)
        for step in range(1, self.steps):  # the run of misses that ends at each step
            misses[:, step] *= misses[:, step - 1] + 1
        left = np.cumsum(misses == PATIENCE, axis=1) - (misses == PATIENCE) > 0
        patient = np.cumsum(np.where(left, 0.0, rewards), axis=1)
        measured = self._reward_metrics(ratings, rewards)
        return measured | {f"patience_reward@{k}": patient[:, k - 1] for k in self.ks}


class EngagementProtocol(NewUsersProtocol):
    """`engagement`: at most T steps without repeats; the log answers, else the model.

    A user leaves after an item of which `boredom` says that it bores; that item counts. Per user:
    `cumulative_reward`, `length` (items shown), `mean_reward` (of an item), `full_session` (1 where
    T items were shown). The model answers for evaluated users and is no part of `visible`.
    """

    name = "engagement"
    default_ks = (MAX_STEPS,)
    told = ("mf-foresight", "oracle")
    headline_keys = ("cumulative_reward", "length", "mean_reward", "full_session")

    def __init__(
        self,
        ratings: Ratings,
        model: AnswerModel,
        train_users: IntArray | None = None,
        eval_users: IntArray | None = None,
        *,
        window: int = 10,
        boredom: Boredom = Boredom(),  # noqa: B008
        max_steps: int = MAX_STEPS,
    ) -> None:
        check_categories(ratings.genres, ratings.name)
        super().__init__(ratings, train_users, eval_users, window=window, ks=(max_steps,))
        self.boredom, self._n_relevant = boredom, None
        self.label = f"{self.name}, boredom {boredom.window} {boredom.most}"
        self.rule = {"boredom": asdict(boredom), "max_steps": max_steps}
        self._log = CompletedLog(ratings, model)

    def oracle(self) -> Policy:
        """The best next reward among the items that keep the user: told the rewards and the rule."""
        return Told(Oracle(self), self)

    def would_leave(self, shown: IntArray, items: IntArray | None) -> BoolArray:
        """See `envs.boredom.leaves`."""
        return leaves(self.visible.genres, shown, items, self.boredom)

    def _play(self, policy: Policy, rows: IntArray) -> tuple[IntArray, FloatArray]:
        """See EvaluationProtocol; nothing is shown to those who have left."""
        items, ratings = super()._play(policy, rows)
        here = np.ones(len(items), bool)
        for step in range(self.steps):
            items[~here, step], ratings[~here, step] = PADDING, np.nan
            here &= ~self.would_leave(items[:, :step], items[:, [step]])[:, 0]
        return items, ratings

    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        total, length = rewards.sum(axis=1), (items >= 0).sum(axis=1)
        return {
            "cumulative_reward": total,
            "length": length.astype(np.float64),
            "mean_reward": total / np.maximum(length, 1),
            "full_session": (length == self.steps).astype(np.float64),
        }


class Told:
    """A policy that is told the rule: it never shows an item that makes the user leave while another
    is left."""

    adaptive = True

    def __init__(self, policy: Policy, protocol: EngagementProtocol) -> None:
        self.name, self.min_window = policy.name, getattr(policy, "min_window", 0)
        self._policy, self._protocol = policy, protocol

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        leaving = LEAVING * self._protocol.would_leave(observation.shown_items, None)
        return scores_at(self._policy.scores(observation, None) - leaving, candidates)


NEW_USER_PROTOCOLS: dict[str, type[CatalogProtocol | SessionProtocol]] = {
    "catalog": CatalogProtocol,
    "session": SessionProtocol,
}
