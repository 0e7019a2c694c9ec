"""What is said of people and genres. Numbers and comparisons are computed, none is fixed."""

import re
from typing import Any

import numpy as np
import pandas as pd

from data.explore.html_page import Missing, Section
from data.explore.rating_sections import BLUE, ORANGE, PERCENT, Rows, bars, panels

OCCUPATIONS = (  # of the codes 0 to 20, from MovieLens-1M's README
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist"),
    *("self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer"),
)
YOUNG, OLD = 25, 50  # young: below; old: from this age on
ENOUGH = 50  # ratings that each generation must have given an item, a group a genre
LEAST_SHARE = 0.005  # genres with less of the ratings are left out
SHOWN = 8  # genres in the course of the years
_YEAR = re.compile(r"\((\d{4})\)\s*$")


def demographic(rows: Rows, feature: str) -> "pd.Series[Any]":
    """Every user's gender, age or occupation [U], nothing where unknown; Missing without any."""
    found = rows.ratings.demographic_columns
    places = [place for place, (name, _) in enumerate(found) if name == feature]
    if not places:
        raise Missing(f"users' {feature}")
    flags = rows.ratings.demographics[:, places]
    values = np.array([found[place][1] for place in places], object)
    return pd.Series(values[flags.argmax(axis=1)]).where(pd.Series(flags.any(axis=1)))


def groups(rows: Rows) -> Section:
    """Age, occupation and gender."""
    tables, text = {}, []
    for feature in ("gender", "age", "occupation"):
        try:
            group = demographic(rows, feature).reindex(rows.users.index)
        except Missing:
            continue
        if feature == "occupation":
            group = group.map(lambda code: OCCUPATIONS[code] if isinstance(code, int) else code)
        table = rows.users.groupby(group)["mean"].agg(["size", "mean", "sem"])
        tables[feature] = table
        largest, share = table["size"].idxmax(), table["size"].max() / table["size"].sum()
        text.append(f"The largest {feature} is {largest} ({share:.0%}).")
    if not tables:
        raise Missing("gender, age or occupation of the users")
    title, sizes = " ".join(text), [len(table) for table in tables.values()]
    grid = {"nrows": len(tables), "ncols": 2, "height_ratios": sizes}
    figure, axes = panels(title, 2 + 0.29 * sum(sizes), **grid)
    for (feature, table), left, right in zip(tables.items(), axes[::2], axes[1::2], strict=True):
        bars(left, table["size"], ",.0f", ylabel=feature, xlabel="users")
        names, error = list(map(str, table.index)), 1.96 * table["sem"]
        right.errorbar(table["mean"], names, xerr=error, fmt="o", color=ORANGE)
        right.invert_yaxis()
        right.set_xlabel("mean rating, averaged over users; 95% intervals")
    return Section(title, (), figure)


def by_genre(rows: Rows) -> pd.DataFrame:
    """One row per rating and genre of its item, common genres only; Missing without genres."""
    names = rows.ratings.genre_names
    items, genres = np.nonzero(rows.ratings.genres)
    flags = pd.DataFrame({"item": items, "genre": [names[genre] for genre in genres]})
    table = rows.all.merge(flags, on="item")
    counts = table["genre"].value_counts()
    common = counts.index[counts >= LEAST_SHARE * len(rows.all)]
    if not len(common):
        raise Missing("genres")
    table["genre"] = table["genre"].astype(pd.CategoricalDtype(common))  # most rated first
    return table.dropna(subset=["genre"])


def genres(rows: Rows) -> Section:
    """What kinds of items are rated, and how high."""
    table = by_genre(rows).groupby("genre", observed=True)["rating"].agg(["size", "mean"])
    shares, best, worst = (
        table["size"] / len(rows.all),
        table["mean"].idxmax(),
        table["mean"].idxmin(),
    )
    text = (
        f"{table.index[0]} has {shares.iloc[0]:.0%} of the ratings. An item counts for all its genres.",
    )
    title = f"{table.index[0]} is rated most often, {best} highest, {worst} lowest"
    figure, (left, right) = panels(title, 1.5 + 0.29 * len(table), ncols=2, sharey=True)
    bars(left, shares, ".0%", xlabel="share of all ratings")
    right.plot(table["mean"], list(map(str, table.index)), "o", color=ORANGE)
    right.axvline(rows.all["rating"].mean(), color=BLUE, lw=1, ls=":")
    right.set_xlabel("mean rating (dotted: of all ratings)")
    return Section(title, text, figure)


def genres_by_year(rows: Rows) -> Section:
    """What share of the ratings each genre has, year by year."""
    rows.need_dates()
    table, year = by_genre(rows), rows.all["when"].dt.year
    counts = pd.crosstab(table["when"].dt.year, table["genre"])
    shares = counts.div(year.value_counts(), axis=0)[year.value_counts().sort_index() >= ENOUGH]
    if len(shares) < 2:
        raise Missing("ratings of two years")
    change = (shares.iloc[-1] - shares.iloc[0]).sort_values()
    text = (f"Years with fewer than {ENOUGH} ratings are left out.",)
    gain, loss = (f"{change.index[end]} {change.iloc[end]:+.1%}" for end in (-1, 0))
    title = f"Share of the ratings from {shares.index[0]} to {shares.index[-1]}: {gain}, {loss}"
    figure, (axes,) = panels(title, 4.6)
    for number, genre in enumerate(shares.columns[:SHOWN]):
        axes.plot(shares.index, shares[genre], "os^Dv<>P"[number] + "-", label=genre)
    axes.set(xlabel="year of the rating", ylabel="share of the year's ratings")
    axes.set_xticks(shares.index[:: 1 + len(shares) // 12])
    axes.yaxis.set_major_formatter(PERCENT)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Section(title, text, figure)


def genres_by_age(rows: Rows) -> Section:
    """How much more often each age group rates a genre than all users do."""
    table, age = by_genre(rows), demographic(rows, "age")
    counts = pd.crosstab(table["genre"], table["user"].map(age))  # [G, D]
    if not (counts >= ENOUGH).any(axis=None):
        raise Missing(f"{ENOUGH} ratings of a genre from any age group")
    totals = rows.all["user"].map(age).value_counts()
    overall = table["genre"].value_counts() / len(rows.all)
    lift = (counts / totals).div(overall, axis=0).where(counts >= ENOUGH)
    lift = lift.reindex(counts.index).dropna(axis=1, how="all")
    row, column = divmod(int(np.nanargmax(lift)), lift.shape[1])
    text = (f"Cells with fewer than {ENOUGH} ratings are empty.",)
    names, ages = list(map(str, lift.index)), list(map(str, lift.columns))
    most = f"{float(np.nanmax(lift)):.1f} times as often as all users do"
    title = f"Users of the age group from {ages[column]} rate {names[row]} {most}"
    figure, (axes,) = panels(title, 2.2 + 0.3 * len(lift))
    axes.imshow(lift - 1, aspect="auto", cmap="PuOr_r", vmin=-1, vmax=1)
    for place, value in enumerate(lift.to_numpy().ravel()):
        if np.isfinite(value):
            y, x = divmod(place, lift.shape[1])
            axes.text(x, y, f"{value - 1:+.0%}", ha="center", va="center", size=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(ages)), [f"{age}+" for age in ages])
    axes.grid(visible=False)
    return Section(title, text, figure)


def generations(rows: Rows) -> Section:
    """Where young and old disagree, by decade of release and by item."""
    ages, titles = demographic(rows, "age").astype(float), rows.items["title"]
    decade = titles.str.extract(_YEAR)[0].astype(float) // 10 * 10
    if decade.isna().all():
        raise Missing("years of release in the titles")
    names = [f"under {YOUNG}", f"{YOUNG} to {OLD - 1}", f"{OLD} and over"]
    cut = pd.cut(rows.all["user"].map(ages), [0, YOUNG, OLD, np.inf], right=False, labels=names)
    means = rows.all.groupby([rows.all["item"].map(decade), cut], observed=True)["rating"]
    course = means.mean().where(means.size() >= 4 * ENOUGH).unstack().reindex(columns=names)
    moments = rows.all.groupby(["item", cut], observed=True)["rating"].agg(["size", "mean", "sem"])
    table = pd.DataFrame(moments.where(moments["size"] >= ENOUGH).unstack())
    table = table.reindex(columns=pd.MultiIndex.from_product([["mean", "sem"], names]))
    difference = (table["mean", names[0]] - table["mean", names[-1]]).dropna()
    error = np.hypot(table["sem", names[0]], table["sem", names[-1]])
    sure = (difference.abs() - 1.96 * error).dropna()
    gaps = difference[sure.nlargest(10).loc[lambda gap: gap > 0].index].sort_values()
    apart = (course[names[0]] - course[names[-1]]).dropna()
    if gaps.empty and apart.empty:
        raise Missing(f"enough ratings by users {names[0]} and users {names[-1]}")
    title = f"What users {names[0]} and users {names[-1]} disagree on"
    if len(apart) > 1:
        oldest, side = apart.index[0], "higher" if apart.iloc[0] < 0 else "lower"
        title = f"Users {names[-1]} rate items of the {oldest:.0f}s {side} than users {names[0]}"
    text = (f"Items with {ENOUGH} ratings or more from both, whose difference is surest.",)
    figure, (left, right) = panels(title, 5.0, ncols=2, width_ratios=(2, 3))
    for name, style in zip(names, ("o-", ".:", "s-"), strict=True):
        left.plot(course.index, course[name], style, label=name)
    left.set(xlabel="decade of release", ylabel="mean rating")
    left.legend(title="age of the user")
    right.barh([titles[item][:40] for item in gaps.index], gaps, color=BLUE)
    right.set_xlabel(f"mean rating: users {names[0]} less users {names[-1]}")
    return Section(title, text, figure)
