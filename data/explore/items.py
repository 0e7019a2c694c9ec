"""Tables about ratings and items: how high, how many, how concentrated. I items, N ratings."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ratings import Ratings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_LEVELS = 11  # more different rating values than this are drawn in bins
BINS = 20
SHRINK = 10  # ratings of average height that every item is given before it is called good
FEW = 20  # below so many ratings the mean of an item says little


class Levels(NamedTuple):
    """Ratings by height: level centres [L], the width of a level, share of all ratings [L]."""

    centres: Floats
    width: float
    shares: Floats


class PopularityGroups(NamedTuple):
    """Rated items in groups of equal size, from the least to the most often rated, [G] each."""

    counts: Floats  # median number of ratings
    low: Floats  # quartiles of the items' mean ratings
    middle: Floats
    high: Floats


def rating_levels(ratings: Ratings) -> Levels:
    """Each rating value that occurs, or BINS equal steps of the scale where there are many."""
    values = ratings.values.astype(np.float64)
    centres, counts = np.unique(values, return_counts=True)
    if len(centres) <= MOST_LEVELS:
        width = float(np.diff(centres).min()) if len(centres) > 1 else 1.0
        return Levels(centres, width, counts / len(values))
    counts, edges = np.histogram(values, BINS, ratings.scale)
    return Levels((edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0]), counts / len(values))


def counts_and_means(owners: NDArray[np.integer], values: Floats, size: int) -> tuple[Ints, Floats]:
    """How many values [N] each of `size` owners has, and their mean (NaN without any)."""
    counts = np.bincount(owners, minlength=size)
    sums = np.bincount(owners, weights=values, minlength=size)
    means = np.full(size, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return counts, means


def item_table(ratings: Ratings) -> tuple[Ints, Floats]:
    """Number of ratings and mean rating of every item, [I]."""
    return counts_and_means(ratings.items, ratings.values.astype(np.float64), ratings.n_items)


def user_table(ratings: Ratings) -> tuple[Ints, Floats]:
    """Number of ratings and mean rating of every user, [U]."""
    return counts_and_means(ratings.users, ratings.values.astype(np.float64), ratings.n_users)


def popularity_groups(counts: Ints, means: Floats, groups: int = 10) -> PopularityGroups:
    """Items that were rated at all, in `groups` of (nearly) equal size; ties by item number."""
    order = np.argsort(counts, kind="stable")
    parts = np.array_split(order[counts[order] > 0], groups)
    parts = [part for part in parts if len(part)]
    middle = np.array([np.median(counts[part]) for part in parts])
    quartiles = np.array([np.percentile(means[part], [25, 50, 75]) for part in parts])
    return PopularityGroups(middle, *quartiles.reshape(-1, 3).T)


def rank_correlation(first: Floats | Ints, second: Floats | Ints) -> float:
    """Spearman's: Pearson's correlation of the ranks, ties sharing their mean rank."""
    ranks = [pd.Series(values).rank() for values in (first, second)]
    return float(ranks[0].corr(ranks[1]))


def shrunk_means(counts: Ints, means: Floats) -> Floats:
    """Mean ratings [I] pulled towards the mean of all ratings by SHRINK ratings of that height."""
    sums = np.where(counts > 0, np.nan_to_num(means) * counts, 0.0)
    overall = sums.sum() / max(counts.sum(), 1)
    shrunk: Floats = (sums + SHRINK * overall) / (counts + SHRINK)
    return shrunk


def notable(counts: Ints, means: Floats, number: int = 3) -> dict[str, list[int]]:
    """Items worth naming: the most rated; well rated but little known; well known but low.

    "Little known" are the less rated half, "well known" the most rated tenth, of the items with
    FEW ratings or more.
    """
    judged = np.flatnonzero(counts >= FEW)
    if len(judged) < 10 * number:
        return {}
    shrunk = shrunk_means(counts, means)
    by_count = judged[np.argsort(-counts[judged], kind="stable")]
    known, unknown = by_count[: max(number, len(by_count) // 10)], by_count[len(by_count) // 2 :]
    return {
        "most rated": by_count[:number].tolist(),
        "little known": unknown[np.argsort(-shrunk[unknown], kind="stable")][:number].tolist(),
        "well known, rated low": known[np.argsort(shrunk[known], kind="stable")][:number].tolist(),
    }


def concentration(counts: Ints) -> Floats:
    """Share of all ratings that the j + 1 most rated of the items have, [I]."""
    shares: Floats = np.cumsum(np.sort(counts)[::-1]) / max(counts.sum(), 1)
    return shares


def items_for(share: float, counts: Ints) -> int:
    """The least number of items that together have `share` of all ratings."""
    return int(np.searchsorted(concentration(counts), share - 1e-12)) + 1


def gini(counts: Ints) -> float:
    """Gini coefficient: 0 where all items are rated equally often, near 1 where one has it all."""
    ranks = np.arange(1, len(counts) + 1)
    total = max(counts.sum(), 1) * len(counts)
    return float(np.sum((2 * ranks - len(counts) - 1) * np.sort(counts)) / total)


def genre_table(ratings: Ratings) -> tuple[Floats, Floats]:
    """Each genre's share of all ratings and mean rating, [G]; an item counts for all its genres."""
    counts, means = item_table(ratings)
    weights = ratings.genres.T.astype(np.float64)  # [G, I]
    per_genre = weights @ counts
    sums = weights @ np.nan_to_num(means * counts)
    average = np.full(len(per_genre), np.nan)
    np.divide(sums, per_genre, out=average, where=per_genre > 0)
    return per_genre / max(ratings.n_ratings, 1), average
