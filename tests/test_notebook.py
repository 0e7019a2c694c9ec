"""Restart and run all: evaluation.ipynb on a tiny run, in a kernel of its own."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "evaluation.ipynb"
FOLDER = re.compile(r"(?<![\w.:/<])/(?:home|root|tmp|work|usr|opt|var|mnt|Users)/[^\s\"']*")
MOST_BYTES = 500_000


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tiny_run, tiny_root):
    chosen = {"DRR_RUN": str(tiny_run.folder), "DRR_DATASET": "ml-1m"}
    chosen |= {"DRR_DATA_ROOT": str(tiny_root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DRR_POLICIES", raising=False)
        for name, value in chosen.items():
            environment.setenv(name, value)
        resources = {"metadata": {"path": str(ROOT)}}
        NotebookClient(notebook, timeout=200, kernel_name="python3", resources=resources).execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def text(notebook):
    parts = [output.get("text", "") for output in outputs(notebook)]
    parts += [output.get("data", {}).get("text/markdown", "") for output in outputs(notebook)]
    return "\n".join(parts)


@pytest.mark.slow
def test_every_cell_runs_and_shows_tables_and_plots(executed):
    pictures = [output for output in outputs(executed) if "image/png" in output.get("data", {})]
    assert len(pictures) == 6
    assert all(picture.metadata["image/png"]["alt"] for picture in pictures)
    assert text(executed).count("| policy |") == text(executed).count("| drr ") == 2
    assert text(executed).count("history") == 2 and "IDCG" in text(executed)
    assert [output["text"] for output in outputs(executed) if output.get("name") == "stderr"] == []


def test_what_is_committed_is_small_and_says_nothing_about_a_machine(committed):
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert FOLDER.findall(text(committed)) == []
    assert FOLDER.findall("see /home/someone/runs, or a/b</b>") == ["/home/someone/runs,"]
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert all(set(cell.metadata) <= {"execution"} for cell in committed.cells)  # when it was run


def test_precision_and_ndcg_are_in_the_first_table(committed):
    shown = [cell for cell in committed.cells if cell.get("outputs")]
    assert "run ml-1m" in text(nbformat.v4.new_notebook(cells=shown[:1]))
    first = text(nbformat.v4.new_notebook(cells=shown[1:2]))
    assert "precision@5" in first and "ndcg@10" in first and "| drr " in first
