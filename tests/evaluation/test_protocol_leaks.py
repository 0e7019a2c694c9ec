"""What a policy is given does not depend on, and does not lead to, what the protocol hides."""

import gc
import types
from dataclasses import replace

import numpy as np
import pytest

from evaluation.protocols.known_users import RerankProtocol, SimulatorProtocol
from evaluation.protocols.new_users import CatalogProtocol, EngagementProtocol, SessionProtocol

WINDOW = 4
CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)


class Nothing:
    def rating(self, users, items):
        return np.full(items.shape, 3.0)


PROTOCOLS = {
    "catalog": lambda ratings: CatalogProtocol(ratings, window=WINDOW),
    "session": lambda ratings: SessionProtocol(ratings, window=WINDOW, ks=(5,)),
    "engagement": lambda r: EngagementProtocol(r, Nothing(), window=WINDOW, max_steps=5),
    "rerank": lambda ratings: RerankProtocol(ratings, window=WINDOW, ks=(2,)),
    "simulator": lambda ratings: SimulatorProtocol(ratings, Nothing(), window=WINDOW, ks=(5,)),
}


class Spy:
    """Plays item ids in order and keeps everything it was ever given."""

    name = "spy"

    def __init__(self, adaptive=False):
        self.adaptive, self.given = adaptive, []

    def scores(self, observation, candidates):
        self.given.append((observation, candidates))
        width = 40 if candidates is None else candidates.shape[1]
        return -np.tile(np.arange(width, dtype=np.float32), (observation.n_users, 1))


def hidden_rows(ratings, name):
    """bool [N]: what the protocol keeps from policies at the start."""
    position = np.arange(ratings.n_ratings) - np.repeat(ratings.offsets[:-1], ratings.lengths)
    if name in ("rerank", "simulator"):
        return position >= np.repeat((0.8 * ratings.lengths).astype(int), ratings.lengths)
    return (position >= WINDOW) & np.isin(ratings.users, PROTOCOLS[name](ratings).eval_users)


def rewritten(ratings, name):
    """The same ratings with other values in the hidden rows and, for new users, other items."""
    hidden = hidden_rows(ratings, name)
    values = np.where(hidden, 6 - ratings.values, ratings.values)
    items = ratings.items.copy()
    if name not in ("rerank", "simulator"):
        for user in np.unique(ratings.users[hidden]):
            row = ratings.row(user)
            free = np.setdiff1d(np.arange(ratings.n_items), ratings.items[row])
            places = np.arange(row.start, row.stop)[hidden[row]][: len(free)]
            items[places] = free[: len(places)]
    return replace(ratings, items=items, values=values.astype(np.float32))


def reachable_arrays(*roots):
    """Every array that can be reached from the roots by following references, `.base` included."""
    seen, arrays, queue = set(), [], list(roots)
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, CODE):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            arrays.append(thing)
            queue.append(thing.base)
        queue.extend(gc.get_referents(thing))
    return arrays


def holds_any(secret, arrays):
    return any(np.isin(secret, array).any() for array in arrays if array.dtype.kind == "f")


def everybody(protocol):
    return protocol.start(np.arange(protocol.n_users))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_hidden_ratings_change_nothing_that_a_policy_is_given(toy, name):
    before, after = PROTOCOLS[name](toy), PROTOCOLS[name](rewritten(toy, name))
    assert (toy.values != rewritten(toy, name).values).any()
    for field in ("offsets", "items", "values", "timestamps", "demographics"):
        ours, theirs = getattr(before.visible, field), getattr(after.visible, field)
        np.testing.assert_array_equal(ours, theirs)
    spies = Spy(), Spy()
    for protocol, spy in zip((before, after), spies, strict=True):
        protocol.run(spy)
    for (ours, candidates), (theirs, others) in zip(spies[0].given, spies[1].given, strict=True):
        for field, value in ours._asdict().items():
            np.testing.assert_array_equal(value, getattr(theirs, field), err_msg=field)
        np.testing.assert_array_equal(candidates, others)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_no_array_within_reach_holds_the_truth(toy, name, adaptive):
    # Each rating gets its own value, so that an array that contains hidden ones is recognised.
    values = np.linspace(1.0, 2.9, toy.n_ratings, dtype=np.float32)
    unique = replace(toy.without_demographics(), values=values)
    protocol, spy = PROTOCOLS[name](unique), Spy(adaptive)
    heard = protocol.run(spy).ratings
    secret = np.setdiff1d(unique.values[hidden_rows(unique, name)], heard)
    assert len(secret) > 20
    assert holds_any(secret, reachable_arrays(vars(protocol)))  # the search itself works
    assert not holds_any(secret, reachable_arrays(protocol.visible, everybody(protocol), spy.given))


def test_a_policy_cannot_write_into_what_it_is_given(toy):
    class Vandal:
        name, adaptive = "vandal", True

        def scores(self, observation, candidates):
            for value in observation:
                if value is not None and value.size:
                    with pytest.raises(ValueError, match="read-only"):
                        value[...] = 0
            return np.zeros((observation.n_users, 40))

    assert (SessionProtocol(toy, ks=(2,)).run(Vandal()).items >= 0).all()
