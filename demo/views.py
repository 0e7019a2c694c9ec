"""A data set as the page shows it: films, what is trending, and people to play."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from data.ratings import Ratings
from data.splits import split_users

DAY = 86_400
FOUND = 24  # most films or people that a search shows

# What the codes of MovieLens-1M mean.
CODES = json.loads(Path(__file__).with_name("codes.json").read_text("utf-8"))


class Film(BaseModel):
    """An item; its title is its id where the data set has none."""

    item_id: int | str
    title: str
    genres: list[str]


class Scored(Film):
    score: float


class Library:
    """Searches of one data set. People are its test users: the agent has not seen them."""

    def __init__(self, ratings: Ratings) -> None:
        self.ratings = ratings
        self.titles = ratings.titles or tuple(str(name) for name in ratings.item_ids)
        self.train_users, test_users = split_users(ratings.n_users)
        self.test_users = {str(ratings.user_ids[user]): user for user in test_users.tolist()}
        self.columns = [
            (name, code, str(CODES.get(name, {}).get(str(code), code)))
            for name, code in ratings.demographic_columns
        ]
        counts = np.bincount(ratings.items, minlength=ratings.n_items)
        self._by_fame = np.argsort(-counts, kind="stable").tolist()

    def about(self, item: int) -> dict[str, Any]:
        """The fields of a film, by its number."""
        ratings = self.ratings
        genres = [ratings.genre_names[place] for place in np.flatnonzero(ratings.genres[item])]
        item_id = ratings.item_ids[item].item()
        return {"item_id": item_id, "title": self.titles[item], "genres": genres}

    def films(self, query: str) -> list[Film]:
        """Those with every word of the query in their title, the most rated first."""
        words, titles = query.casefold().split(), self.titles
        found = [i for i in self._by_fame if all(word in titles[i].casefold() for word in words)]
        return [Film(**self.about(item)) for item in found[:FOUND]]

    def trends(self, days: int, genre: str | None) -> dict[str, Any]:
        """Of the last days before the data set's own end; ValueError for an unknown genre."""
        ratings, names = self.ratings, self.ratings.genre_names
        if genre not in (None, *names):
            raise ValueError(f"genre {genre!r} is unknown; choose from {', '.join(names)}")
        until = int(ratings.timestamps.max())
        recent = ratings.timestamps > until - days * DAY
        items, stars = ratings.items[recent], ratings.values[recent]
        counts = np.bincount(items, minlength=ratings.n_items)
        means = np.bincount(items, stars, ratings.n_items) / np.maximum(counts, 1)
        shown = counts if genre is None else counts * ratings.genres[:, names.index(genre)]
        best = [item for item in np.argsort(-shown, kind="stable")[:FOUND].tolist() if shown[item]]
        films = [self.about(i) | {"ratings": int(counts[i]), "mean": means[i]} for i in best]
        by_genre = sorted(zip(counts @ ratings.genres, names, strict=True), reverse=True)
        genres = {name: int(count) for count, name in by_genre}
        return {"since": until - days * DAY, "until": until, "items": films, "genres": genres}

    def person(self, user: int) -> dict[str, Any]:
        """A user, by number: id, codes and their meaning, how many items they rated."""
        ratings = self.ratings
        columns = [self.columns[place] for place in np.flatnonzero(ratings.demographics[user])]
        return {
            "user_id": ratings.user_ids[user].item(),
            "demographics": {name: code for name, code, _ in columns},
            "description": ", ".join(label for *_, label in columns),
            "ratings": int(ratings.lengths[user]),
        }

    def people(self, query: str) -> list[dict[str, Any]]:
        """Test users; each word of the query begins their id, or a word that describes them."""
        wanted, found = query.casefold().split(), []
        for name, user in self.test_users.items():
            person = self.person(user)
            words = [name, *person["description"].casefold().replace(",", "").split()]
            if all(any(word.startswith(each) for word in words) for each in wanted):
                found.append(person)
        return found[:FOUND]
