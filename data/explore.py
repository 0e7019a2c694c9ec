"""What is in a data set: a page of figures and findings.

    python -m data.explore --dataset ml-1m

Writes explore.html, one file for a browser, and prints its findings, which are all computed. It
looks at all users, those of the test part as well: choose no settings by it.
"""

import base64
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from config import CsvConfig, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, Ratings, load_dataset
from data.errors import printable

BLUE, ORANGE = "#3b6ea8", "#d9772b"  # told apart without colour vision as well
EARLIEST = np.datetime64("1990-01-01", "s").astype(np.int64)  # before, nobody rated online
FEW, ENOUGH = 20, 50  # below so many ratings the mean of an item, of a group says little
HOUR, DAY = 3_600, 86_400
GAPS = {"same second": 0, "1 to 9 s": 1, "10 to 59 s": 10, "minutes": 60, "hours": HOUR}
GAPS |= {"days": DAY, "30 days or more": 30 * DAY}  # from so many seconds
# In fashion: a month with this many times the item's usual share of the ratings, so many ratings
# at least, and so many standard deviations (of a Poisson count) above what is usual.
LIFT, AT_LEAST, DEVIATIONS = 2.0, 20, 4.0
LEAST_SHARE = 0.005  # genres with less of the ratings are left out
OCCUPATIONS = (  # of the codes 0 to 20, from MovieLens-1M's README
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist"),
    *("self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer"),
)


class Section(NamedTuple):
    """One subject: its finding in one line, a figure, and how to read it."""

    finding: str
    figure: Figure | None = None
    note: str = ""


class Missing(Exception):
    """What a section needs and the data set does not have."""


class Frames:
    """The ratings as data frames: one row per rating, per item, and per user with ratings."""

    def __init__(self, ratings: Ratings) -> None:
        self.ratings = ratings
        columns = {"user": ratings.users, "item": ratings.items, "second": ratings.timestamps}
        self.all = pd.DataFrame({**columns, "rating": ratings.values.astype(np.float64)})
        items = self.all.groupby("item")["rating"].agg(["count", "mean"])
        self.items = items.reindex(range(ratings.n_items)).fillna({"count": 0})
        self.items["title"] = list(ratings.titles) or [f"item {item}" for item in ratings.item_ids]
        self.users = self.all.groupby("user")["rating"].agg(["count", "mean"])

    @property
    def when(self) -> "pd.Series[pd.Timestamp]":
        """The moment of every rating, UTC; Missing if the timestamps are only an order."""
        if not len(self.all) or self.all["second"].min() < EARLIEST:
            raise Missing("dates: its timestamps are no seconds since 1970")
        return pd.to_datetime(self.all["second"], unit="s")

    def demographic(self, feature: str) -> "pd.Series[Any]":
        """Every user's gender, age or occupation [U], nothing where unknown."""
        pairs = pd.MultiIndex.from_tuples(self.ratings.demographic_columns, names=("name", "value"))
        table = pd.DataFrame(self.ratings.demographics, columns=pairs)
        if feature not in table:
            raise Missing(f"{feature} of the users")
        flags = table[[feature]].droplevel("name", axis=1)
        return flags.idxmax(axis=1).where(flags.any(axis=1))

    def by_genre(self) -> pd.DataFrame:
        """One row per rating and genre of its item, common genres only, most rated first."""
        items, genres = np.nonzero(self.ratings.genres)
        names = np.array(self.ratings.genre_names, object)[genres]
        table = self.all.merge(pd.DataFrame({"item": items, "genre": names}), on="item")
        counts = table["genre"].value_counts()
        common = counts.index[counts >= LEAST_SHARE * len(self.all)]
        if not len(common):
            raise Missing("genres")
        table["genre"] = table["genre"].astype(pd.CategoricalDtype(common))
        return table.dropna(subset=["genre"])


def panels(height: float = 4.0, **grid: Any) -> tuple[Figure, list[Axes]]:
    """A figure, and its axes row by row."""
    figure = Figure(figsize=(10.0, height), layout="constrained")
    return figure, list(figure.subplots(squeeze=False, **grid).flat)


def bars(axes: Axes, values: "pd.Series[float]", form: str, **labels: str) -> None:
    """Horizontal bars, the first on top, each with its number."""
    drawn = axes.barh(list(map(str, values.index)), values, color=BLUE, height=0.7)
    axes.bar_label(drawn, [format(value, form) for value in values], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set(**labels)


def heat_map(table: pd.DataFrame, label: str, **scale: Any) -> Figure:
    """The table as colours, its index and columns at the axes."""
    figure, (axes,) = panels(1.9 + 0.3 * len(table))
    picture = axes.imshow(table, aspect="auto", **scale)
    ticks = range(0, table.shape[1], 1 + table.shape[1] // 12)
    axes.set_xticks(ticks, [str(table.columns[tick]) for tick in ticks])
    axes.set_yticks(range(len(table)), [str(name)[:32] for name in table.index])
    figure.colorbar(picture, ax=axes, label=label)
    return figure


def size(rows: Frames) -> Section:
    """How much there is of everything."""
    ratings, n_items = rows.ratings, int((rows.items["count"] > 0).sum())
    density = ratings.n_ratings / max(len(rows.users) * n_items, 1)
    note = f"{len(rows.users):,} of {ratings.n_users:,} users have ratings, "
    note += f"{n_items:,} of {ratings.n_items:,} items."
    if ratings.name == "synthetic":
        note += " It is made up by a program: nothing below says anything about people."
    return Section(f"{ratings.n_ratings:,} ratings, {density:.1%} of the matrix", None, note)


def rating_values(rows: Frames) -> Section:
    """The rating distribution."""
    ratings, values = rows.ratings, rows.all["rating"]
    figure, axes = panels(ncols=3, sharex=True)
    tables = {"ratings": values, "users": rows.users["mean"], "items": rows.items["mean"]}
    for panel, (name, column) in zip(axes, tables.items(), strict=True):
        panel.hist(column.dropna(), bins=33, range=ratings.scale, color=BLUE)
        panel.axvline(ratings.positive_threshold, color=ORANGE)
        panel.set(ylabel=name, xlabel="rating" if name == "ratings" else "mean rating")
    finding = f"{ratings.positive.mean():.0%} of the ratings are positive; the mean is "
    note = f"Positive: from {ratings.positive_threshold:g} (line)."
    return Section(f"{finding}{values.mean():.2f}", figure, note)


def popularity(rows: Frames) -> Section:
    """Are items that many people rate also rated higher?"""
    judged = rows.items[rows.items["count"] >= FEW].sort_values("count", kind="stable")
    if len(judged) < 10:
        raise Missing(f"ten items with {FEW} ratings or more")
    correlation = judged["count"].rank().corr(judged["mean"].rank())  # Spearman's
    verdict = "higher" if correlation > 0 else "lower"
    if abs(correlation) < 0.1:
        verdict = "neither higher nor lower"
    figure, (axes,) = panels()
    axes.scatter(rows.items["count"], rows.items["mean"], s=9, color=BLUE, alpha=0.3, lw=0)
    axes.set(xscale="log", xlabel="ratings of the item", ylabel="their mean")
    known = judged.iloc[-max(3, len(judged) // 10) :]  # the most rated tenth
    low = "; ".join(known.nsmallest(3, "mean")["title"])
    note = f"Most rated: {'; '.join(known['title'].iloc[:-4:-1])}. "
    note += f"Well known, but rated low: {low}."
    finding = f"Items that are rated more often are rated {verdict}"
    return Section(f"{finding} (rank correlation {correlation:+.2f})", figure, note)


def long_tail(rows: Frames) -> Section:
    """How few items get most of the ratings."""
    counts, lengths = np.sort(rows.items["count"])[::-1], rows.users["count"]
    shares = np.cumsum(counts) / max(counts.sum(), 1)
    half = (int(np.searchsorted(shares, 0.5 - 1e-12)) + 1) / len(counts)
    figure, (left, right) = panels(ncols=2)
    left.plot(np.arange(len(shares) + 1) / len(shares), [0, *shares], color=BLUE)
    left.set(xlabel="items, most rated first", ylabel="share of all ratings")
    right.hist(lengths, np.geomspace(lengths.min(), lengths.max() + 1, 31).tolist(), color=BLUE)
    right.set(xscale="log", xlabel="ratings per user", ylabel="users")
    note = f"{np.mean(counts < FEW):.0%} of the items have fewer than {FEW} ratings; half of the "
    note += f"users give {lengths.median():,.0f} or fewer."
    return Section(f"Half of all ratings go to {half:.1%} of the items", figure, note)


def time_gaps(rows: Frames) -> Section:
    """The rhythm of rating; a visit ends where the next rating is more than an hour away."""
    between = rows.all["second"].groupby(rows.all["user"]).diff()[rows.when.index]
    kinds = pd.cut(between.dropna(), [*GAPS.values(), np.inf], right=False, labels=list(GAPS))
    shares = kinds.value_counts(normalize=True, sort=False)
    visits = 1 + (between > HOUR).groupby(rows.all["user"]).sum()
    figure, (left, right) = panels(ncols=2)
    bars(left, shares, ".1%", title="Time from a user's rating to the next")
    capped = visits.clip(upper=6).value_counts(normalize=True).sort_index()
    bars(right, capped, ".0%", title="Visits of a user (6: or more), an hour apart")
    finding = f"{shares.iloc[:3].sum():.0%} of the ratings follow within a minute; "
    return Section(f"{finding}{(visits == 1).mean():.0%} of the users came once", figure)


def trends(rows: Frames) -> Section:
    """How long items are in fashion, relative to all ratings of a month."""
    found = pd.crosstab(rows.all["item"], rows.when.dt.to_period("M"))  # [I, M]
    course = pd.period_range(found.columns[0], found.columns[-1], freq="M")
    found = found.reindex(columns=course, fill_value=0)
    usual = np.outer(found.sum(axis=1), found.sum()) / len(rows.all)
    beyond = found - usual
    fashion = (found >= LIFT * usual) & (found >= AT_LEAST) & (beyond > DEVIATIONS * usual**0.5)
    strength = (beyond * fashion).sum(axis=1).sort_values(ascending=False, kind="stable")
    items = strength.index[strength > 0]
    note = f"In fashion: {LIFT:g} times the item's usual share of the month's ratings, {AT_LEAST} "
    note += f"or more, far beyond chance. {len(items):,} items were."
    if not len(items):
        return Section("No item was ever in fashion", None, note)
    edges = np.diff(np.pad(fashion.loc[items].to_numpy(int), [(0, 0), (1, 1)]), axis=1)
    spans = np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]  # months of each stretch
    lift = found.div(np.maximum(usual, 1e-9)).loc[items[:12]]
    lift.index = pd.Index(rows.items["title"][lift.index])
    figure = heat_map(lift, "ratings, times the usual share", cmap="Blues", vmin=0, vmax=10)
    finding = f"{np.mean(spans == 1):.0%} of the trends last one month, the longest {spans.max()}"
    return Section(finding, figure, note)


def age_and_occupation(rows: Frames) -> Section:
    """Age, occupation and gender."""
    figure, axes = panels(9.0, nrows=3, ncols=2)
    largest = []
    for number, feature in enumerate(("gender", "age", "occupation")):
        group = rows.demographic(feature)
        if feature == "occupation":
            group = group.replace(dict(enumerate(OCCUPATIONS)))
        table = rows.users.groupby(group)["mean"].agg(["size", "mean"])
        bars(axes[2 * number], table["size"], ",.0f", ylabel=feature, xlabel="users")
        bars(axes[2 * number + 1], table["mean"], ".2f", xlabel="mean rating, over users")
        share = table["size"].max() / table["size"].sum()
        largest.append(f"The largest {feature} is {table['size'].idxmax()} ({share:.0%}).")
    return Section(" ".join(largest), figure)


def genres(rows: Frames) -> Section:
    """What kinds of items are rated, and how high."""
    table = rows.by_genre().groupby("genre", observed=True)["rating"].agg(["size", "mean"])
    figure, (left, right) = panels(1.5 + 0.29 * len(table), ncols=2)
    bars(left, table["size"] / len(rows.all), ".0%", xlabel="share of all ratings")
    bars(right, table["mean"], ".2f", xlabel="mean rating")
    finding = f"{table.index[0]} is rated most often, {table['mean'].idxmax()} highest, "
    note = "An item counts for all its genres."
    return Section(f"{finding}{table['mean'].idxmin()} lowest", figure, note)


def genres_by_year(rows: Frames) -> Section:
    """What share of the ratings each genre has, year by year."""
    n_ratings, table = rows.when.dt.year.value_counts().sort_index(), rows.by_genre()
    years = pd.to_datetime(table["second"], unit="s").dt.year
    shares = (pd.crosstab(table["genre"], years) / n_ratings).loc[:, n_ratings >= ENOUGH]
    if shares.shape[1] < 2:
        raise Missing("ratings of two years")
    figure = heat_map(shares, "share of the year's ratings", cmap="Blues", vmin=0)
    first, last = shares.columns[[0, -1]]
    change = (shares[last] - shares[first]).sort_values()
    gain, loss = (f"{change.index[end]} {change.iloc[end]:+.1%}" for end in (-1, 0))
    return Section(f"Share of the ratings from {first} to {last}: {gain}, {loss}", figure)


def genres_by_age(rows: Frames) -> Section:
    """How much more often each age group rates a genre than all users do."""
    table, age = rows.by_genre(), rows.demographic("age")
    counts = pd.crosstab(table["genre"], table["user"].map(age))  # [G, D]
    totals = rows.all["user"].map(age).value_counts()
    overall = table["genre"].value_counts() / len(rows.all)
    lift = (counts / totals).div(overall, axis=0).where(counts >= ENOUGH).reindex(counts.index)
    if lift.isna().all(axis=None):
        raise Missing(f"{ENOUGH} ratings of a genre from any age group")
    row, column = divmod(int(np.nanargmax(lift)), lift.shape[1])
    figure = heat_map(lift, "times as often as all users", cmap="PuOr_r", vmin=0, vmax=2)
    most = f"{np.nanmax(lift):.1f} times as often as all users do"
    finding = f"Users of the age group from {lift.columns[column]} rate {lift.index[row]} {most}"
    return Section(finding, figure)


SECTIONS = (
    *(size, rating_values, popularity, long_tail, time_gaps),
    *(trends, age_and_occupation, genres, genres_by_year, genres_by_age),
)
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>
body { font: 17px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1.25rem; margin-top: 3rem } .finding { font-weight: 600 } img { width: 100% }
</style>"""


def explore(ratings: Ratings) -> dict[str, Section]:
    """Everything that can be said, or what is missing to say it, by the name of its section."""
    rows, found = Frames(ratings), {}
    for build in SECTIONS:
        name = build.__name__.replace("_", " ").capitalize()
        try:
            found[name] = build(rows)
        except Missing as missing:
            found[name] = Section(f"Left out. The data set has no {missing}.")
    return found


def as_html(dataset: str, sections: Mapping[str, Section]) -> str:
    """The page: the sections in order."""
    title = f"What is in {escape(dataset)}"
    body = [HEAD, f"<title>{title}</title>\n<h1>{title}</h1>"]
    for name, section in sections.items():
        finding = escape(section.finding)
        body.append(f'<h2>{escape(name)}</h2>\n<p class="finding">{finding}</p>')
        if section.figure is not None:
            section.figure.savefig(picture := io.BytesIO(), format="png")
            data = base64.b64encode(picture.getvalue()).decode()
            body.append(f'<img alt="{finding}" src="data:image/png;base64,{data}">')
        body.append(f"<p>{escape(section.note)}</p>")
    return "\n".join(body)


@dataclass(frozen=True)
class ExploreArguments:
    """Describe a data set in figures and sentences. Existing reports are replaced."""

    dataset: str = "auto"
    """auto (ml-1m, else synthetic), or what train.py --dataset takes."""
    data_root: Path | None = None
    """Folder that holds ml-1m/ratings.dat; default $DRR_DATA_ROOT, else data/."""
    csv: CsvConfig = field(default_factory=CsvConfig)
    out: Path | None = None
    """Folder of the report; default reports/<dataset>."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = read_arguments(ExploreArguments, argv)
    try:
        ratings = load_dataset(arguments.dataset, arguments.data_root, csv=asdict(arguments.csv))
        page = (arguments.out or Path("reports") / ratings.name) / "explore.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        sections = explore(ratings)
        page.write_text(as_html(ratings.name, sections), "utf-8")
    except (DataError, OSError) as error:
        print(f"explore: {in_flags(error)}", file=sys.stderr)
        return 2
    for name, section in sections.items():
        print(printable(f"{name}: {section.finding}"))
    print(f"{page}: the same with figures, for a browser")
    return 0


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
