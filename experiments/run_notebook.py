"""Execute evaluation.ipynb in place, as restart-and-run-all does, and keep its outputs.

    DRR_RUN=save_weights/ml-1m python -m experiments.run_notebook

The environment variables that choose run and data are listed in the notebook. Nothing is written if
a cell fails or an output names a folder of this machine.
"""

import copy
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import tyro
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from config.command_line import end_when_nobody_reads

ROOT = Path(__file__).resolve().parent.parent
ABSOLUTE = re.compile(r"(?<![\w.:/<])/(?:home|root|tmp|work|usr|opt|var|mnt|Users)/[^\s\"']*")


@dataclass(frozen=True)
class Arguments:
    """Execute the notebook and save it with its outputs."""

    notebook: Path = ROOT / "evaluation.ipynb"
    """The notebook; it runs in the repository's root."""
    output: Path | None = None
    """Where it is saved with its outputs; default: in place."""
    timeout: int = 1800
    """Longest time for one cell, in seconds."""


def main(arguments: Arguments) -> int:
    """Execute, check, save; returns the exit status."""
    try:
        notebook = execute(arguments.notebook, arguments.timeout)
    except CellExecutionError as error:
        print(f"run_notebook: a cell failed, nothing is written\n{error}", file=sys.stderr)
        return 1
    for cell, path in absolute_paths(notebook):
        print(f"run_notebook: cell {cell} shows {path}; nothing is written", file=sys.stderr)
        return 1
    output = arguments.output or arguments.notebook
    text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    output.write_text(text + "\n", encoding="utf-8")
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


def execute(path: Path, timeout: int) -> NotebookNode:
    """The notebook with fresh outputs, without times and versions, so that diffs stay small."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    kept = copy.deepcopy(notebook.metadata)
    NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT)}},
        record_timing=False,
    ).execute()
    notebook.metadata = kept
    return notebook


def absolute_paths(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """(cell, path) for every folder of this machine in the outputs' text."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            texts = [output.get("text", "")]
            texts += [value for kind, value in data.items() if kind.startswith("text/")]
            for text in texts:
                yield from ((number, found) for found in ABSOLUTE.findall(text))


if __name__ == "__main__":
    end_when_nobody_reads()
    sys.exit(main(tyro.cli(Arguments, description=Arguments.__doc__)))
