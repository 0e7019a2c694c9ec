"""What the protocols share: the log that answers, playing a policy, and the measurements.

A protocol keeps the truth in private attributes. A policy is given an `Observation` and candidates
only; what it may be fitted on is `visible`.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from config import DRRError
from data.errors import DataError
from data.observation import (
    PADDING,
    BoolArray,
    FloatArray,
    IntArray,
    Observation,
    answer_rewards,
    observation_of,
)
from data.policy import Policy
from data.ratings import Ratings
from evaluation import metrics
from evaluation.metrics import top_k

USERS_PER_BATCH = 1024
SCORES_PER_BATCH = 1 << 24  # bounds memory: fewer users at once where the catalogue is large


class PolicyError(DRRError):
    """A policy answered something that cannot be ranked."""


class AnswerModel(Protocol):
    """Predicts what users would say; it may know everything, the policies do not."""

    def rating(self, users: IntArray, items: IntArray) -> FloatArray:
        """Ratings of items [B, C] by users [B], on the rating scale: [B, C]."""
        ...


class RatingLog:
    """Looks up what a user said about an item; memory grows with the ratings, not with U * I."""

    def __init__(self, ratings: Ratings) -> None:
        keys = ratings.users.astype(np.int64) * ratings.n_items + ratings.items
        order = np.argsort(keys)
        self._n_items = ratings.n_items
        self._keys = np.append(keys[order], np.iinfo(np.int64).max)
        self._values = np.append(ratings.values[order], np.float32(np.nan))

    def __call__(self, users: IntArray, items: IntArray) -> FloatArray:
        """Ratings of items [B, C] (-1 = none) by users [B]; NaN where there is none: [B, C]."""
        wanted = users.astype(np.int64)[:, None] * self._n_items + items
        places = np.searchsorted(self._keys, wanted)
        found = (self._keys[places] == wanted) & (items >= 0)
        return np.where(found, self._values[places], np.float32(np.nan))


class CompletedLog(RatingLog):
    """The user's rating where there is one, else the model's, clipped to the scale."""

    def __init__(self, ratings: Ratings, model: AnswerModel) -> None:
        super().__init__(ratings)
        self._model, self._scale = model, ratings.scale

    def __call__(self, users: IntArray, items: IntArray) -> FloatArray:
        """See RatingLog; NaN only where there is no item."""
        logged = super().__call__(users, items)
        guess = np.clip(self._model.rating(users, np.maximum(items, 0)), *self._scale)
        answers = np.where(np.isnan(logged), guess, logged)
        return np.where(items >= 0, answers, np.nan).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Result:
    """One policy played to all U evaluated users.

    items [U, T] best or first first, -1 = nothing left; ratings [U, T] the answers, NaN = not
    rated; rewards [U, T]; n_relevant [U] hidden relevant items, None where every item has an
    answer; per_user {key: [U]}; seconds of wall time.
    """

    policy: str
    items: IntArray
    ratings: FloatArray
    rewards: FloatArray
    n_relevant: IntArray | None
    per_user: dict[str, FloatArray]
    seconds: float


class EvaluationProtocol(ABC):
    """One way of judging a policy over `eval_users`; subclasses say what is known and asked."""

    name: str
    label: str  # for headings: the name, and the mode where there are several
    mode: str = "inductive"
    rule: Mapping[str, Any] = {}  # what else the results depend on, for the JSON
    headline: tuple[str, ...]  # the metrics a table shows, for every k; the first one ranks
    visible: Ratings
    eval_users: IntArray
    ks: tuple[int, ...]  # list lengths, or step counts; the longest is played
    told: tuple[str, ...] = ()  # policies that know more than they may: tables say so
    sequential: bool = True  # False: one list, asked once whatever the policy

    _log: RatingLog  # answers
    _known: Ratings  # what a policy is told about the evaluated users
    _window: int
    _positive_from: float | None = None  # the window holds what is rated at least that
    _n_relevant: IntArray | None = None  # [U]
    _threshold: float
    _scale: tuple[float, float]

    @property
    def n_users(self) -> int:
        """U, the number of evaluated users."""
        return len(self.eval_users)

    @property
    def n_without_relevant(self) -> int:
        """Users with nothing relevant left to find, who count 0 whatever the policy."""
        return 0 if self._n_relevant is None else int((self._n_relevant == 0).sum())

    @property
    def steps(self) -> int:
        """T, the number of recommendations played to each user."""
        return self.ks[-1]

    @property
    def headline_keys(self) -> tuple[str, ...]:
        """The keys a table shows, such as `precision@5`; policies are ranked by the first."""
        return tuple(f"{metric}@{k}" for k in self.ks for metric in self.headline)

    def start(self, rows: IntArray) -> Observation:
        """What any policy knows of evaluated users number `rows` [B] before it recommends."""
        return observation_of(
            self._known,
            self.eval_users[rows],
            window=self._window,
            positive_from=self._positive_from,
        )

    def evaluate(self, policy: Policy) -> dict[str, FloatArray]:
        """{key: one value per evaluated user}, such as `precision@10`."""
        return self.run(policy).per_user

    def run(self, policy: Policy) -> Result:
        """Play the policy to every evaluated user and measure it."""
        began = time.perf_counter()
        items = np.full((self.n_users, self.steps), PADDING, np.int32)
        ratings = np.full((self.n_users, self.steps), np.nan, np.float32)
        most = max(1, SCORES_PER_BATCH // self.visible.n_items)
        size = min(getattr(policy, "users_per_batch", USERS_PER_BATCH), most)
        order = self._order()
        for begin in range(0, len(order), size):
            rows = order[begin : begin + size]
            items[rows], ratings[rows] = self._play(policy, rows)
        rewards = answer_rewards(items, ratings, self._scale)
        measured = self._measure(items, ratings, rewards)
        seconds = time.perf_counter() - began
        return Result(policy.name, items, ratings, rewards, self._n_relevant, measured, seconds)

    def oracle(self) -> Policy:
        """A policy that knows every answer, as the upper bound in tables."""
        return Oracle(self)

    # What a subclass decides.

    def _order(self) -> IntArray:
        """Rows of the evaluated users in the order in which they are asked about."""
        return np.arange(self.n_users)

    def _candidates(self, rows: IntArray) -> IntArray | None:
        """Candidates [B, C] in ascending order, -1 padded, or None for the whole catalogue."""
        return None

    def _blocked(self, observation: Observation, candidates: IntArray | None) -> BoolArray:
        """Columns [B, C] or [B, I] that may not be recommended at the start: padding."""
        if candidates is None:
            return np.zeros((observation.n_users, self.visible.n_items), bool)
        return candidates < 0

    @abstractmethod
    def _measure(
        self, items: IntArray, ratings: FloatArray, rewards: FloatArray
    ) -> dict[str, FloatArray]:
        """{key: [U]} from the played lists [U, T]."""

    # What they share.

    def _play(self, policy: Policy, rows: IntArray) -> tuple[IntArray, FloatArray]:
        """Recommended items and the answers, both [B, T]."""
        candidates = self._candidates(rows)
        observation = self.start(rows).widened(getattr(policy, "min_window", 0))
        blocked = self._blocked(observation, candidates)
        if policy.adaptive and self.sequential:
            return self._play_adaptive(policy, observation, candidates, blocked)
        items = self._best(policy, observation, candidates, blocked, self.steps)[1]
        return items, self._log(observation.users, items)

    def _play_adaptive(
        self,
        policy: Policy,
        observation: Observation,
        candidates: IntArray | None,
        blocked: BoolArray,
    ) -> tuple[IntArray, FloatArray]:
        """One item at a time, asking again after every answer."""
        for _ in range(self.steps):
            columns, items = self._best(policy, observation, candidates, blocked, 1)
            ratings = self._log(observation.users, items)
            rewards = answer_rewards(items, ratings, self._scale)
            observation = observation.after(items[:, 0], ratings[:, 0], rewards[:, 0])
            shown = np.flatnonzero(columns[:, 0] >= 0)
            blocked[shown, columns[shown, 0]] = True
        return observation.shown_items, observation.shown_ratings

    def _best(
        self,
        policy: Policy,
        observation: Observation,
        candidates: IntArray | None,
        blocked: BoolArray,
        k: int,
    ) -> tuple[IntArray, IntArray]:
        """The k best columns that are not blocked and their items, both [B, k], -1 padded."""
        scores = ask(policy, observation, candidates, self.visible.n_items)
        scores[blocked] = -np.inf
        columns = top_k(scores, k)
        if candidates is None:
            return columns, columns
        items = np.take_along_axis(candidates, np.maximum(columns, 0), axis=1)
        return columns, np.where(columns >= 0, items, PADDING)

    def _ranking_metrics(self, ratings: FloatArray, n_relevant: IntArray) -> dict[str, FloatArray]:
        """The list metrics for every k; per-user arrays [U]."""
        hits = ratings >= self._threshold  # NaN is none
        measured: dict[str, FloatArray] = {}
        for k in self.ks:
            measured |= {
                f"precision@{k}": metrics.precision_at_k(hits, k),
                f"ndcg@{k}": metrics.ndcg_at_k(hits, k, n_relevant),
                f"ndcg_fixed@{k}": metrics.ndcg_fixed_at_k(hits, k),
                f"hit_rate@{k}": metrics.hit_rate_at_k(hits, k),
                f"recall@{k}": metrics.recall_at_k(hits, k, n_relevant),
            }
        return measured

    def _reward_metrics(self, ratings: FloatArray, rewards: FloatArray) -> dict[str, FloatArray]:
        """Of the first k recommendations: total reward, number, presence and share of hits: [U]."""
        hits, totals = ratings >= self._threshold, np.cumsum(rewards, axis=1)
        return (
            {f"reward@{k}": totals[:, k - 1] for k in self.ks}
            | {f"hits@{k}": hits[:, :k].sum(axis=1, dtype=np.float64) for k in self.ks}
            | {f"hit_rate@{k}": metrics.hit_rate_at_k(hits, k) for k in self.ks}
            | {f"precision@{k}": metrics.precision_at_k(hits, k) for k in self.ks}
        )


class Oracle:
    """Scores are the rewards themselves, looked up a block of columns at a time."""

    name = "oracle"
    adaptive = False
    _BLOCK = 256

    def __init__(self, protocol: EvaluationProtocol) -> None:
        self._protocol = protocol
        self._kept: tuple[IntArray, FloatArray] | None = None  # users, what the catalogue is worth

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        if candidates is not None:
            return self._rewards(observation, candidates)
        if self._kept is None or self._kept[0] is not observation.users:
            everything = np.arange(self._protocol.visible.n_items, dtype=np.int32)
            catalogue = np.tile(everything, (observation.n_users, 1))
            self._kept = observation.users, self._rewards(observation, catalogue)
        return self._kept[1]

    def _rewards(self, observation: Observation, candidates: IntArray) -> FloatArray:
        protocol = self._protocol
        scores = np.empty(candidates.shape, np.float32)
        for begin in range(0, candidates.shape[1], self._BLOCK):
            items = candidates[:, begin : begin + self._BLOCK]
            answers = protocol._log(observation.users, items)
            scores[:, begin : begin + self._BLOCK] = answer_rewards(items, answers, protocol._scale)
        return scores


def ask(
    policy: Policy, observation: Observation, candidates: IntArray | None, n_items: int
) -> FloatArray:
    """The policy's scores, checked and finite: [B, C], or [B, I] when candidates is None.

    Raises PolicyError, naming the policy, for a wrong shape or a NaN (padding aside). Infinite
    scores are clipped, so that -inf can mean *not a candidate* from here on. The policy cannot
    write into the observation.
    """
    for value in observation:
        if value is not None:
            value.flags.writeable = False
    scores = np.asarray(policy.scores(observation, candidates))
    expected = (observation.n_users, n_items) if candidates is None else candidates.shape
    if scores.shape != expected:
        raise PolicyError(
            f"policy {policy.name!r} returned scores of shape {scores.shape}, expected {expected}"
        )
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    undefined = np.isnan(scores) if candidates is None else np.isnan(scores) & (candidates >= 0)
    if undefined.any():
        row, column = (int(index[0]) for index in np.nonzero(undefined))
        item = column if candidates is None else int(candidates[row, column])
        raise PolicyError(
            f"policy {policy.name!r} returned NaN {int(undefined.sum())} times, first for user "
            f"{int(observation.users[row])} and item {item} (contiguous ids); every candidate "
            "needs a number"
        )
    limits = np.finfo(scores.dtype)
    return np.clip(scores, limits.min, limits.max)


def without_known(blocked: BoolArray, observation: Observation) -> BoolArray:
    """The same columns [B, I], those of the items known at the start blocked as well."""
    rows, places = np.nonzero(observation.known_items >= 0)
    blocked[rows, observation.known_items[rows, places]] = True
    return blocked


def check_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """Distinct list lengths, ascending; ValueError if there is none or one below 1."""
    if not ks or min(ks) < 1:
        raise ValueError(f"list lengths must be at least 1, got {tuple(ks)}")
    return tuple(sorted(set(ks)))


def check_answerable(protocol: EvaluationProtocol, name: str) -> None:
    """DataError if none of the evaluated users has anything relevant left to find."""
    if protocol.n_without_relevant == protocol.n_users:
        raise DataError(
            f"{name}: none of the {protocol.n_users:,} users to be evaluated has a positive rating "
            "left to find; use longer histories, or (catalog, session) a smaller --known"
        )
