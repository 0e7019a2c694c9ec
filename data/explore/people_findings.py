"""What the tables about people and genres say. Numbers and comparisons are computed, none is fixed."""

from collections.abc import Iterator, Sequence

import numpy as np

from data.explore import draw_people as draw
from data.explore import items, people
from data.explore.items import Floats, Ints
from data.explore.section import Missing, Section, name_of, shorten
from data.ratings import Ratings

LEAST_SHARE = 0.005  # genres with less of the ratings are left out
STRONGEST = 12  # items on which generations differ that are drawn


def who(ratings: Ratings) -> Section:
    """Age, occupation and gender."""
    blocks = {}
    for feature in ("gender", "age", "occupation"):
        found = people.groups(ratings, feature)
        names, table = _by_size(ratings, found, feature != "age") if found else ((), None)
        if table is not None and names:
            blocks[feature] = (names, table)
    if not blocks:
        raise Missing("gender, age or occupation of the users")
    largest, text = [], []
    for feature, (names, table) in blocks.items():
        share = table.users / table.users.sum()
        first = int(share.argmax())
        largest.append(f"{'age ' * (feature == 'age')}{names[first]} ({share[first]:.0%})")
        means = _range_of_means(names, table)
        text.append(
            f"By {feature}, the largest group is {names[first]} ({share[first]:.0%}){means}."
        )
    text.append(
        f"Means are averages over users; groups below {items.FEW} users are not named for their mean."
    )
    title = f"The largest groups: {', '.join(largest)}"
    return Section(title, tuple(text), draw.people(blocks, title))


def genres(ratings: Ratings) -> Section:
    """What kinds of items are rated, and how high."""
    order, shares, means = _common_genres(ratings)
    names = [ratings.genre_names[genre] for genre in order]
    mean = float(ratings.values.mean(dtype=np.float64))
    best, worst = int(means.argmax()), int(means.argmin())
    text = (
        f"{names[0]} has {shares[0]:.0%} of the ratings, {names[-1]} {shares[-1]:.1%}. An item "
        "counts for each of its genres.",
        f"Rated highest: {names[best]} ({means[best]:.2f}); lowest: {names[worst]} "
        f"({means[worst]:.2f}).",
        *_left_out_genres(ratings, order),
    )
    title = f"{names[0]} is rated most often, {names[best]} highest, {names[worst]} lowest"
    figure = draw.genres(names, shares, means, mean, title)
    return Section(title, text, figure)


def genres_by_age(ratings: Ratings) -> Section:
    """What each age group rates more than others, and what it rates higher."""
    order, overall, genre_means = _common_genres(ratings)
    found = people.groups(ratings, "age")
    if found is None:
        raise Missing("the users' ages")
    shares, means = people.genre_shares(ratings, found)
    kept = np.flatnonzero(~np.isnan(shares[:, order]).all(axis=1))
    if not len(kept):
        raise Missing(f"{people.ENOUGH} ratings of a genre from any age group")
    ages = [found.names[group] for group in kept]
    lift = (shares[np.ix_(kept, order)] / overall - 1).T  # [G, D]
    everybody = float(ratings.values.mean(dtype=np.float64))
    own = _group_means(ratings, found)[kept]
    taste = (means[np.ix_(kept, order)] - own[:, None] - (genre_means - everybody)).T
    names = [ratings.genre_names[genre] for genre in order]
    text = []
    for column in dict.fromkeys((0, len(ages) - 1)):
        most, least = int(np.nanargmax(lift[:, column])), int(np.nanargmin(lift[:, column]))
        text.append(
            f"Users aged {ages[column]} rate {names[most]} {1 + lift[most, column]:.1f} times and "
            f"{names[least]} {1 + lift[least, column]:.1f} times as often as all users do."
        )
    row, column = divmod(int(np.nanargmax(np.abs(taste))), len(ages))
    text.append(
        f"The widest gap in height: {names[row]} gets {taste[row, column]:+.2f} from users "
        f"aged {ages[column]}, beyond what their own mean and the genre's explain. Cells with fewer "
        f"than {people.ENOUGH} ratings are empty."
    )
    row, column = divmod(int(np.nanargmax(lift)), len(ages))
    title = (
        f"What the ages rate most differently: {names[row]}, {1 + lift[row, column]:.1f} times as "
        f"often among users aged {ages[column]}"
    )
    figure = draw.genres_by_age(names, ages, lift, taste, title)
    return Section(title, tuple(text), figure)


def generations(ratings: Ratings) -> Section:
    """Where young and old disagree."""
    ages = people.ages(ratings)
    if ages is None:
        raise Missing("the users' ages")
    years = people.release_years(ratings.titles) if ratings.titles else np.zeros(0, np.int64)
    if not (years > 0).any():
        raise Missing("years of release in the titles")
    found = people.generations(ages)
    decades, means = people.means_by_decade(ratings, found, years, 10 * items.FEW)
    gaps = people.generation_gaps(ratings, found, STRONGEST)
    young, old = found.names[0], found.names[-1]
    apart = means[0] - means[2]
    if not gaps and np.isnan(apart).all():
        raise Missing(f"enough ratings by users {young} and users {old}")
    text = []
    if not np.isnan(apart).all():
        most = int(np.nanargmax(np.abs(apart)))
        text.append(
            f"Users {old} rate items of the {decades[most]}s {abs(apart[most]):.2f} "
            f"{'lower' if apart[most] > 0 else 'higher'} than users {young}, the widest gap of all "
            "decades."
        )
    text += _gap_sentences(ratings, gaps, young, old)
    text.append(
        f"Shown are the {len(gaps)} items whose difference is surest, of those with "
        f"{people.ENOUGH} ratings or more from both; of many items compared, some differ by chance."
    )
    title = _gap_title(decades, apart, young, old)
    names = [shorten(name_of(ratings, gap.item), 40) for gap in gaps]
    figure = draw.generations(decades, means, found.names, gaps, names, title)
    return Section(title, tuple(text), figure)


def _by_size(
    ratings: Ratings, found: people.Groups, largest_first: bool
) -> tuple[tuple[str, ...], people.GroupTable]:
    """The groups that have users with ratings, the largest first, or in their own order."""
    table = people.group_table(ratings, found)
    order = np.flatnonzero(table.users)
    if largest_first:
        order = order[np.argsort(-table.users[order], kind="stable")]
    names = tuple(found.names[group] for group in order)
    return names, people.GroupTable(table.users[order], table.mean[order], table.margin[order])


def _range_of_means(names: Sequence[str], table: people.GroupTable) -> str:
    """Lowest and highest mean of the groups large enough to judge; nothing if they are alike."""
    judged = [row for row in np.argsort(table.mean) if table.users[row] >= items.FEW]
    if not judged or table.mean[judged[-1]] - table.mean[judged[0]] < 0.005:
        return ""
    low, high = judged[0], judged[-1]
    return (
        f"; mean ratings run from {table.mean[low]:.2f} ({names[low]}) to "
        f"{table.mean[high]:.2f} ({names[high]})"
    )


def _common_genres(ratings: Ratings) -> tuple[Ints, Floats, Floats]:
    """Genres with LEAST_SHARE of the ratings, the most rated first: numbers, shares, means."""
    if not ratings.genre_names:
        raise Missing("genres")
    shares, means = items.genre_table(ratings)
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] >= LEAST_SHARE]
    if not len(order):
        raise Missing(f"genres with {LEAST_SHARE:.1%} of the ratings")
    return order, shares[order], means[order]


def _left_out_genres(ratings: Ratings, order: Ints) -> Sequence[str]:
    names = [name for place, name in enumerate(ratings.genre_names) if place not in order]
    return [f"Left out below {LEAST_SHARE:.1%}: {', '.join(names)}."] if names else []


def _group_means(ratings: Ratings, found: people.Groups) -> Floats:
    """Mean of all ratings of each group, [D]."""
    owner = found.of_user[ratings.users]
    known = owner >= 0
    values = ratings.values[known].astype(np.float64)
    return items.counts_and_means(owner[known], values, len(found.names))[1]


def _gap_sentences(
    ratings: Ratings, gaps: Sequence[people.Gap], young: str, old: str
) -> Iterator[str]:
    """The three widest gaps in favour of either side; gaps: by difference, highest first."""
    for side, sign, ordered in ((young, 1, gaps), (old, -1, gaps[::-1])):
        named = [
            f"{name_of(ratings, gap.item)} ({gap.young:.2f} against {gap.old:.2f})"
            for gap in ordered
            if sign * gap.difference > 0
        ]
        if named:
            yield f"Higher among users {side} (young against old): {'; '.join(named[:3])}."


def _gap_title(decades: Ints, apart: Floats, young: str, old: str) -> str:
    """Which generation likes old items more, or what is compared where that cannot be said."""
    known = ~np.isnan(apart)
    if np.count_nonzero(known) < 3:
        return f"What users {young} and users {old} disagree on"
    trend = items.rank_correlation(decades[known].astype(np.float64), apart[known])
    if abs(trend) < 0.5:
        return f"Users {young} and users {old} agree about as much on old items as on new ones"
    fonder, others = (old, young) if trend > 0 else (young, old)
    return f"The older an item, the higher users {fonder} rate it against users {others}"
