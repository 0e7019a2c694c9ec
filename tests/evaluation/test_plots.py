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


def test_learning_curves_leave_out_what_is_missing():
    curve = [{"step": 80.0 * n, "reward": 0.1 * n} for n in (1, 2, 3)]
    curve[1]["precision@5"] = 0.01
    panels = {axes.get_title(): axes for axes in drawn(plots.learning_curves(curve))}
    assert len(panels) == 6
    precision = lines(panels["Precision and NDCG, held-out users"], "precision@5")
    assert precision.get_xdata().tolist() == [160]
    reward = lines(panels["Reward of a session"], "reward")
    assert reward.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert not panels["Losses"].lines and not panels["Mean action"].lines
