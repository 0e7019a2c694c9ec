"""Tables about people: who they are, what they rate, and where young and old disagree."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.explore.items import Floats, Ints, counts_and_means, user_table
from data.ratings import Ratings

OCCUPATIONS = (  # of the codes 0 to 20, from MovieLens-1M's README
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist"),
    *("self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer"),
)
GENDERS = {"F": "women", "M": "men"}
YOUNG, OLD = 25, 50  # young: below; old: from this age on
ENOUGH = 50  # ratings that each generation must have given an item, an age group a genre
_YEAR = re.compile(r"\((\d{4})\)\s*$")


class Groups(NamedTuple):
    """Users by one demographic feature: names [D]; each user's group [U], -1 where unknown."""

    names: tuple[str, ...]
    of_user: Ints


class GroupTable(NamedTuple):
    """Of each group [D]: users with ratings, their mean rating averaged over users, its 95%
    half-width (NaN for fewer than two users)."""

    users: Ints
    mean: Floats
    margin: Floats


class Gap(NamedTuple):
    """One item: mean rating of the young less that of the old, 95% half-width, both means."""

    item: int
    difference: float
    margin: float
    young: float
    old: float


def groups(ratings: Ratings, feature: str) -> Groups | None:
    """Users by "gender", "age" or "occupation"; None where the data set does not know it."""
    prefix = f"{feature}="
    columns = [i for i, name in enumerate(ratings.demographic_names) if name.startswith(prefix)]
    if not columns:
        return None
    block = ratings.demographics[:, columns]
    of_user = np.where(block.any(axis=1), block.argmax(axis=1), -1)
    codes = [ratings.demographic_names[i].removeprefix(prefix) for i in columns]
    return Groups(_labels(feature, codes), of_user)


def ages(ratings: Ratings) -> Ints | None:
    """The lower end of every user's age group [U], -1 where unknown; None without ages."""
    found = groups(ratings, "age")
    if found is None:
        return None
    prefix = "age="
    starts = [name for name in ratings.demographic_names if name.startswith(prefix)]
    lower = np.array([int(name.removeprefix(prefix)) for name in starts] + [-1])
    return lower[found.of_user]


def group_table(ratings: Ratings, found: Groups) -> GroupTable:
    """Size and mean rating of every group; every user counts the same, however much they rated."""
    counts, means = user_table(ratings)
    known = (counts > 0) & (found.of_user >= 0)
    size = len(found.names)
    users, mean = counts_and_means(found.of_user[known], means[known], size)
    _, square = counts_and_means(found.of_user[known], means[known] ** 2, size)
    margin = np.full(size, np.nan)
    spread = np.maximum(square - mean**2, 0.0) / np.maximum(users - 1, 1)
    np.multiply(1.96, np.sqrt(spread), out=margin, where=users > 1)
    return GroupTable(users, mean, margin)


def genre_shares(ratings: Ratings, found: Groups) -> tuple[Floats, Floats]:
    """Of each group: the share of its ratings that each genre has, and their mean, [D, G].

    Both are NaN where a group has fewer than ENOUGH ratings of a genre.
    """
    size, n_genres = len(found.names), len(ratings.genre_names)
    owner = found.of_user[ratings.users]
    known = owner >= 0
    flags = ratings.genres[ratings.items[known]]  # [N, G]
    rows, columns = np.nonzero(flags)
    cells = owner[known][rows] * n_genres + columns
    values = ratings.values[known].astype(np.float64)[rows]
    counts, means = counts_and_means(cells, values, size * n_genres)
    totals = np.bincount(owner[known], minlength=size)
    few = (counts < ENOUGH).reshape(size, n_genres)
    shares = counts.reshape(size, n_genres) / np.maximum(totals, 1)[:, None]
    return np.where(few, np.nan, shares), np.where(few, np.nan, means.reshape(size, n_genres))


def release_years(titles: tuple[str, ...]) -> Ints:
    """The year at the end of each title, "(1995)"; -1 where there is none."""
    matches = (_YEAR.search(title) for title in titles)
    return np.array([int(match[1]) if match else -1 for match in matches], np.int64)


def generations(user_ages: Ints) -> Groups:
    """Users as young, middle or old."""
    of_user = np.searchsorted([YOUNG, OLD], user_ages, side="right")
    names = (f"under {YOUNG}", f"{YOUNG} to {OLD - 1}", f"{OLD} and over")
    return Groups(names, np.where(user_ages >= 0, of_user, -1))


def means_by_decade(
    ratings: Ratings, found: Groups, years: Ints, at_least: int
) -> tuple[Ints, Floats]:
    """Decades [Y] of release and each group's mean rating of them [D, Y]; NaN below `at_least`."""
    decade = years[ratings.items] // 10 * 10
    owner = found.of_user[ratings.users]
    known = (decade > 0) & (owner >= 0)
    decades, column = np.unique(decade[known], return_inverse=True)
    size = len(found.names) * len(decades)
    cells = owner[known] * len(decades) + column
    counts, means = counts_and_means(cells, ratings.values[known].astype(np.float64), size)
    table = np.where(counts >= at_least, means, np.nan).reshape(-1, len(decades))
    kept = ~np.isnan(table).all(axis=0)
    return decades[kept], table[:, kept]


def generation_gaps(ratings: Ratings, found: Groups, number: int) -> list[Gap]:
    """The `number` items on which young and old differ most surely, by difference.

    Most surely: the end of the 95% interval that is nearer to zero is farthest from it. Items with
    fewer than ENOUGH ratings of either generation are left out.
    """
    sides = [_moments(ratings, found.of_user[ratings.users] == side) for side in (0, 2)]
    (n_young, young, var_young), (n_old, old, var_old) = sides
    enough = np.flatnonzero((n_young >= ENOUGH) & (n_old >= ENOUGH))
    difference = (young - old)[enough]
    margin = 1.96 * np.sqrt(var_young[enough] / n_young[enough] + var_old[enough] / n_old[enough])
    surely = np.abs(difference) - margin
    best = np.argsort(-surely, kind="stable")[:number]
    best = best[surely[best] > 0]
    best = best[np.argsort(-difference[best], kind="stable")]
    columns = (enough, difference, margin, young[enough], old[enough])
    return [Gap(int(enough[row]), *(float(c[row]) for c in columns[1:])) for row in best]


def _moments(ratings: Ratings, mine: NDArray[np.bool_]) -> tuple[Ints, Floats, Floats]:
    """Number, mean and variance of every item's ratings where mine [N] is true, [I] each."""
    items, values = ratings.items[mine], ratings.values[mine].astype(np.float64)
    counts, means = counts_and_means(items, values, ratings.n_items)
    _, squares = counts_and_means(items, values**2, ratings.n_items)
    return counts, means, (squares - means**2) * counts / np.maximum(counts - 1, 1)


def _labels(feature: str, codes: list[str]) -> tuple[str, ...]:
    if feature == "age":
        return _age_labels([int(code) for code in codes])
    if feature == "occupation" and set(codes) <= {str(code) for code in range(len(OCCUPATIONS))}:
        return tuple(OCCUPATIONS[int(code)] for code in codes)
    return tuple(GENDERS.get(code, code) for code in codes)


def _age_labels(starts: list[int]) -> tuple[str, ...]:
    """Lower ends of age groups, ascending, as "under 18", "18 to 24", ..., "56 and over"."""
    ends = [f" to {following - 1}" for following in starts[1:]] + [" and over"]
    labels = [f"{start}{end}" for start, end in zip(starts, ends, strict=True)]
    if len(starts) > 1:
        labels[0] = f"under {starts[1]}"
    return tuple(labels)
