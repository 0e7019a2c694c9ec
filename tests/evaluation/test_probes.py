"""Probes on toy data, each against something obvious."""

import numpy as np
import pytest

from evaluation import probes
from evaluation.intervals import paired_difference
from evaluation.protocols.new_users import SessionProtocol

T = 9


class LastSeen:
    """An order that depends on the window's last item; asked again after every answer."""

    name, adaptive = "last-seen", True

    def scores(self, observation, candidates):
        assert candidates is None
        order = 7 * np.arange(40) + 3 * observation.window_items[:, -1:]
        return (order % 40).astype(np.float32)


@pytest.fixture
def session(toy):
    return SessionProtocol(toy, ks=(T,))


@pytest.fixture
def results(session, tied):
    agent = tied(adaptive=True, name="drr")
    played = [session.run(policy) for policy in (agent, probes.FixedList(agent), tied())]
    return {result.policy: result for result in played}


def test_a_fixed_list_is_asked_once_and_equals_the_first_answer(make_toy):
    session = SessionProtocol(make_toy(n_users=150), ks=(5,))
    listening, fixed = session.run(LastSeen()), session.run(probes.FixedList(LastSeen()))
    assert fixed.policy == "last-seen-static"
    for row in range(session.n_users):
        known = session.start(np.array([row]))
        (order,) = np.argsort(-LastSeen().scores(known, None), axis=1)
        expected = order[~np.isin(order, known.known_items[0])][:5]
        np.testing.assert_array_equal(fixed.items[row], expected)
    np.testing.assert_array_equal(fixed.items[:, 0], listening.items[:, 0])
    assert (fixed.items != listening.items).any()


def test_quantiles_name_users_with_that_value():
    values = np.array([0.4, 0.0, 0.2, 0.0, 1.0])
    assert probes.at_quantiles(values, (0.0, 0.5, 1.0)) == [1, 2, 4]


def test_the_figure_shows_rewards_of_every_step_and_the_lead(results):
    figure = probes.by_step(list(results.values()), results["drr-static"])
    figure.draw_without_rendering()
    titles = ["reward of step t", "reward so far", "so far, less drr-static's"]
    assert [axes.get_title() for axes in figure.axes] == titles
    for axes in figure.axes:
        (line,) = [line for line in axes.lines if line.get_label() == "drr"]
        assert line.get_xdata().tolist() == list(range(1, T + 1))
    totals = [results[name].rewards.sum(axis=1) for name in ("drr", "drr-static")]
    assert line.get_ydata()[-1] == pytest.approx((totals[0] - totals[1]).mean())
    band = axes.collections[-1].get_paths()[0].vertices
    low, high = (band[band[:, 0] == T][:, 1].min(), band[band[:, 0] == T][:, 1].max())
    lead = paired_difference(*totals)
    assert (low, high) == pytest.approx((lead.low, lead.high))
    assert line.get_ydata()[0] == 0  # the first item is the same
