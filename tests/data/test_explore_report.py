"""`python -m data.explore`: what it writes, says, leaves out, and refuses."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

from data.explore import __main__ as command
from data.explore import findings, item_findings, page, people_findings, time_findings
from data.explore.section import Missing, Section
from data.ratings import Ratings
from data.synthetic import SyntheticConfig, make_synthetic


@pytest.fixture(scope="module")
def small() -> Ratings:
    config = SyntheticConfig(n_users=300, n_items=80, longest=60)
    return replace(make_synthetic(config, seed=5), name="small")


@pytest.fixture(scope="module")
def bare() -> Ratings:
    """Users, items and ratings; nothing else, and an order for timestamps."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(400)[:250], 20)
    return Ratings.from_events("bare", users, items, rng.integers(1, 6, 250), np.arange(250))


def numbers(text: str) -> list[str]:
    return re.findall(r"[-+]?\d[\d,]*\.?\d*", text)


def test_every_subject_is_there_for_a_full_data_set(small):
    sections = dict(findings.explore(small))
    assert list(sections) == list(findings.SECTIONS)
    without = [name for name, found in sections.items() if isinstance(found, Missing)]
    assert without == []
    figures = [name for name, found in sections.items() if found.figure is not None]
    assert len(figures) >= 10  # size has none, and there may be no trend


def test_what_a_data_set_lacks_is_said_and_left_out(bare):
    sections = dict(findings.explore(bare))
    there = {name for name, found in sections.items() if isinstance(found, Section)}
    assert there >= {"Size", "Ratings", "Long tail"}
    for name in ("Time gaps", "Life span of trends", "Activity by weekday and hour"):
        assert "dates" in str(sections[name])
    for name in ("Age and occupation", "Genres", "Genre by age group", "Generation gap"):
        assert isinstance(sections[name], Missing)
    text = page.as_text("bare", sections)
    assert "Left out: Genres. The data set has no genres." in text
    assert "has no titles and no genres and no demographics and no dates" in " ".join(text.split())


def test_the_sentences_follow_the_data(small):
    """The same data with ratings turned around say the opposite."""
    turned = replace(small, values=6 - small.values)
    before, after = item_findings.popularity(small), item_findings.popularity(turned)
    assert "are rated higher" in before.title and "are rated lower" in after.title
    positive = np.mean(small.values >= 4)
    assert f"{positive:.1%} of the ratings are positive" in item_findings.heights(small).text[1]


def test_no_relation_is_called_one():
    assert item_findings._direction(0.05, "up", "down") == "neither up nor down"
    assert item_findings._direction(-0.3, "up", "down") == "down"


def test_a_busy_month_is_told_from_an_even_course(small):
    table = time_findings.months(small)
    assert table.title.startswith("Ratings come evenly")
    stamps = small.timestamps.copy()
    stamps[:] = 956_703_600
    stamps[-1] += 300 * 86_400
    assert "alone has" in time_findings.months(replace(small, timestamps=stamps)).title


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ([-0.5, -0.2, 0.1], "The older an item, the higher users old"),
        ([0.5, 0.2, -0.1], "The older an item, the higher users young"),
        ([0.1, 0.3, 0.1], "agree about as much"),
        ([0.1, np.nan, np.nan], "disagree on"),
    ],
)
def test_the_generation_gap_is_named_by_its_direction(apart, said):
    decades = np.array([1950, 1970, 1990])
    assert said in people_findings._gap_title(decades, np.array(apart), "young", "old")


def test_the_command_writes_a_page_that_needs_no_other_file(tiny_root, tmp_path, capsys):
    arguments = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--out", str(tmp_path / "r")]
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    text = (tmp_path / "r" / "explore.txt").read_text()
    assert printed.startswith(text)
    assert max(len(line) for line in text.splitlines() if line.startswith("  ")) <= 80
    html = (tmp_path / "r" / "explore.html").read_text()
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', html)
    files = {path.read_bytes() for path in (tmp_path / "r").glob("*.png")}
    assert len(files) == len(pictures) >= 6
    assert {base64.b64decode(data) for _, data in pictures} == files
    assert "src=" not in re.sub(r'src="data:[^"]+"', "", html) and "http" not in html
    assert "Left out: Generation gap" in text and "Left out: Generation gap" in html


def test_a_file_of_ones_own_on_another_scale(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = [f"u{n // 20},i{n % 20},{rng.uniform(-10, 10):.2f}" for n in range(400)]
    (tmp_path / "jokes.csv").write_text("\n".join(["user,item,rating", *rows, ""]))
    flags = ["--dataset", "csv", "--csv.path", str(tmp_path / "jokes.csv")]
    assert command.main([*flags, "--csv.scale", "-10", "10", "--out", str(tmp_path / "r")]) == 0
    printed = capsys.readouterr().out
    assert "What is in jokes" in printed and "on a scale from -10 to 10" in printed
    assert "Left out: Time gaps" in printed
    assert (tmp_path / "r" / "ratings.png").exists()


def test_titles_cannot_break_the_page():
    section = Section("a <b> & c", ("<script>alert(1)</script>",))
    html = page.as_html("x<y", {"Some part": section, "Other": Missing("<i>")}, {})
    assert "<script>" not in html and "&lt;script&gt;" in html and "x&lt;y" in html
    assert "has no &lt;i&gt;" in html


def test_titles_cannot_command_the_terminal():
    section = Section("a \x1b[2J b", ("\x9b31m",))
    text = page.as_text("x\x07y", {"Some part": section, "Other": Missing("\x1b]0;\x07")})
    assert "a \ufffd[2J b" in text and text.replace("\n", "").isprintable()


def test_numbers_of_the_text_are_numbers_of_the_data(small):
    (size,) = item_findings.size(small).text[:1]
    assert numbers(size) == ["300", f"{small.n_ratings:,}", "80", "0", "0"]


def test_the_made_up_data_set_says_so():
    made = make_synthetic(SyntheticConfig(n_users=20, n_items=60))
    assert any("made up" in sentence for sentence in item_findings.size(made).text)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dataset", "netflix"), "netflix"),
        (("--dataset", "synthetic", "--data-root", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(flags, message, capsys, tmp_path):
    assert command.main([*flags, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(tiny_root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "report")
    flags = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--out", out]
    assert command.main(flags) == 2
    assert "explore: " in capsys.readouterr().err
