"""Courses and tables of the long term, against the results they describe."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from evaluation import long_term
from evaluation.probes import FixedList
from evaluation.protocols.session import Session
from evaluation.statistics import over_users, paired_difference

T = 9


@pytest.fixture
def session(toy):
    return Session(toy, ks=(T,))


@pytest.fixture
def results(session, tied):
    class Named(tied):
        name = "drr"

    agent = Named(adaptive=True)
    played = [session.run(policy) for policy in (agent, FixedList(agent), tied())]
    return {result.policy: result for result in played}


def test_courses_are_the_means_and_intervals_of_every_step(session, results):
    agent, static = results["drr"], results["drr-static"]
    found = long_term.courses(agent, static, session.visible)
    assert found["reward of step t"].mean.shape == (T,)
    totals = np.cumsum(agent.rewards, axis=1)
    expected = over_users({"": totals[:, -1]})[""]
    so_far = found["reward so far"]
    last = [values[-1] for values in (so_far.mean, so_far.low, so_far.high)]
    assert last == pytest.approx([expected.mean, expected.low, expected.high])
    difference = paired_difference(totals[:, -1], static.rewards.sum(axis=1))
    lead = found["reward so far, less drr-static's"]
    assert (lead.mean[-1], lead.low[-1]) == pytest.approx((difference.mean, difference.low))
    assert lead.mean[0] == lead.low[0] == lead.high[0] == 0  # the first item is the same
    assert lead.mean.any()


def test_variety_counts_what_was_shown(toy, session, results):
    items = results["drr"].items
    found = long_term.courses(results["drr"], results["drr"], session.visible)
    different = found[f"{long_term.DIFFERENT}, so far"]
    assert different.mean.tolist() == [len(np.unique(items[:, :k])) for k in range(2, T + 1)]
    whole = long_term.variety(items, T, session.visible)
    counts = np.bincount(session.visible.items, minlength=toy.n_items)
    np.testing.assert_allclose(whole["ratings of an item"], counts[items].mean(axis=1))
    same_genre = toy.genres[items].astype(int) @ toy.genres.T.astype(int)
    pairs = np.take_along_axis(same_genre, items[:, None, :].repeat(T, 1), axis=2)
    alone = (toy.genres[items].sum(axis=2) > 0).sum(axis=1)  # an item and itself
    expected = 1 - (pairs.sum(axis=(1, 2)) - alone) / (T * (T - 1))
    np.testing.assert_allclose(whole[long_term.GENRES], expected)


def test_the_figure_has_a_panel_for_every_course(session, results):
    played, visible = list(results.values()), session.visible
    figure = long_term.by_step(played, results["drr-static"], visible)
    FigureCanvasAgg(figure).draw()
    assert [axes.get_title() for axes in figure.axes] == list(
        long_term.courses(played[0], played[1], visible)
    )
    (line,) = [line for line in figure.axes[3].lines if line.get_label() == "tied"]
    assert line.get_xdata().tolist() == list(range(2, T + 1))
    assert line.get_ydata()[-1] == pytest.approx(
        long_term.variety(results["tied"].items, T, visible)[long_term.NOVELTY].mean()
    )


def test_without_genres_a_panel_and_a_column_are_missing(session, results):
    bare = replace(session.visible, genre_names=(), genres=np.zeros((session.visible.n_items, 0)))
    figure = long_term.by_step(list(results.values()), results["drr-static"], bare)
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 5
    assert long_term.GENRES not in long_term.variety_table(results, bare)


def cells(table):
    lines = [line for line in table.splitlines() if "---" not in line]
    rows = [line.strip("| ").split(" | ") for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_rewards_are_split_into_quarters_that_add_up(results):
    found = cells(long_term.reward_table(results, "drr"))
    head = long_term.reward_table(results, "drr").splitlines()[0]
    assert head == "|  | steps 1 to 2 | steps 3 to 4 | steps 5 to 6 | steps 7 to 9 | steps 1 to 9 |"
    means = [float(cell.split()[0]) for cell in found["drr"]]
    assert sum(means[:-1]) == pytest.approx(means[-1], abs=0.003)
    expected = results["drr"].rewards[:, 2:4].sum(axis=1) - results["tied"].rewards[:, 2:4].sum(1)
    assert found["drr less tied"][1].startswith(f"{expected.mean():+.3f} (")
    assert "drr less drr" not in found and "drr less drr-static" in found


def test_the_variety_table_has_every_policy(session, results):
    found = cells(long_term.variety_table(results, session.visible))
    assert list(found) == ["policy", "drr", "drr-static", "tied"]
    place = found["policy"].index(long_term.DIFFERENT)
    assert found["tied"][place] == str(len(np.unique(results["tied"].items)))
