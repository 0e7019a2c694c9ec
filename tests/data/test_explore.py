"""`python -m data.explore`: what its page shows, says, leaves out, and refuses."""

import base64
import datetime
import re
from dataclasses import replace

import numpy as np
import pytest

from data import explore as command
from data.explore import Frames, Section
from data.ratings import Ratings
from data.synthetic import SyntheticConfig, make_synthetic


@pytest.fixture(scope="module")
def small() -> Ratings:
    config = SyntheticConfig(n_users=300, n_items=80, longest=60)
    return replace(make_synthetic(config, seed=5), name="small")


def made(rows: list[tuple], **more) -> Frames:
    """From (user, item, rating, timestamp) rows."""
    return Frames(Ratings.from_events("made", *np.array(rows).T, **more))


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(f"{text}+00:00").timestamp())


def test_every_subject_is_there_for_a_full_data_set(small):
    found = command.explore(small)
    assert sum(section.figure is not None for section in found.values()) >= 7
    assert not any("Left out" in section.finding for section in found.values())
    assert found["Size"].finding.startswith(f"{small.n_ratings:,} ratings")


def test_what_a_data_set_lacks_is_said_and_left_out():
    """Users, items and ratings; nothing else, and an order for timestamps."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(rng.permutation(400)[:250], 20)
    bare = Ratings.from_events("bare", users, items, rng.integers(1, 6, 250), np.arange(250))
    found = command.explore(bare)
    for name in ("Time gaps", "Trends", "Genres by year"):
        assert "Left out. The data set has no dates" in found[name].finding
    for name in ("Age and occupation", "Genres", "Genres by age"):
        assert "Left out" in found[name].finding and found[name].figure is None


def test_the_findings_follow_the_data(small):
    """The same data with ratings turned around say the opposite."""
    turned = replace(small, values=6 - small.values)
    before, after = (command.popularity(Frames(ratings)) for ratings in (small, turned))
    assert "are rated higher" in before.finding and "are rated lower" in after.finding


def test_gaps_lie_between_ratings_of_one_user():
    start, day = at("2000-01-01 00:00:00"), command.DAY
    stamps = {1: [0, 0, 9, 70], 2: [50], 3: [0, 3601, 7300 + 40 * day]}
    rows = [
        (user, item, 3, start + second)
        for user, seconds in stamps.items()
        for item, second in enumerate(seconds)
    ]
    section = command.time_gaps(made(rows, user_ids=[1, 2, 3, 4]))  # user 4 rated nothing
    widths = [bar.get_width() for bar in section.figure.axes[0].patches]
    assert widths == pytest.approx([0.2, 0.2, 0, 0.2, 0.2, 0, 0.2])
    assert section.finding.endswith("67% of the users came once")


def test_a_trend_is_a_burst_beyond_what_the_month_explains():
    """400 ratings a month, then a month of 4,000; one item gets its ratings in months 1 and 2."""
    rows, user = [], 0
    for month, size in enumerate((400, 400, 400, 4000, 400)):
        for place in range(size):
            item = 99 if month in (1, 2) and place < 60 else place % 20
            rows.append((user := user + 1, item, 3, at(f"2000-0{month + 1}-02 00:00:00")))
    section = command.trends(made(rows))
    assert section.finding == "0% of the trends last one month, the longest 2"
    usual = 120 / 5600  # of all ratings
    shown = section.figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, [[0, 60 / 400 / usual, 60 / 400 / usual, 0, 0]])


def test_genre_shares_of_a_year_are_of_that_years_ratings():
    rows = [
        (user, item, 3, at(f"{year}-05-05 00:00:00"))
        for year, wanted in ((2001, (60, 20)), (2002, (20, 60)))
        for item, count in enumerate(wanted)
        for user in range(1_000 * year, 1_000 * year + count)
    ]
    genres = np.array([[True, False], [True, True]])
    section = command.genres_by_year(made(rows, genres=genres, genre_names=("A", "B")))
    shown = section.figure.axes[0].images[0].get_array()
    assert shown.tolist() == [[1, 1], [0.25, 0.75]]  # of A and of B
    assert section.finding == "Share of the ratings from 2001 to 2002: B +50.0%, A +0.0%"


@pytest.mark.slow
def test_the_command_writes_a_page_that_needs_no_other_file(tiny_root, tmp_path, capsys):
    arguments = ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--out", str(tmp_path / "r")]
    assert command.main(arguments) == 0
    html = (tmp_path / "r" / "explore.html").read_text()
    pictures = re.findall(r'<img alt="[^"]+" src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) >= 6
    assert all(base64.b64decode(data).startswith(b"\x89PNG") for data in pictures)
    assert "src=" not in re.sub(r'src="data:[^"]+"', "", html) and "http" not in html
    assert "Genres: " in capsys.readouterr().out


def test_titles_cannot_break_the_page_or_command_the_terminal(tiny_root, monkeypatch, capsys):
    section = Section('a <b> & "c" \x1b[2J', None, "<script>alert(1)</script>")
    html = command.as_html("x<y", {"Some part": section})
    assert "<script>" not in html and "&lt;script&gt;" in html and "x&lt;y" in html
    monkeypatch.setattr(command, "explore", lambda _: {"Some part": section})
    command.main(
        ["--dataset", "ml-1m", "--data-root", str(tiny_root), "--out", str(tiny_root / "r")]
    )
    assert 'a <b> & "c" \ufffd[2J' in capsys.readouterr().out


def test_an_unknown_data_set_is_one_line(capsys):
    assert command.main(["--dataset", "netflix"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("explore: ") and "netflix" in error and error.count("\n") == 1
