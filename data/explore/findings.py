"""All sections of the report, in order."""

from collections.abc import Callable, Iterator

from data.explore import item_findings, people_findings, time_findings
from data.explore.section import Missing, Section
from data.ratings import Ratings

SECTIONS: dict[str, Callable[[Ratings], Section]] = {
    "Size": item_findings.size,
    "Ratings": item_findings.heights,
    "Popularity and quality": item_findings.popularity,
    "Long tail": item_findings.long_tail,
    "Activity by month": time_findings.months,
    "Activity by weekday and hour": time_findings.clock,
    "Time gaps": time_findings.gaps,
    "Life span of trends": time_findings.trends,
    "Age and occupation": people_findings.who,
    "Genres": people_findings.genres,
    "Genre by age group": people_findings.genres_by_age,
    "Generation gap": people_findings.generations,
}


def explore(ratings: Ratings) -> Iterator[tuple[str, Section | Missing]]:
    """(name, section) for everything that can be said, or what is missing to say it."""
    for name, build in SECTIONS.items():
        try:
            yield name, build(ratings)
        except Missing as missing:
            yield name, missing
