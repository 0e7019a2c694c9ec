"""What is in a data set: a page of figures and findings.

    python -m data.explore --dataset ml-1m

Writes explore.html, one file for a browser, and prints its findings. It looks at all users, those
of the test part as well: choose no settings by it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import matplotlib as mpl
import tyro

from config import CsvConfig
from config.command_line import end_when_nobody_reads
from data import DataError, Ratings, load_dataset
from data.errors import printable
from data.explore import people_sections, rating_sections
from data.explore.html_page import Missing, Section, Sections, as_html, left_out
from data.explore.rating_sections import Rows

SECTIONS: dict[str, Callable[[Rows], Section]] = {
    "Size": rating_sections.size,
    "Ratings": rating_sections.heights,
    "Popularity and quality": rating_sections.popularity,
    "Long tail": rating_sections.long_tail,
    "Activity by month": rating_sections.months,
    "Activity by weekday and hour": rating_sections.clock,
    "Time gaps": rating_sections.gaps,
    "Life span of trends": rating_sections.trends,
    "Age and occupation": people_sections.groups,
    "Genres": people_sections.genres,
    "Genres by year": people_sections.genres_by_year,
    "Genre by age group": people_sections.genres_by_age,
    "Generation gap": people_sections.generations,
}


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


def explore(ratings: Ratings) -> Sections:
    """Everything that can be said, or what is missing to say it, by the name of its section."""
    rows = Rows(ratings)
    found: dict[str, Section | Missing] = {}
    for name, build in SECTIONS.items():
        try:
            found[name] = build(rows)
        except Missing as missing:
            found[name] = missing
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = tyro.cli(ExploreArguments, args=argv, description=ExploreArguments.__doc__)
    try:
        ratings = load_dataset(arguments.dataset, arguments.data_root, csv=asdict(arguments.csv))
        folder = arguments.out or Path("reports") / ratings.name
        folder.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.3}):
            sections = explore(ratings)
            (folder / "explore.html").write_text(as_html(ratings.name, sections), "utf-8")
    except (DataError, OSError) as error:
        print(f"explore: {error}", file=sys.stderr)
        return 2
    for name, found in sections.items():
        finding = left_out(name, found) if isinstance(found, Missing) else f"{name}: {found.title}"
        print(printable(finding))
    print(f"{folder / 'explore.html'}: the same with figures, for a browser")
    return 0


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
