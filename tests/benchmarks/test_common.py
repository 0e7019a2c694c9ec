"""What the benchmarks share: medians in turns, tables, JSON, docs on request."""

import json
import time

from benchmarks import common
from benchmarks.common import BenchmarkArguments, Timed

ROWS = {"32": {"ms": 1234.5, "ratio": 0.1234}, "256": {"ms": 9, "ratio": 0.5}}
TABLE = "|  | ms | ratio |\n| --- | ---: | ---: |\n| 32 | 1,234 | 0.123 |\n| 256 | 9 | 0.5 |\n"


def test_the_median_ignores_the_first_call_and_an_outlier_and_is_of_one_time():
    sleeps = iter([0.2, 0.03, 0.03, 0.2, 0.03])  # first call, its length, then three timings
    seconds = common.median_seconds({"nap": Timed(lambda: time.sleep(next(sleeps)), 2)}, repeats=3)
    assert 0.015 <= seconds["nap"] < 0.1


def test_figures_are_printed_written_with_their_machine_and_put_into_the_docs_on_request(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("evaluation.report.DOCS", tmp_path)
    page, file = tmp_path / "performance.md", tmp_path / "figures.json"
    page.write_text("Before\n<!-- learner -->\nold\n<!-- end -->\nAfter\n")
    figures, titles = {"rows": ROWS, "none": {}}, {"rows": "Speed", "none": "Nothing"}
    common.conclude(BenchmarkArguments(json=file), "learner", figures, titles)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("Speed:", "1,234", "0.123")) and "Nothing" not in shown
    written = json.loads(file.read_text())
    assert written["rows"] == ROWS and "old" in page.read_text()
    assert {"processor", "cores", "load_before", "load_after"} <= set(written["machine"])
    common.conclude(BenchmarkArguments(write_docs=True), "learner", figures, titles)
    text = page.read_text()
    assert text.startswith("Before\n<!-- learner -->\n") and text.endswith("<!-- end -->\nAfter\n")
    assert f"Speed:\n\n{TABLE}" in text and "load before" in text and "old" not in text
