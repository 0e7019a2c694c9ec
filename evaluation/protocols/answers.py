"""What evaluated users say about an item: what they rated, or what a model expects of them."""

from typing import Protocol

import numpy as np

from data.observation import FloatArray, IntArray
from data.ratings import Ratings


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
