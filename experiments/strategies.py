"""Strategies plot: the learning curves of several finished runs over one another.

python -m experiments.strategies ddpg=runs/a ddpg=runs/b td3=runs/c --out strategies.png
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg

from config.command_line import end_when_nobody_reads
from evaluation.curves import CurveRow, strategies


@dataclass(frozen=True)
class Arguments:
    """Draw precision, reward, loss, mean action and Q of several runs in one figure."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of finished runs, DIR or NAME=DIR; several with one name are its seeds."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("strategies.png")
    """Picture to write; its ending (png, svg, pdf) decides the kind."""
    highlight: str = ""
    """Name of the run to draw in red, on top of the others."""


class RunError(ValueError):
    """A folder whose learning curve cannot be read."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    arguments = tyro.cli(Arguments, args=argv, description=Arguments.__doc__)
    try:
        if not arguments.runs:
            raise RunError("no run given: name the folders that train.py wrote")
        figure = strategies([read(run) for run in arguments.runs], arguments.highlight)
        FigureCanvasAgg(figure)
        figure.savefig(arguments.out, dpi=130)
    except (OSError, ValueError) as error:
        print(f"strategies: {error}", file=sys.stderr)
        return 2
    print(arguments.out)
    return 0


def read(run: str) -> tuple[str, list[CurveRow]]:
    """Name and learning curve of DIR or NAME=DIR."""
    name, separator, folder = run.partition("=")
    if not separator:
        name, folder = Path(run).resolve().name, run
    source = Path(folder) / "metrics.json"
    if not source.is_file():
        raise RunError(f"{source}: no such file; give the folder of a finished run")
    try:
        curve = json.loads(source.read_text(encoding="utf-8"))["curve"]
        return name, [{key: float(value) for key, value in row.items()} for row in curve]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{source}: no learning curve in it ({error!r})") from error


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main())
