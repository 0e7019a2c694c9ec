"""What is in a data set: a page of figures and a short report.

    python -m data.explore --dataset ml-1m

Writes explore.html (one file, open it in a browser), explore.txt and the figures as PNG files, and
prints the report. It looks at all users, those of the test part as well: choose no settings by it.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import matplotlib as mpl
import tyro

from config import CsvConfig
from data import DataError, load_dataset
from data.explore import draw, findings, page


@dataclass(frozen=True)
class Arguments:
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
    arguments = tyro.cli(Arguments, args=argv, description=Arguments.__doc__)
    try:
        ratings = load_dataset(arguments.dataset, arguments.data_root, csv=asdict(arguments.csv))
        folder = arguments.out or Path("reports") / ratings.name
        with mpl.rc_context(draw.STYLE):
            sections = dict(findings.explore(ratings))
            written = page.write(ratings.name, sections, folder)
    except (DataError, OSError) as error:
        print(f"explore: {error}", file=sys.stderr)
        return 2
    print(page.as_text(ratings.name, sections))
    print(
        f"{written[0]}: the same with figures, for a browser; {len(written) - 2} PNG files beside it"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
