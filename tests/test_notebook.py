"""Restart and run all: evaluation.ipynb on a tiny run, in a kernel of its own."""

import os
from pathlib import Path

import nbformat
import pytest

from experiments import run_notebook

NOTEBOOK = run_notebook.ROOT / "evaluation.ipynb"


@pytest.fixture(scope="module")
def executed(tiny_run, tiny_root):
    chosen = {"DRR_RUN": str(tiny_run.folder), "DRR_DATASET": "ml-1m"}
    chosen |= {"DRR_DATA_ROOT": str(tiny_root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DRR_POLICIES", raising=False)
        for name, value in chosen.items():
            environment.setenv(name, value)
        return run_notebook.execute(NOTEBOOK, timeout=200)


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def text(notebook):
    parts = [output.get("text", "") for output in outputs(notebook)]
    parts += [output.get("data", {}).get("text/markdown", "") for output in outputs(notebook)]
    return "\n".join(parts)


def test_every_cell_runs_and_shows_tables_and_plots(executed):
    kinds = [kind for output in outputs(executed) for kind in output.get("data", {})]
    assert kinds.count("image/png") == 12
    tables = text(executed).count("| policy |")
    assert tables == 4
    assert text(executed).count("history") == 2
    assert "IDCG" in text(executed)


def test_drr_is_only_in_the_tables_of_protocols_it_is_trained_for(executed):
    shown = [text(nbformat.v4.new_notebook(cells=[cell])) for cell in executed.cells]
    tables = [part for part in shown if "| policy |" in part]
    assert ["| drr |" in table.replace("*", "") for table in tables] == [True, True, False, False]


def test_a_missing_run_names_the_variable_that_chooses_it(monkeypatch):
    monkeypatch.setenv("DRR_RUN", "nowhere")
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = [cell.source for cell in cells if 'environ.get("DRR_RUN"' in cell.source]
    with pytest.raises(FileNotFoundError, match="nowhere: no trained run; set DRR_RUN"):
        exec(source, {"os": os, "Path": Path})


def test_nothing_is_written_to_stderr_and_no_folder_is_shown(executed):
    assert [o["text"] for o in outputs(executed) if o.get("name") == "stderr"] == []
    assert list(run_notebook.absolute_paths(executed)) == []


def test_metadata_says_nothing_about_this_machine(executed):
    committed = nbformat.read(NOTEBOOK, as_version=4)
    assert executed.metadata == committed.metadata
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert committed.metadata.language_info == {"name": "python"}
    assert all(cell.metadata == {} for cell in executed.cells)


def test_a_folder_in_an_output_is_found():
    cell = nbformat.v4.new_code_cell("print()")
    cell.outputs = [nbformat.v4.new_output("stream", text="see /home/someone/runs, or a/b</b>")]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert list(run_notebook.absolute_paths(notebook)) == [(0, "/home/someone/runs,")]
