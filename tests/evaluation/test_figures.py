"""Figures show what they are given: text, lines and points are read back from the plots."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from evaluation import figures, probes
from evaluation.protocols.new_users import CatalogProtocol, SessionProtocol


@pytest.fixture
def policies(tied):
    return [tied(name="drr"), tied()]


def drawn(figure):
    """Draw it, so that mistakes that only show then do show."""
    FigureCanvasAgg(figure).draw()
    return figure.axes


def lines(axes, name):
    (found,) = [line for line in axes.lines if line.get_label() == name]
    return found


def test_the_leaderboard_shows_every_policy_but_the_bound(toy, policies):
    catalog = CatalogProtocol(toy)
    report, _ = probes.compare(toy.name, catalog, [*policies, catalog.oracle()])
    panels = drawn(figures.leaderboard(report))
    assert [axes.get_xlabel() for axes in panels] == list(report.keys)
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["drr", "tied"]
    mean = report.rows[-1].users["precision@5"].mean
    assert f"{mean:.3f}" in [text.get_text() for text in panels[0].texts]


def test_the_leaderboard_takes_other_keys(toy, policies):
    report, _ = probes.compare(toy.name, CatalogProtocol(toy), policies)
    (axes,) = drawn(figures.leaderboard(report, ["recall@5"]))
    assert axes.get_xlabel() == "recall@5"


def test_by_length_draws_every_k(toy, policies):
    report, results = probes.compare(toy.name, CatalogProtocol(toy, ks=range(1, 8)), policies)
    precision, ndcg = drawn(figures.by_length(report))
    line = lines(precision, "drr")
    assert line.get_xdata().tolist() == list(range(1, 8))
    expected = [results["drr"].per_user[f"precision@{k}"].mean() for k in range(1, 8)]
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert ndcg.get_ylabel() == "ndcg@k"


def test_rewards_by_step_add_up(toy, policies):
    session = SessionProtocol(toy, ks=(6,))
    result = session.run(policies[0])
    single, total = drawn(figures.reward_by_step([result, session.run(policies[1])]))
    np.testing.assert_allclose(lines(single, "drr").get_ydata(), result.rewards.mean(axis=0))
    assert lines(total, "drr").get_ydata()[-1] == pytest.approx(
        result.per_user["reward@6"].mean(), abs=1e-5
    )


def test_the_map_has_a_panel_for_each_common_genre():
    points = np.arange(12.0).reshape(6, 2)
    genres = np.zeros((6, 3), bool)
    genres[:4, 2] = genres[:2, 0] = True
    panels = drawn(figures.item_map(points, genres, ("A", "B", "C"), list("uvwxyz"), panels=2))
    assert [axes.get_title() for axes in panels] == ["C (4)", "A (2)"]
    assert [text.get_text() for text in panels[0].texts] == ["u", "w"]  # v is too close to u
    assert [text.get_text() for text in panels[1].texts] == ["v"]  # u was shown before
    np.testing.assert_array_equal(panels[1].collections[1].get_offsets(), points[:2])


def test_the_map_of_a_single_genre_without_titles():
    panels = drawn(figures.item_map(np.zeros((3, 2)), np.ones((3, 1), bool), ("Drama",)))
    assert len(panels) == 1
    assert not panels[0].texts


def test_the_map_of_items_without_genres_has_them_all():
    (axes,) = drawn(figures.item_map(np.zeros((3, 2)), np.zeros((3, 0), bool), (), "uvw"))
    assert axes.get_title() == "all (3)"


def test_rank_changes_join_what_both_lists_hold():
    before, after = np.array([4, 5, 6]), np.array([6, 4, 9])
    names = {item: f"Film {item}" for item in (4, 5, 6, 9)}
    (axes,) = drawn(figures.rank_changes(before, after, names))
    joined = sorted(line.get_ydata().tolist() for line in axes.lines)
    assert joined == [[0, 1], [2, 0]]
    coloured = [text.get_text() for text in axes.texts if text.get_color() == figures.ACCENT]
    assert [text.split(" ", 4)[-1].strip() for text in coloured] == ["Film 5", "Film 9"]


def test_bars_are_in_order_and_labelled():
    (axes,) = drawn(figures.bars({"first": 3, "second": 0}, "count", highlight="first"))
    assert [bar.get_width() for bar in axes.patches] == [3, 0]
    assert [text.get_text() for text in axes.texts] == ["3", "0"]
    assert axes.get_xlabel() == "count"


def test_contributions_are_sorted_signed_and_summed_up():
    figure = figures.contributions({"b": -0.5, "a": 1.25, "c": 0.0}, 2.0, 2.75, "Film")
    (axes,) = drawn(figure)
    assert [bar.get_width() for bar in axes.patches] == [1.25, 0, -0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "b"]
    assert [text.get_text() for text in axes.texts] == ["+1.25", "+0.00", "-0.50"]
    up, _, down = (bar.get_facecolor() for bar in axes.patches)
    assert up != down
    assert figure.get_suptitle() == (
        "Film\nscore 2.75 = 2.00 without history + 0.75 from the history"
    )


def test_shorten_keeps_short_texts():
    assert figures.shorten("abc", 3) == "abc"
    assert figures.shorten("abcd", 3) == "ab…"
