"""The tables of docs/, each between `<!-- NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path

from recommender.files import write_text

DOCS = Path("docs")
FIGURES = DOCS / "figures"


def write_table(page: str, name: str, table: str) -> None:
    """Put a table into a page of DOCS; SystemExit where the page has no place of that name."""
    path = DOCS / page
    write_text(path, with_table(path.read_text("utf-8"), name, table))


def with_table(page: str, name: str, table: str) -> str:
    """The page with the lines between the markers of `name` replaced by the table."""
    place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise SystemExit(f"no place for a table: add <!-- {name} --> and <!-- end --> to the page")
    return place.sub(lambda found: f"{found[1]}{table}{found[2]}", page)
