"""Tables and plots of the page come from the files that the benchmarks write."""

import json

import pytest

from benchmarks import report
from benchmarks.common import Table, as_markdown

MACHINE = {"processor": "CPU", "cores": 2, "python": "3", "numpy": "2", "tensorflow": "2"}
REPLAY = {
    "capacity": 10,
    "batch": {"32": {"microseconds": 8.0, "python_microseconds": 4e3, "r": 9}},
}
QUALITY = {
    "dataset": "ml-1m",
    "seed": 0,
    "steps": {"50000": {"seconds": 61.7, "catalog_precision@5": 0.25, "session_reward@10": -1.0}},
}


def test_a_markdown_table():
    table = Table("Speed", ["batch", "per s"], [[32, 1234.5], ["all", 0.1234]])
    assert as_markdown(table) == (
        "Speed:\n\n| batch | per s |\n| --- | ---: |\n| 32 | 1,234 |\n| all | 0.123 |\n"
    )


def test_the_pages_get_the_tables_and_keep_the_rest(tmp_path, capsys):
    page = tmp_path / "performance.md"
    page.write_text(
        "Before\n<!-- replay -->\noutdated\n<!-- end -->\n\n<!-- quality -->\n<!-- end -->\n"
    )
    (tmp_path / "scaling.md").write_text("")
    for name, figures in (("replay", REPLAY), ("quality", QUALITY)):
        (tmp_path / f"{name}.json").write_text(json.dumps(figures | {"machine": MACHINE}))
    report.main(report.Arguments(results=tmp_path, docs=tmp_path))
    text = page.read_text()
    assert text.startswith("Before\n<!-- replay -->\n\nCPU, 2 cores") and "outdated" not in text
    assert "| 32 | 8 | 4,000 | 9 |" in text and "| 50,000 | 62 | 0.2500 | -1.0000 |" in text
    assert text.count("<!-- end -->") == 2
    assert (tmp_path / "figures" / "performance-quality.png").read_bytes().startswith(b"\x89PNG")
    assert "python -m benchmarks.learner" in capsys.readouterr().out


def test_a_page_without_the_place_is_an_error():
    with pytest.raises(SystemExit, match="<!-- replay -->"):
        report.filled("# Page", "replay", "table")
