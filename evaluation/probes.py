"""Small experiments that look inside a policy: what feedback and time do to it."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data.observation import FloatArray, IntArray, Observation
from data.policy import Policy
from evaluation.intervals import Estimate, over_users, paired_difference
from evaluation.plots import add_legend, coloured, draw_band, new_figure
from evaluation.protocols.base import EvaluationProtocol, Result
from evaluation.report import Report, markdown_table, summarise

PARTS = 4  # of a session, in the table of rewards


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
        """See Policy.scores."""
        return self.policy.scores(observation, candidates)


def at_quantiles(values: FloatArray, quantiles: Sequence[float]) -> list[int]:
    """Rows of the users who stand at these quantiles of values [U]; ties to the lower row."""
    order = np.argsort(values, kind="stable")
    ranks = np.rint(np.asarray(quantiles) * (len(values) - 1)).astype(np.int64)
    wanted = np.asarray(values)[order[ranks]]
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


def reward_table(results: Mapping[str, Result], agent: str) -> str:
    """Markdown: the reward of each quarter of the session, then `agent`'s paired lead in it."""
    rewards = {name: _by_part(result.rewards) for name, result in results.items()}
    mine = rewards[agent]
    rows = [["", *mine]]
    for name, parts in rewards.items():
        rows.append([name, *(_text(over_users({"": one})[""], "") for one in parts.values())])
    for name, parts in rewards.items():
        if name != agent:
            leads = [_text(paired_difference(mine[part], parts[part]), "+") for part in parts]
            rows.append([f"{agent} less {name}", *leads])
    return markdown_table(rows)


def _by_part(rewards: FloatArray) -> dict[str, FloatArray]:
    """Rewards [U, T] summed within each quarter of the steps, and over all: [U] each."""
    last = rewards.shape[1]
    ends = [last * part // PARTS for part in range(PARTS + 1)]
    spans = [pair for pair in itertools.pairwise(ends) if pair[0] < pair[1]]
    return {
        f"steps {first + 1} to {end}": rewards[:, first:end].sum(axis=1)
        for first, end in (*spans, (0, last))
    }


def _text(estimate: Estimate, sign: str) -> str:
    return f"{estimate.mean:{sign}.3f} ({estimate.low:{sign}.3f}, {estimate.high:{sign}.3f})"
