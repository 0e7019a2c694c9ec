"""The figures about people and genres; see `draw`."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from data.explore.draw import BLUE, DARK, FAINT, ORANGE, panels_for
from data.explore.items import Floats, Ints
from data.explore.people import Gap, GroupTable

_DIVERGING = "PuOr_r"


def people(blocks: dict[str, tuple[tuple[str, ...], GroupTable]], title: str) -> Figure:
    """Size and mean rating of every group; blocks: feature -> (group names, table)."""
    sizes = [len(names) for names, _ in blocks.values()]
    figure, panels = panels_for(
        title, 1.6 + 0.29 * sum(sizes), rows=len(sizes), columns=2, height_ratios=sizes
    )
    ends = np.concatenate(
        [[*(t.mean - t.margin), *(t.mean + t.margin)] for _, t in blocks.values()]
    )
    low, high = np.nanmin(ends) - 0.05, np.nanmax(ends) + 0.05
    largest = max(int(table.users.max()) for _, table in blocks.values())
    for row, (feature, (names, table)) in enumerate(blocks.items()):
        left, right = panels[2 * row : 2 * row + 2]
        places = np.arange(len(names))
        drawn = left.barh(places, table.users, color=BLUE, height=0.7)
        left.bar_label(drawn, [f"{count:,}" for count in table.users], padding=3)
        left.set(xlim=(0, 1.15 * largest), ylim=(len(names) - 0.4, -0.6), ylabel=feature)
        left.set_yticks(places, names)
        right.errorbar(table.mean, places, xerr=table.margin, fmt="o", color=ORANGE, ms=5, lw=1.6)
        right.set(xlim=(low, high), ylim=left.get_ylim())
        right.set_yticks(places, [""] * len(names))
        if row == len(sizes) - 1:
            left.set_xlabel("users")
            right.set_xlabel("mean rating, averaged over users; 95% intervals")
        else:
            left.tick_params(labelbottom=False)
            right.tick_params(labelbottom=False)
    return figure


def genres(names: Sequence[str], shares: Floats, means: Floats, mean: float, title: str) -> Figure:
    """Share of all ratings and mean rating of every genre, in the order given."""
    figure, (left, right) = panels_for(title, 1.5 + 0.29 * len(names), columns=2, sharey=True)
    drawn = left.barh(list(names), shares, color=BLUE, height=0.7)
    left.bar_label(drawn, [f"{share:.0%}" for share in shares], padding=3)
    left.invert_yaxis()
    left.margins(x=0.12)
    left.set_xlabel("share of all ratings (an item may have several genres)")
    left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.axvline(mean, color=DARK, lw=1, ls=":")
    right.annotate(" all ratings", (mean, len(names) - 0.6), color=DARK, size=9)
    right.plot(means, range(len(names)), "o", color=ORANGE, ms=6)
    right.set_xlabel("mean rating")
    return figure


def genres_by_age(
    genre_names: Sequence[str], age_names: Sequence[str], lift: Floats, taste: Floats, title: str
) -> Figure:
    """[G, D] how much more often, and how much better, each age group rates a genre than all do."""
    figure, (left, right) = panels_for(title, 2.2 + 0.3 * len(genre_names), columns=2, sharey=True)
    _heat_map(left, lift, [f"{value:+.0%}" for value in lift.ravel().round(2) + 0.0], age_names)
    left.set_title("How often they rate it,\nagainst all users")
    left.set_yticks(range(len(genre_names)), genre_names)
    _heat_map(right, taste, [f"{value:+.2f}" for value in taste.ravel().round(2) + 0.0], age_names)
    right.set_title("How high they rate it,\nagainst their own mean and the genre's")
    for axes in (left, right):
        axes.set_xlabel("age of the user")
    return figure


def generations(
    decades: Ints,
    means: Floats,
    names: Sequence[str],
    found: Sequence[Gap],
    titles: Sequence[str],
    title: str,
) -> Figure:
    """Mean rating [D, Y] of each generation by decade of release; the items that divide them."""
    figure, (left, right) = panels_for(title, 5.0, columns=2, width_ratios=(2, 3))
    for row, (name, colour, marker) in enumerate(
        zip(names, (ORANGE, FAINT, BLUE), "o.s", strict=True)
    ):
        left.plot(decades, means[row], marker=marker, color=colour, lw=2, label=name)
    left.set(xlabel="decade of release", ylabel="mean rating", title="Old and new items")
    left.set_xticks(decades, [f"{decade}s" for decade in decades], rotation=45, ha="right")
    left.legend(title="age of the user")
    for place, gap in enumerate(found):
        right.plot([gap.young, gap.old], [place, place], color=FAINT, lw=3, zorder=1)
        right.plot(gap.young, place, "o", color=ORANGE, ms=7)
        right.plot(gap.old, place, "s", color=BLUE, ms=6)
    right.set_yticks(range(len(found)), titles)
    right.set_ylim(len(found) - 0.4, -0.6)
    right.set(xlabel="mean rating", title="Items they disagree on")
    return figure


def _heat_map(axes: Axes, values: Floats, texts: Sequence[str], columns: Sequence[str]) -> None:
    """values [R, C] around zero in two colours, each cell with its text."""
    limit = float(np.nanmax(np.abs(values)))
    axes.imshow(values, aspect="auto", cmap=_DIVERGING, vmin=-limit, vmax=limit)
    for place, (value, text) in enumerate(zip(values.ravel(), texts, strict=True)):
        row, column = divmod(place, values.shape[1])
        colour = "white" if abs(value) > 0.7 * limit else DARK
        if np.isfinite(value):
            axes.text(column, row, text, ha="center", va="center", size=8, color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.grid(visible=False)
