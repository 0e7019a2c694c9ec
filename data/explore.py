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
from string import Template

from config import CsvConfig, in_flags
from config.command_line import end_when_nobody_reads, read_arguments
from data import DataError, Ratings, load_dataset
from data.errors import printable
from data.explore_sections import SECTIONS, Frames, Missing, Section

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$name</title><style>
body { font: 17px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { font-size: 1.25rem; margin-top: 3rem } .finding { font-weight: 600 } img { width: 100% }
</style></head><body>
<h1>What is in $name</h1>
$sections
</body></html>
""")


def explore(ratings: Ratings) -> dict[str, Section]:
    """Everything that can be said, or what is missing to say it, by the name of its section."""
    rows, found = Frames(ratings), {}
    for build in SECTIONS:
        name = build.__name__.replace("_", " ").capitalize()
        try:
            found[name] = build(rows)
        except Missing as missing:
            found[name] = Section(str(missing))
    return found


def as_html(dataset: str, sections: Mapping[str, Section]) -> str:
    """The page: the sections in order."""
    body = []
    for name, section in sections.items():
        finding = escape(section.finding)
        body.append(f'<h2>{escape(name)}</h2>\n<p class="finding">{finding}</p>')
        if section.figure is not None:
            section.figure.savefig(picture := io.BytesIO(), format="png")
            data = base64.b64encode(picture.getvalue()).decode()
            body.append(f'<img alt="{finding}" src="data:image/png;base64,{data}">')
        body.append(f"<p>{escape(section.note)}</p>")
    return PAGE.substitute(name=escape(dataset), sections="\n".join(body))


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
