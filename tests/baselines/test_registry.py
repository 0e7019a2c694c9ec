"""Every name builds, sees the visible part only, repeats itself and survives the cache."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from baselines import registry
from data.policy import Policy

# a draw, himself left out of the neighbours, all learn from all
ROW_OF_USER = ("random", "user-knn", "session-ridge", "session-ridge-demographics", "linucb")
SMALL = {  # parameters that fit tiny data; the rest as tuned
    "svd++": {"k": 3, "epochs": 2},
    "ials": {"k": 4, "regularisation": 0.1},
    "two-tower": {"k": 8, "window": 4, "steps": 3},
    "sasrec": {"k": 8, "length": 6, "steps": 2, "blocks": 1},
    "pure-svd": {"k": 4},
    "ridge": {"k": 6, "window": 4},
    "mf-mmr-price": {"price": 0.02},
    "blend": {"members": (("mf", {"k": 3}), ("svd++", {"k": 3, "epochs": 1}))},
}
for _name in ("ridge", "two-tower"):
    SMALL[f"{_name}-demographics"] = SMALL[_name] | {"demographics": True}
SMALL["ensemble"] = {"members": (("ridge", SMALL["ridge"]), ("user-knn", {})), "weights": (1, 0.2)}
SMALL["ensemble-demographics"] = {
    "members": (("ridge", SMALL["ridge-demographics"]), ("popularity-demographics", {}))
}
SMALL["session-ridge"] = {"size": 6, "window": 4, "known": 3, "steps": 3}
SMALL["session-ridge-demographics"] = SMALL["session-ridge"] | {"demographics": True}
SMALL["session-ridge-knn"] = SMALL["session-ridge-knn-demographics"] = SMALL["ensemble"]
CACHED = [
    *("session-ridge", "ease", "pure-svd", "ridge-demographics", "mf", "mf-foresight", "svd++"),
    *("ials", "two-tower", "sasrec", "linucb", "hlinucb"),
]
SECONDS = ("two-tower", "sasrec", "session-ridge")  # to fit each


def cases(names):
    """Parameters of a test; what takes seconds to fit is marked as slow."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name.startswith(SECONDS) else [])
        for name in names
    ]


IN = {name: entry.only_in[0] for name, entry in registry.ENTRIES.items()}  # a protocol of each


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(
        registry, "TUNED", {name: dict.fromkeys(registry.PROTOCOLS, SMALL[name]) for name in SMALL}
    )


@pytest.fixture(scope="module")
def built(ratings):
    """`built(name, protocol)`, fitted once."""
    return cache(lambda name, protocol: registry.build(name, protocol, ratings))


@pytest.mark.parametrize("name", cases(registry.ENTRIES))
def test_every_baseline_scores_the_catalogue_and_candidates(
    name, built, ratings, answered, candidates
):
    policy = built(name, IN[name])
    assert isinstance(policy, Policy) and policy.name == name
    assert policy.adaptive == (name in ("linucb", "hlinucb") or "mf-" in name)
    every, some = policy.scores(answered, None), policy.scores(answered, candidates)
    assert every.shape == (answered.n_users, ratings.n_items) and np.isfinite(every).all()
    expected = np.take_along_axis(every, np.maximum(candidates, 0), axis=1)
    np.testing.assert_allclose(some[candidates >= 0], expected[candidates >= 0], atol=1e-5)


@pytest.mark.parametrize(
    "name", cases(name for name in registry.ENTRIES if name not in ROW_OF_USER)
)
def test_scores_depend_on_nothing_but_what_is_observed(name, built, answered):
    """Not on the others in the batch, nor on who the users are, nor on how much is padding."""
    policy, chosen = built(name, IN[name]), np.array([6, 9])
    single = answered.rows(chosen)._replace(users=np.array([-1, -1], np.int32))
    padding = ((0, 0), (3, 0))
    single = single._replace(
        known_items=np.pad(single.known_items, padding, constant_values=-1),
        known_ratings=np.pad(single.known_ratings, padding),
    )
    found = policy.scores(single, None)
    np.testing.assert_allclose(found, policy.scores(answered, None)[chosen], atol=1e-4)


@pytest.mark.parametrize("name", cases(registry.ENTRIES))
def test_hidden_ratings_change_nothing_and_two_builds_are_equal(name, everybody, ratings, answered):
    """Fitted on users 0..29, whatever users 30..39 think of films."""
    visible = hidden_scrambled(everybody).of_users(np.arange(30))
    policy = registry.build(name, IN[name], ratings, seed=3)
    again = registry.build(name, IN[name], visible, seed=3)
    np.testing.assert_array_equal(policy.scores(answered, None), again.scores(answered, None))


def hidden_scrambled(everybody):
    rng = np.random.default_rng(9)
    hidden = everybody.users >= 30
    values = np.where(hidden, rng.integers(1, 6, everybody.n_ratings), everybody.values)
    items = everybody.items.copy()
    for user in range(30, 40):
        row = everybody.row(user)
        items[row] = rng.permutation(everybody.n_items)[: row.stop - row.start]
    return replace(everybody, items=items, values=values.astype(np.float32))


@pytest.mark.parametrize("name", cases(CACHED))
def test_cache_round_trip(name, ratings, answered, tmp_path, monkeypatch):
    protocol = registry.ENTRIES[name].only_in[-1]
    fresh = registry.build(name, protocol, ratings, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    with np.load(file, allow_pickle=False) as arrays:
        assert arrays.files
    inner = fresh.members[0] if hasattr(fresh, "members") else fresh
    monkeypatch.setattr(type(inner), "fit", lambda *_: pytest.fail("not read from the cache"))
    cached = registry.build(name, protocol, ratings, cache_dir=tmp_path)
    np.testing.assert_array_equal(fresh.scores(answered, None), cached.scores(answered, None))


def test_cache_is_keyed_by_split_and_seed(everybody, ratings, tmp_path):
    for visible, seed in ((ratings, 0), (everybody, 0), (ratings, 1)):
        registry.build("svd++", "rerank", visible, seed=seed, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_member_of_an_ensemble_shares_the_file_of_its_row(ratings, answered, tmp_path):
    alone = registry.build("ridge", "catalog", ratings, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    ensemble = registry.build("ensemble", "catalog", ratings, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == [file]
    member = ensemble.members[0].members[0]
    np.testing.assert_array_equal(member.scores(answered, None), alone.scores(answered, None))
    for name in ("ridge-demographics", "ensemble-demographics"):  # whose member is called ridge
        registry.build(name, "catalog", ratings, cache_dir=tmp_path)
        assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_cache_file_is_trained_again(ratings, answered, tmp_path):
    fresh = registry.build("svd++", "rerank", ratings, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = registry.build("svd++", "rerank", ratings, cache_dir=tmp_path)
    np.testing.assert_array_equal(fresh.scores(answered, None), again.scores(answered, None))
    with np.load(file, allow_pickle=False) as arrays:
        assert "items" in arrays.files


def test_unknown_names_list_the_choices(ratings):
    with pytest.raises(ValueError, match=r"choose from .*item-knn"):
        registry.build("itemknn", "catalog", ratings)
    with pytest.raises(ValueError, match="choose from catalog"):
        registry.names("catalogue")


def test_a_table_has_the_forms_with_demographics_or_those_without():
    found = registry.names("session")
    with_groups, without = (registry.comparable(found, on) for on in (True, False))
    assert {"ridge-demographics", "ridge-demographics-adaptive", "ease"} <= set(with_groups)
    assert not {"ridge", "ridge-adaptive", "two-tower"} & set(with_groups)
    assert {"ridge-adaptive", "ease"} <= set(without)
    assert not [name for name in without if "demographics" in name]
    assert "popularity" in with_groups and "popularity" in without


@pytest.mark.parametrize("name", cases(registry.comparable(registry.names("session"), False)))
def test_who_is_unknown_is_shown_what_is_popular(name, built, new_users):
    """And answers make it personal; whoever is known gets what he got before."""
    if registry.ENTRIES[name.removesuffix("-adaptive")].prior is None:
        return
    nobody = new_users._replace(
        known_items=new_users.known_items[:, :0],
        known_ratings=new_users.known_ratings[:, :0],
        window_items=np.full_like(new_users.window_items, -1),
    )
    popular = built("popularity", "session").scores(nobody, None)
    found = built(name, "session").scores(nobody, None)
    ordered = np.take_along_axis(found, np.argsort(-popular, axis=1, kind="stable"), axis=1)
    assert (np.diff(ordered, axis=1) <= 1e-6).all()
