"""Figures show what they are given: text, lines and points are read back from the plots."""

import numpy as np
import pytest

from evaluation import plots, probes
from evaluation.protocols.new_users import CatalogProtocol


@pytest.fixture
def policies(tied):
    return [tied(name="drr"), tied()]


def drawn(figure):
    """Draw it, so that mistakes that only show then do show."""
    figure.draw_without_rendering()
    return figure.axes


def lines(axes, name):
    (found,) = [line for line in axes.lines if line.get_label() == name]
    return found


def test_the_leaderboard_shows_every_policy_but_the_bound(toy, policies):
    catalog = CatalogProtocol(toy)
    report, _ = probes.compare(toy.name, catalog, [*policies, catalog.oracle()])
    panels = drawn(plots.leaderboard(report))
    assert [axes.get_xlabel() for axes in panels] == list(report.keys)
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["drr", "tied"]
    mean = report.rows[0].users["precision@5"].mean
    assert f"{mean:.3f}" in [text.get_text() for text in panels[0].texts]


def test_by_length_draws_every_k(toy, policies):
    report, results = probes.compare(toy.name, CatalogProtocol(toy, ks=range(1, 8)), policies)
    precision, ndcg = drawn(plots.by_length(report))
    line = lines(precision, "drr")
    assert line.get_xdata().tolist() == list(range(1, 8))
    expected = [results["drr"].per_user[f"precision@{k}"].mean() for k in range(1, 8)]
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert ndcg.get_ylabel() == "ndcg@k"


def test_the_map_has_a_panel_for_each_common_genre():
    points = np.arange(12.0).reshape(6, 2)
    genres = np.zeros((6, 3), bool)
    genres[:4, 2] = genres[:2, 0] = True
    panels = drawn(plots.item_map(points, genres, ("A", "B", "C"), list("uvwxyz"), panels=2))
    assert [axes.get_title() for axes in panels] == ["C (4)", "A (2)"]
    assert [text.get_text() for text in panels[0].texts] == ["u"]
    assert [text.get_text() for text in panels[1].texts] == ["v"]  # u was shown before
    np.testing.assert_array_equal(panels[1].collections[1].get_offsets(), points[:2])


def test_contributions_are_sorted_signed_and_summed_up():
    figure = plots.contributions({"b": -0.5, "a": 1.25, "c": 0.0}, 2.0, 2.75, "Film")
    (axes,) = drawn(figure)
    assert [bar.get_width() for bar in axes.patches] == [1.25, 0, -0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "b"]
    assert [text.get_text() for text in axes.texts] == ["+1.25", "+0.00", "-0.50"]
    up, _, down = (bar.get_facecolor() for bar in axes.patches)
    assert up != down
    assert figure.get_suptitle() == (
        "Film\nscore 2.75 = 2.00 without history + 0.75 from the history"
    )


def panels_of(figure):
    return {axes.get_title(): axes for axes in drawn(figure)}


def curve(scale: float, steps=(80, 160, 240)):
    """Rewards scale * 1, 2, 3; precision at the second point only."""
    rows = [{"step": float(s), "reward": scale * n} for n, s in enumerate(steps, start=1)]
    rows[1] |= {"precision@5": scale / 10}
    return rows


def test_learning_curves_leave_out_what_is_missing():
    panels = panels_of(plots.learning_curves([("a", curve(0.1))]))
    assert len(panels) == 6
    precision = lines(panels["Precision and NDCG, held-out users"], "precision@5")
    assert precision.get_xdata().tolist() == [160]
    reward = lines(panels["Reward of a session"], "reward")
    assert reward.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert not panels["Losses"].lines and not panels["Mean action"].lines


def test_seeds_of_a_strategy_are_averaged_where_all_were_measured():
    runs = [("a", curve(1.0)), ("a", curve(3.0, (80, 160, 320))), ("b", curve(-1.0))]
    panels = panels_of(plots.learning_curves(runs, highlight="b"))
    axes = panels["Reward of a session"]
    seeds = lines(axes, "a (2 seeds)")
    assert seeds.get_xdata().tolist() == [80, 160]
    assert seeds.get_ydata().tolist() == [2, 4]
    band = axes.collections[0].get_paths()[0].vertices
    assert {(80, 1), (80, 3), (160, 2), (160, 6)} <= {tuple(point) for point in band.tolist()}
    assert lines(axes, "b").get_ydata().tolist() == [-1, -2, -3]
    assert lines(axes, "b").get_color() != seeds.get_color()
    precision = lines(panels["Precision and NDCG, held-out users"], "a (2 seeds)")
    np.testing.assert_allclose(precision.get_ydata(), [0.2])
    assert not panels["Mean Q"].lines
