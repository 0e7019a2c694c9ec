"""Small experiments that look inside a policy: what feedback and time do to it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data.observation import FloatArray, IntArray, Observation
from data.policy import Policy
from evaluation.intervals import over_users
from evaluation.plots import add_legend, coloured, draw_band, new_figure
from evaluation.protocols.base import EvaluationProtocol, Result
from evaluation.report import Report, summarise


def compare(
    dataset: str, protocol: EvaluationProtocol, policies: Sequence[Policy], agent: str = "drr"
) -> tuple[Report, dict[str, Result]]:
    """Play fitted policies, and report them; {name: result} holds every list that was shown.

    Policies whose names begin with `agent` are compared, user by user, with the best other one.
    """
    results = {policy.name: protocol.run(policy) for policy in policies}
    runs = {name: [result] for name, result in results.items()}
    trained = [name for name in results if name.startswith(agent)]
    return summarise(dataset, protocol, runs, trained=trained), results


class FixedList:
    """An adaptive policy that is asked once: its list is played whatever the answers are."""

    adaptive = False

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.name = f"{policy.name}-static"

    def scores(self, observation: Observation, candidates: IntArray | None) -> FloatArray:
        return self.policy.scores(observation, candidates)


def at_quantiles(values: FloatArray, quantiles: Sequence[float]) -> list[int]:
    """Rows of the users who stand at these quantiles of values [U]; ties to the lower row."""
    wanted = np.quantile(values, quantiles, method="nearest")
    return [int(np.flatnonzero(values == value)[0]) for value in wanted]


def by_step(results: Sequence[Result], reference: Result, highlight: str = "drr") -> Figure:
    """Rewards from step 1 on, alone and less `reference`'s; bands: 95% intervals over users."""
    figure, panels = new_figure(1, 3, (12.5, 3.8))
    titles = ("reward of step t", "reward so far", f"so far, less {reference.policy}'s")
    others = np.cumsum(reference.rewards, axis=1)
    for row, colour in coloured([result.policy for result in results], highlight):
        rewards = results[row].rewards
        so_far = np.cumsum(rewards, axis=1)
        for axes, values in zip(panels, (rewards, so_far, so_far - others), strict=True):
            estimates = over_users({str(step): column for step, column in enumerate(values.T, 1)})
            steps = range(1, 1 + len(estimates))
            draw_band(axes, steps, [*estimates.values()], colour, results[row].policy)
    for axes, title in zip(panels, titles, strict=True):
        axes.set(title=title, xlabel="step t")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.axhline(0, color="black", lw=0.6)
    add_legend(panels[0])
    return figure
