"""Learning curves show what they are given: lines are read back from the plots."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from evaluation.curves import learning_curves, strategies


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return {axes.get_title(): axes for axes in figure.axes}


def lines(axes, name):
    (found,) = [line for line in axes.lines if line.get_label() == name]
    return found


def curve(scale: float, steps=(80, 160, 240)):
    """Rewards scale * 1, 2, 3; precision at the second point only."""
    rows = [{"step": float(s), "reward": scale * n} for n, s in enumerate(steps, start=1)]
    rows[1] |= {"precision@5": scale / 10}
    return rows


def test_learning_curves_leave_out_what_is_missing():
    panels = drawn(learning_curves(curve(0.1)))
    assert len(panels) == 6
    precision = lines(panels["Precision and NDCG, held-out users"], "precision@5")
    assert precision.get_xdata().tolist() == [160]
    reward = lines(panels["Reward of an episode"], "reward (training)")
    assert reward.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert not panels["Losses"].lines and not panels["Mean action"].lines


def test_positive_losses_have_a_logarithmic_axis():
    rows = [{"step": 1.0, "critic_loss": 2.0, "action": -1.0}, {"step": 2.0, "critic_loss": 1.0}]
    panels = drawn(learning_curves(rows))
    assert panels["Losses"].get_yscale() == "log" and panels["Mean action"].get_yscale() == "linear"
    rows[1]["critic_loss"] = -1.0
    assert drawn(learning_curves(rows))["Losses"].get_yscale() == "linear"


def test_seeds_of_a_strategy_are_averaged_where_all_were_measured():
    runs = [("a", curve(1.0)), ("a", curve(3.0, (80, 160, 320))), ("b", curve(-1.0))]
    panels = drawn(strategies(runs, highlight="b"))
    axes = panels["Reward of a training episode"]
    seeds = lines(axes, "a (2 seeds)")
    assert seeds.get_xdata().tolist() == [80, 160]
    assert seeds.get_ydata().tolist() == [2, 4]
    band = axes.collections[0].get_paths()[0].vertices
    assert {(80, 1), (80, 3), (160, 2), (160, 6)} <= {tuple(point) for point in band.tolist()}
    assert lines(axes, "b").get_ydata().tolist() == [-1, -2, -3]
    assert lines(axes, "b").get_color() != seeds.get_color()
    precision = lines(panels["Precision@5, held-out users"], "a (2 seeds)")
    np.testing.assert_allclose(precision.get_ydata(), [0.2])
    assert not panels["Mean Q"].lines


def test_a_reward_goes_by_the_name_that_its_protocol_gives_it():
    runs = [("new users", [{"step": 1.0, "session_reward@10": 1.5, "reward@10": 9.0}])]
    runs.append(("simulator", [{"step": 1.0, "reward@10": 2.5}]))
    axes = drawn(strategies(runs))["Reward of 10 recommendations, held-out users"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1.5], [2.5]]


def test_the_legend_of_long_names_lies_within_the_figure():
    names = [f"{place}: a row of some forty characters (paper)" for place in range(6)]
    figure = strategies([(name, curve(1.0)) for name in names for _ in range(3)])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent(canvas.get_renderer())
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert len(legend.get_texts()) == len(names)
