"""`engagement`: new users who leave as soon as they are bored, so that variety pays later."""

from dataclasses import asdict
from typing import Any

import numpy as np

from config import Boredom
from data.observation import PADDING, BoolArray, FloatArray, IntArray, Observation
from data.policy import Policy, scores_at
from data.ratings import Ratings
from envs.boredom import check_categories, leaves
from evaluation.protocols.answers import AnswerModel, CompletedLog
from evaluation.protocols.base import Oracle
from evaluation.protocols.new_users import NewUsersProtocol

MAX_STEPS = 30
LEAVING = 100.0  # what leaving costs a policy that is told the rule: more than any reward


class EngagementProtocol(NewUsersProtocol):
    """`engagement`: at most T steps without repeats; the log answers, else the model.

    A user leaves after an item of which `boredom` says that it bores; that item counts. Per user:
    `cumulative_reward`, `length` (items shown), `mean_reward` (of an item), `full_session` (1 where
    T items were shown). The model answers for evaluated users and is no part of `visible`.
    """

    name = "engagement"
    default_ks = (MAX_STEPS,)
    told = ("mf-foresight", "oracle")

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
        self._log = CompletedLog(ratings, model)

    @property
    def rule(self) -> dict[str, Any]:
        """See EvaluationProtocol.rule."""
        return {"boredom": asdict(self.boredom), "max_steps": self.steps}

    @property
    def label(self) -> str:
        """See EvaluationProtocol.label."""
        return f"{self.name}, boredom {self.boredom.window} {self.boredom.most}"

    @property
    def headline_keys(self) -> tuple[str, ...]:
        """See EvaluationProtocol.headline_keys."""
        return ("cumulative_reward", "length", "mean_reward", "full_session")

    def oracle(self) -> Policy:
        """The best next reward among the items that keep the user: told the rewards and the rule."""
        return _GreedyOracle(self)

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


class _GreedyOracle(Oracle):
    """The true rewards, kept for a batch of users, less the cost of leaving."""

    adaptive = True
    _protocol: EngagementProtocol

    def __init__(self, protocol: EngagementProtocol) -> None:
        super().__init__(protocol)
        self._kept: tuple[IntArray, FloatArray] | None = None  # users, their rewards

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        if self._kept is None or self._kept[0] is not observation.users:
            self._kept = observation.users, super().scores(observation, None)
        leaving = self._protocol.would_leave(observation.shown_items, None)
        return scores_at(self._kept[1] - LEAVING * leaving, candidates)
