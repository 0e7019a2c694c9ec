"""One person's session: recommendations that follow every answer."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from config import DRRError
from data.observation import Observation, answer_rewards
from data.ratings import Catalogue
from recommender.explain import Explanation
from recommender.history import checked_rating, demographic_row, is_number, item_number, parse
from recommender.retrieval import Retrieval


class SessionError(DRRError):
    """An answer or a stored state that the session cannot take; it stays as it was."""


class Recommendation(NamedTuple):
    """One recommended item: its original id, its score, its title where titles are known."""

    item_id: int | str
    score: float
    title: str | None


Ranked = tuple[NDArray[Any], NDArray[Any]]  # items and scores [k], best first


class Ranker(Protocol):
    """What a session asks of an agent; `DRRAgent` is one."""

    catalogue: Catalogue
    window: int

    @property
    def fingerprint(self) -> str: ...
    def rank_inputs(self, observation: Observation) -> list[Any]: ...
    def best(self, inputs: Sequence[Any], k: int) -> Ranked: ...
    def retrieved(self, observation: Observation, k: int, retrieval: Retrieval) -> Ranked: ...
    def explain_score(self, observation: Observation, item: int) -> Explanation: ...
    def named(self, item: int) -> tuple[int | str, str | None]: ...


class UserSession:
    """What is known of one person, and the recommendations that follow from it.

    An item counts as shown once it is answered; it is not recommended again. A liked one enters the
    window (equation 1), a refused one is remembered. Made by `DRRAgent.session`.

    Args:
        agent: the trained agent.
        history: (original item id, rating) pairs, oldest first.
        demographics: {name: value} in the data set's own codes; what is left out is unknown.

    Raises:
        ValueError: for an unknown item, name or value, or a rating off the scale; it quotes the value.
    """

    def __init__(
        self,
        agent: Ranker,
        history: Iterable[tuple[int | str, float]] = (),
        demographics: Mapping[str, Any] | None = None,
    ) -> None:
        self._agent, self._catalogue = agent, agent.catalogue
        items, ratings = parse(history, self._catalogue)
        given = {} if demographics is None else demographics
        row = demographic_row(given, self._catalogue)
        self._demographics = {str(name): str(value) for name, value in given.items()}
        self._inputs: list[Any] | None = None  # for the agent, until the next answer
        self._known = dict(zip(items, ratings, strict=True))
        self._answers: dict[int, float | None] = {}
        self._observation = Observation.start(
            np.array([-1]),
            row[None],
            np.array([items], np.int32).reshape(1, -1),
            np.array([ratings], np.float32).reshape(1, -1),
            window=agent.window,
        )

    @property
    def observation(self) -> Observation:
        """What is known of the person by now, as any policy can be asked about it."""
        return self._observation

    def recommend(self, k: int = 10, retrieval: Retrieval | None = None) -> list[Recommendation]:
        """The k best items that were neither known nor answered; changes nothing.

        Raises:
            SessionError: for a k that the rest of the catalogue cannot serve.
        """
        left = len(self._catalogue.item_ids) - len(self._known) - len(self._answers)
        if not (is_number(k) and k in range(1, left + 1)):
            possible = f"choose 1 to {left}, the items that are left" if left else "no item is left"
            raise SessionError(f"k is {reprlib.repr(k)}: {possible}")
        items, scores = self._ranked(int(k), retrieval)
        pairs = zip(items.tolist(), scores.tolist(), strict=True)
        named = ((*self._agent.named(item), score) for item, score in pairs)
        return [Recommendation(item_id, score, title) for item_id, title, score in named]

    def _ranked(self, k: int, retrieval: Retrieval | None) -> Ranked:
        if retrieval is not None:
            found = self._agent.retrieved(self._observation, k, retrieval)
            if len(found[0]) == k:
                return found
        if self._inputs is None:
            self._inputs = self._agent.rank_inputs(self._observation)
        return self._agent.best(self._inputs, k)

    def feedback(self, item_id: int | str, rating: float) -> None:
        """The person's rating of any item of the catalogue, recommended or not.

        Raises:
            ValueError: for an unknown item or a rating off the scale.
            SessionError: where the item was answered differently before.
        """
        item = item_number(item_id, self._catalogue)
        self._answer(item, checked_rating(rating, item_id, self._catalogue.scale))

    def refuse(self, item_id: int | str) -> None:
        """The person does not want the item, without a rating; raises as `feedback` does."""
        self._answer(item_number(item_id, self._catalogue), None)

    def explain(self, item_id: int | str) -> Explanation:
        """What each item that the state holds adds to the score of an item; ValueError if unknown."""
        return self._agent.explain_score(self._observation, item_number(item_id, self._catalogue))

    def state(self) -> dict[str, Any]:
        """Everything as JSON's types; `DRRAgent.session(state=...)` goes on from it."""
        ids = self._catalogue.item_ids
        return {
            "run": self._agent.fingerprint,
            "demographics": self._demographics,
            "history": [[ids[item].item(), rating] for item, rating in self._known.items()],
            "answers": [[ids[item].item(), rating] for item, rating in self._answers.items()],
        }

    @classmethod
    def restored(cls, agent: Ranker, state: Mapping[str, Any]) -> "UserSession":
        """The session whose `state` was stored; SessionError if it is damaged or of another run."""
        fields = {"run", "demographics", "history", "answers"}
        if not isinstance(state, Mapping) or set(state) != fields:
            raise SessionError(f"the state is {reprlib.repr(state)}: give what state() returned")
        if state["run"] != agent.fingerprint:
            raise SessionError(
                f"the state is of run {reprlib.repr(state['run'])}, this is {agent.fingerprint!r}: "
                "load that run, or begin a new session"
            )
        try:
            session = cls(agent, state["history"], state["demographics"])
            for item_id, rating in state["answers"]:
                session.refuse(item_id) if rating is None else session.feedback(item_id, rating)
        except (TypeError, ValueError) as error:
            raise SessionError(f"the state is damaged: {error}") from error
        return session

    def _answer(self, item: int, rating: float | None) -> None:
        answered = self._known | self._answers
        if item in answered:
            if answered[item] == rating:
                return
            before, now = (_words(value) for value in (answered[item], rating))
            item_id = self._catalogue.item_ids[item].item()
            raise SessionError(f"item {item_id!r} was {before} before, now it is {now}")
        items = np.array([item], np.int32)
        ratings = np.array([np.nan if rating is None else rating], np.float32)
        rewards = answer_rewards(items, ratings, self._catalogue.scale)
        self._observation = self._observation.after(items, ratings, rewards)
        self._inputs = None
        self._answers[item] = rating


def _words(rating: float | None) -> str:
    return "refused" if rating is None else f"rated {rating:g}"
