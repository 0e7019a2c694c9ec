"""Everybody's sessions: the recent ones in memory, all of them in the store."""

import sqlite3
import threading
from functools import lru_cache
from typing import Any

import numpy as np

from baselines import registry
from config import DRRError
from data.observation import Observation
from demo.store import Answer, ItemId, Store
from demo.views import Library, Scored
from recommender.agent import DRRAgent
from recommender.user_session import UserSession, item_number

LIVE = 256  # sessions in memory
BASELINES = ("popularity", "user-knn")


class UnknownSessionError(DRRError):
    """No session of this data set has the id."""


class Sessions:
    """Sessions by their ids. Answers are in the store before a method returns.

    Unknown ids raise UnknownSessionError; bad values raise what `UserSession` says.
    """

    def __init__(self, agent: DRRAgent, library: Library, store: Store) -> None:
        self.library, self._agent, self._store = library, agent, store
        self._live, self._lock = lru_cache(LIVE)(self._played_again), threading.RLock()
        visible = library.ratings.of_users(library.train_users)
        self._baselines = {name: registry.build(name, "session", visible) for name in BASELINES}

    def begin(self, demographics: dict[str, Any], user_id: ItemId | None) -> str:
        """The id of a new session: of somebody unknown, or of a test user of the data set."""
        if user_id is not None:
            if str(user_id) not in self.library.test_users:
                raise ValueError(f"user {user_id!r} is no test user; search with /users?query=")
            user = self.library.person(self.library.test_users[str(user_id)])
            demographics, user_id = user["demographics"], user["user_id"]
        person = {"demographics": demographics, "user_id": user_id}
        self._agent.session((), demographics)  # or an error, before anything is kept
        return self._store.begin(self.library.ratings.name, person)

    def find(self, name: str) -> UserSession:
        """The session of an id, played again from the store if it is not in memory."""
        with self._lock:
            return self._live(name)

    def answer(self, name: str, item_id: ItemId, rating: float | None) -> None:
        """Take an answer and keep it; one that is known already changes nothing."""
        with self._lock:
            session, ratings = self.find(name), self.library.ratings
            before = session.observation
            session.refuse(item_id) if rating is None else session.feedback(item_id, rating)
            if session.observation is before:
                return
            known = ratings.item_ids[item_number(item_id, ratings)]
            try:
                self._store.add(name, known.item(), rating)
            except sqlite3.Error:
                self._live.cache_clear()  # memory is ahead of the file
                raise

    def profile(self, name: str) -> dict[str, Any]:
        """Whose session it is, and everything they answered, newest first."""
        person, library = self._person(name), self.library
        past = [*self._rated_by(person["user_id"]), *self._store.answers(name)][::-1]
        items = [item_number(each.item_id, library.ratings) for each in past]
        pairs = zip(past, items, strict=True)
        history = [each._asdict() | {"title": library.titles[item]} for each, item in pairs]
        return person | {"history": history}

    def recommend(self, name: str, k: int) -> list[Scored]:
        """The k best items, or all that are left."""
        session, library = self.find(name), self.library
        k = min(k, self._left(session.observation))
        return [
            Scored(**library.about(item_number(each.item_id, library.ratings)), score=each.score)
            for each in (session.recommend(k) if k else [])
        ]

    def compare(self, name: str, k: int) -> dict[str, list[Scored]]:
        """The k best items of each baseline for the same person."""
        seen, found = self.find(name).observation, {}
        for each, policy in self._baselines.items():
            scores = policy.scores(seen, None)[0]
            scores[seen.known_items[0]] = scores[seen.shown_items[0]] = -np.inf
            best = np.argsort(-scores, kind="stable")[: min(k, self._left(seen))].tolist()
            found[each] = [Scored(**self.library.about(i), score=scores[i]) for i in best]
        return found

    def forget(self, name: str) -> None:
        """Remove a session and its answers."""
        with self._lock:
            self._person(name)
            self._store.forget(name)
            self._live.cache_clear()

    def _left(self, seen: Observation) -> int:
        """Items that were neither known nor answered."""
        return len(self.library.titles) - int(seen.known_items.size + seen.shown_items.size)

    def _person(self, name: str) -> dict[str, Any]:
        person: dict[str, Any] | None = self._store.find(name, self.library.ratings.name)
        if person is None:
            raise UnknownSessionError("no such session here; begin one with POST /sessions")
        return person

    def _played_again(self, name: str) -> UserSession:
        person = self._person(name)
        known = [(each.item_id, each.rating or 0.0) for each in self._rated_by(person["user_id"])]
        session = self._agent.session(known, person["demographics"])
        for item_id, rating, _ in self._store.answers(name):
            session.refuse(item_id) if rating is None else session.feedback(item_id, rating)
        return session

    def _rated_by(self, user_id: ItemId | None) -> list[Answer]:
        """What a test user rated in the data set, oldest first."""
        if user_id is None:
            return []
        ratings = self.library.ratings
        row = ratings.row(self.library.test_users[str(user_id)])
        columns = ratings.item_ids[ratings.items[row]], ratings.values[row], ratings.timestamps[row]
        return [Answer(*each) for each in zip(*(c.tolist() for c in columns), strict=True)]
