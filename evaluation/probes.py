"""Small experiments that look inside a policy: what feedback, history, leaks and time do to it."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from data.observation import FloatArray, IntArray, Observation, latest
from data.policy import Policy
from evaluation.intervals import Estimate, over_users, paired_difference
from evaluation.metrics import top_k
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


def leave_one_out(observation: Observation) -> Observation:
    """One user before any answer, and the same without each known item in turn.

    B = 1 with H known items -> B = 1 + H: row 0 is unchanged, row 1 + j lacks item j.
    """
    size = int((observation.known_items >= 0).sum())
    kept = np.vstack([np.ones((1, size), bool), ~np.eye(size, dtype=bool)])  # [1 + H, H]
    same = observation.rows(np.zeros(size + 1, np.int64))
    begin = same.known_items.shape[1] - size
    items, ratings = same.known_items[:, begin:], same.known_ratings[:, begin:]
    return Observation.start(
        same.users,
        same.demographics,
        *latest(items, ratings, kept, size),
        window=observation.window,
    )


def best_items(
    policy: Policy, observation: Observation, k: int, blocked: IntArray
) -> NDArray[np.int32]:
    """The policy's k best items of the whole catalogue without `blocked` [any]: [B, k]."""
    scores = np.array(policy.scores(observation, None))
    scores[:, blocked] = -np.inf
    return top_k(scores, k)


def n_replaced(lists: IntArray) -> NDArray[np.int64]:
    """How many items of the first list are missing from each other one: [B, k] -> [B - 1]."""
    return np.array([len(np.setdiff1d(lists[0], other)) for other in lists[1:]], np.int64)


def at_quantiles(values: FloatArray, quantiles: Sequence[float]) -> list[int]:
    """Rows of the users who stand at these quantiles of values [U]; ties to the lower row."""
    order = np.argsort(values, kind="stable")
    ranks = np.rint(np.asarray(quantiles) * (len(values) - 1)).astype(np.int64)
    wanted = np.asarray(values)[order[ranks]]
    return [int(np.flatnonzero(values == value)[0]) for value in wanted]


def project(vectors: FloatArray, seed: int = 0) -> NDArray[np.float64]:
    """A 2-D picture of vectors [N, k] that keeps neighbours: t-SNE of cosine distances, [N, 2].

    Starts from the principal components, so that equal vectors and seeds give equal pictures.
    """
    from sklearn.manifold import TSNE  # deferred: a second to import

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    picture = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(picture.fit_transform(unit), np.float64)


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
