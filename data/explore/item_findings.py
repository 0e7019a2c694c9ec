"""What the tables about ratings and items say. Numbers and comparisons are computed, none is fixed."""

import numpy as np

from data.explore import draw, items, times
from data.explore.section import Missing, Section, name_of, shorten
from data.ratings import Ratings


def size(ratings: Ratings) -> Section:
    """How much there is of everything."""
    counts, _ = items.item_table(ratings)
    active, rated = int(np.count_nonzero(ratings.lengths)), int(np.count_nonzero(counts))
    density = ratings.n_ratings / max(active * rated, 1)
    have = {
        "titles": bool(ratings.titles),
        "genres": bool(ratings.genre_names),
        "demographics": bool(ratings.demographic_names),
        "dates": times.has_dates(ratings),
    }
    text = [
        f"{active:,} users gave {ratings.n_ratings:,} ratings to {rated:,} items; "
        f"{ratings.n_users - active:,} more users and {ratings.n_items - rated:,} more items are "
        "listed without a rating.",
        f"{density:.2%} of all pairs of such a user and such an item are rated.",
    ]
    if have["dates"]:
        first, last = _date(ratings.timestamps.min()), _date(ratings.timestamps.max())
        text.append(f"The ratings are dated {first} to {last}.")
    if ratings.name == "synthetic":
        text.append("It is made up by a program: nothing below says anything about people.")
    if lacking := [name for name, there in have.items() if not there]:
        text.append(f"The data set has no {' and no '.join(lacking)}.")
    return Section(f"{ratings.n_ratings:,} ratings, {density:.1%} of the matrix", (*text,))


def heights(ratings: Ratings) -> Section:
    """The rating distribution."""
    levels = items.rating_levels(ratings)
    (_, users), (_, means) = items.user_table(ratings), items.item_table(ratings)
    users, means = users[~np.isnan(users)], means[~np.isnan(means)]
    positive, mean = ratings.positive.mean(), ratings.values.mean(dtype=np.float64)
    low, high = np.percentile(users, [25, 75])
    text = (
        f"The mean rating is {mean:.2f} on a scale from {ratings.scale[0]:g} to "
        f"{ratings.scale[1]:g}; the most frequent is {levels.centres[levels.shares.argmax()]:g} "
        f"({levels.shares.max():.0%}).",
        f"{positive:.1%} of the ratings are positive ({ratings.positive_threshold:g} or more).",
        f"The middle half of the users averages between {low:.2f} and {high:.2f}.",
        f"Standard deviation of the users' means: {users.std():.2f}, of the items' means: "
        f"{means.std():.2f}.",
    )
    title = f"{positive:.0%} of the ratings are positive; the mean is {mean:.2f}"
    figure = draw.ratings(levels, users, means, ratings.positive_threshold, title)
    return Section(title, text, figure)


def popularity(ratings: Ratings) -> Section:
    """Are items that many people rate also rated higher?"""
    counts, means = items.item_table(ratings)
    judged = counts >= items.FEW
    if np.count_nonzero(judged) < 10:
        raise Missing(f"ten items with {items.FEW} ratings or more")
    groups = items.popularity_groups(counts, means)
    correlation = items.rank_correlation(counts[judged], means[judged])
    verdict = _direction(correlation, "higher", "lower")
    text = [
        f"Items that are rated more often are rated {verdict}: the rank correlation between number "
        f"and mean of the ratings is {correlation:+.2f} ({np.count_nonzero(judged):,} items with "
        f"{items.FEW} ratings or more).",
        f"The median item of the most rated tenth averages {groups.middle[-1]:.2f}, that of the "
        f"least rated tenth {groups.middle[0]:.2f}.",
    ]
    notable = items.notable(counts, means)
    for kind, found in notable.items():
        named = [f"{name_of(ratings, i)} ({counts[i]:,}, {means[i]:.2f})" for i in found]
        text.append(f"{kind.capitalize()} (ratings, mean): {'; '.join(named)}.")
    labels = []
    for found, most in zip(notable.values(), (1, 2, 2), strict=False):
        # Writing above the better rated and below the other keeps the two apart.
        pair = sorted(found[:most], key=lambda item: -means[item])
        labels += [(i, shorten(name_of(ratings, i), 40), i == pair[0]) for i in pair]
    title = (
        f"Items that are rated more often are rated {verdict} (rank correlation {correlation:+.2f})"
    )
    figure = draw.popularity(counts, means, groups, labels, title)
    return Section(title, tuple(text), figure)


def long_tail(ratings: Ratings) -> Section:
    """How few items get most of the ratings."""
    counts, _ = items.item_table(ratings)
    shares, half = items.concentration(counts), items.items_for(0.5, counts)
    tenth = shares[max(1, len(shares) // 10) - 1]
    lengths = ratings.lengths[ratings.lengths > 0]
    rare = np.mean(counts < items.FEW)
    text = (
        f"{half:,} of {len(counts):,} items ({half / len(counts):.1%}) have half of all ratings, "
        f"the most rated tenth has {tenth:.0%}; Gini coefficient {items.gini(counts):.2f} (0: all "
        "equally often).",
        f"{rare:.0%} of the items have fewer than {items.FEW} ratings, "
        f"{np.mean(counts == 0):.1%} have none.",
        f"Users give between {lengths.min():,} and {lengths.max():,} ratings, half of them "
        f"{np.median(lengths):,.0f} or fewer; the most active tenth gives "
        f"{items.concentration(lengths)[max(1, len(lengths) // 10) - 1]:.0%} of all.",
    )
    title = f"Half of all ratings go to {half / len(counts):.1%} of the items"
    return Section(title, text, draw.long_tail(shares, half, lengths, title))


def _date(timestamp: int) -> str:
    return str(np.datetime64(int(timestamp), "s").astype("datetime64[D]"))


def _direction(correlation: float, up: str, down: str) -> str:
    """What a rank correlation says in words; below 0.1 nothing."""
    if abs(correlation) < 0.1:
        return f"neither {up} nor {down}"
    return up if correlation > 0 else down
