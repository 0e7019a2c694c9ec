"""One person's session: recommendations that follow every answer; all that is given, checked."""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config import DRRError
from data.observation import Observation, answer_rewards
from data.ratings import Catalogue
from recommender.explain import Explanation
from recommender.retrieval import Retrieval


class SessionError(DRRError):
    """An answer or a stored state that the session cannot take; it stays as it was."""


class Recommendation(NamedTuple):
    """One recommended item: its original id, its score, its title where titles are known."""

    item_id: int | str
    score: float
    title: str | None


class UserSession:
    """What is known of one person, and the recommendations that follow from it.

    An item counts as shown once it is answered; it is not recommended again. A liked one enters the
    window (equation 1), a refused one is remembered. Made by `DRRAgent.session`.

    Args:
        agent: the trained `DRRAgent`.
        history: (original item id, rating) pairs, oldest first.
        demographics: {name: value} in the data set's own codes; what is left out is unknown.

    Raises:
        ValueError: for an unknown item, name or value, or a rating off the scale; it quotes the value.
    """

    def __init__(
        self,
        agent: Any,
        history: Iterable[tuple[int | str, float]] = (),
        demographics: Mapping[str, Any] | None = None,
    ) -> None:
        self._agent, self._catalogue = agent, agent.catalogue
        items, ratings = parse(history, self._catalogue)
        given = {} if demographics is None else demographics
        people = demographic_row(given, self._catalogue)[None]
        self._demographics = {str(name): str(value) for name, value in given.items()}
        self._known = dict(zip(items, ratings, strict=True))
        self._answers: dict[int, float | None] = {}
        known = np.array([items], np.int32), np.array([ratings], np.float32)
        start = Observation.start(np.array([-1]), people, *known, window=agent.window)
        self.observation = start  # what is known by now, as any policy can be asked about it

    def recommend(self, k: int = 10, retrieval: Retrieval | None = None) -> list[Recommendation]:
        """The k best items that were neither known nor answered; changes nothing.

        Raises:
            SessionError: for a k that the rest of the catalogue cannot serve.
        """
        left = len(self._catalogue.item_ids) - len(self._known) - len(self._answers)
        if not (is_number(k) and k in range(1, left + 1)):
            possible = f"choose 1 to {left}, the items that are left" if left else "no item is left"
            raise SessionError(f"k is {reprlib.repr(k)}: {possible}")
        items, scores = self._agent.best(self.observation, int(k), retrieval)
        pairs = zip(items.tolist(), scores.tolist(), strict=True)
        named = ((*self._agent.named(item), score) for item, score in pairs)
        return [Recommendation(item_id, score, title) for item_id, title, score in named]

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
        return self._agent.explain_score(self.observation, item_number(item_id, self._catalogue))

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
    def restored(cls, agent: Any, state: Mapping[str, Any]) -> "UserSession":
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
        self.observation = self.observation.after(items, ratings, rewards)
        self._answers[item] = rating


def _words(rating: float | None) -> str:
    return "refused" if rating is None else f"rated {rating:g}"


PAIRS = "give (item id, rating) pairs, oldest first"


def parse(history: Iterable[Any], catalogue: Catalogue) -> tuple[list[int], list[float]]:
    """Items, by their numbers, and ratings, oldest first.

    An item that is given twice counts once, as it was rated last. Raises ValueError, quoting the
    value, for anything but pairs, an unknown item, or a rating that is no number or off the scale.
    """
    try:
        entries = list(history)
    except TypeError:
        raise ValueError(f"the history is {reprlib.repr(history)}: {PAIRS}") from None
    latest: dict[int, float] = {}
    for entry in entries:
        try:
            item_id, rating = entry
        except (TypeError, ValueError):
            raise ValueError(f"the history holds {reprlib.repr(entry)}: {PAIRS}") from None
        item = item_number(item_id, catalogue)
        latest.pop(item, None)
        latest[item] = checked_rating(rating, item_id, catalogue.scale)
    return list(latest), list(latest.values())


def item_number(item_id: Any, catalogue: Catalogue) -> int:
    """Where an original id stands in the catalogue: 260, "260" and NumPy's 260 are the same item."""
    ids, wanted = catalogue.item_ids, _as_id(item_id, catalogue.item_ids.dtype.kind)
    if wanted is not None:
        found = int(np.searchsorted(ids, wanted))
        if found < len(ids) and ids[found] == wanted:
            return found
    raise ValueError(
        f"item {reprlib.repr(item_id)} is not among the {len(ids)} items of the catalogue; "
        f"the nearest is {_nearest(item_id, ids)!r}"
    )


def _as_id(item_id: Any, kind: str) -> int | str | None:
    """The id in the catalogue's own type; None where it cannot be one."""
    if kind == "U":
        return str(item_id) if isinstance(item_id, str) or is_number(item_id) else None
    try:
        number = float(item_id) if isinstance(item_id, str) or is_number(item_id) else np.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if abs(number) < 2**63 and number == int(number) else None


def _nearest(item_id: Any, ids: NDArray[Any]) -> int | str:
    """The known id that is most like an unknown one."""
    if ids.dtype.kind != "U" and is_number(item_id):
        number = min(max(item_id, ids[0].item()), ids[-1].item())  # any huge one fits an array now
        return ids[np.abs(ids - float(number)).argmin()].item()
    names = {str(each): each for each in ids.tolist()}
    return names[difflib.get_close_matches(str(item_id), names, n=1, cutoff=0)[0]]


def demographic_row(given: Mapping[str, Any], catalogue: Catalogue) -> NDArray[np.float32]:
    """{name: value} as the columns of the training data: float32 [D], zeros where nothing is given.

    Raises ValueError, quoting it, for an unknown name or value.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"the demographics are {reprlib.repr(given)}: give {{name: value}}")
    columns = catalogue.demographic_columns  # none where an earlier version saved the run
    names = list(dict.fromkeys(name for name, _ in columns))
    row = np.zeros(catalogue.demographics.shape[1], np.float32)
    for name, value in given.items():
        known = {str(code): place for place, (each, code) in enumerate(columns) if each == name}
        if not known:
            raise ValueError(f"demographics: {reprlib.repr(name)} is unknown; choose from {names}")
        if str(value) not in known:
            raise ValueError(
                f"demographics: {name} is {reprlib.repr(value)}; choose from {list(known)}"
            )
        row[known[str(value)]] = 1.0
    return row


def checked_rating(rating: Any, item_id: Any, scale: tuple[float, float]) -> float:
    """The rating as a number; ValueError if it is none, or off the scale."""
    low, high = scale
    if not is_number(rating) or not low <= rating <= high:
        kind = "in" if is_number(rating) else "a number in"
        value = reprlib.repr(rating)
        raise ValueError(f"rating {value} of item {item_id} is not {kind} {low:g} to {high:g}")
    return float(rating)


def is_number(value: Any) -> bool:
    """Python's and NumPy's numbers; True and False are none, though Python counts with them."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
