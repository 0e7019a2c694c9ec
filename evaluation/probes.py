"""Small experiments that look inside a policy: what feedback, history and leaks do to it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.policy import FloatArray, IntArray, Policy, States, take
from evaluation.protocols.base import EvaluationProtocol, Result
from evaluation.ranking import ask, top_k
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

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        return self.policy.scores(states, candidates)


class UserLookup:
    """Scores bias + user . item with *stored* user vectors; the states are ignored.

    This is how a leak looks: whatever the vectors were fitted on is what the policy knows.

    Args:
        name: the row's name in tables.
        users: vectors [U, k]; row u belongs to user u.
        items: vectors [I, k].
        item_bias: [I].
    """

    adaptive = False

    def __init__(
        self, name: str, users: FloatArray, items: FloatArray, item_bias: FloatArray
    ) -> None:
        self.name = name
        self._users, self._items, self._item_bias = users, items, item_bias

    def scores(self, states: States, candidates: IntArray | None) -> FloatArray:
        """See Policy.scores."""
        return take(self._users[states.users] @ self._items.T + self._item_bias, candidates)


def leave_one_out(states: States) -> States:
    """One user's state before any feedback, and that state without each known item in turn.

    states of B = 1 with H known items -> B = 1 + H: row 0 is unchanged, row 1 + j lacks item j.
    ValueError for several users, or after feedback.
    """
    if states.n_users != 1 or states.feedback_items.shape[1]:
        raise ValueError(
            f"need one user before any feedback, got {states.n_users} users after "
            f"{states.feedback_items.shape[1]} recommendations"
        )
    known = len(states.items)
    kept = np.vstack([np.ones((1, known), bool), ~np.eye(known, dtype=bool)])  # [1 + H, H]
    columns = np.nonzero(kept)[1]
    return States.begin(
        np.repeat(states.users, known + 1),
        np.concatenate([[0], np.cumsum(kept.sum(axis=1))]),
        states.items[columns],
        states.ratings[columns],
        window=states.window,
        n_items=states.n_items,
    )


def best_items(policy: Policy, states: States, k: int, blocked: IntArray) -> NDArray[np.int32]:
    """The policy's k best items of the whole catalogue without `blocked` [any]: [B, k]."""
    scores = np.array(ask(policy, states, None))
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

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    picture = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(picture.fit_transform(vectors / np.maximum(lengths, 1e-12)), np.float64)
