"""Every name builds, sees the visible part only, repeats itself and survives the cache."""

from pathlib import Path

import numpy as np
import pytest

from baselines import registry
from baselines.svdpp import SVDpp
from baselines.tuned import TUNED
from data.ratings import Ratings
from evaluation.policy import Policy, States

NETWORKS = ("two-tower", "sasrec")
SMALL = {  # parameters that fit tiny data; the rest as tuned
    "svd++": {"k": 3, "epochs": 2},
    "ials": {"k": 4, "regularisation": 0.1},
    "two-tower": {"k": 8, "window": 4, "steps": 3},
    "sasrec": {"k": 8, "length": 6, "steps": 2, "blocks": 1},
    "pure-svd": {"k": 4},
    "ridge": {"k": 6, "window": 4},
    "blend": {"members": (("mf", {"k": 3}), ("svd++", {"k": 3, "epochs": 1}))},
}
STATIC = [name for name in registry.names("session") if not name.endswith("-adaptive")]
CASES = [  # between them these protocols have every name
    (protocol, name)
    for protocol in ("session", "simulator")
    for name in registry.names(protocol)
    if protocol == "session" or name not in registry.names("session")
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "TUNED", {name: dict.fromkeys(registry.PROTOCOLS, SMALL[name]) for name in SMALL}
    )


@pytest.mark.parametrize(("protocol", "name"), CASES)
def test_every_baseline_builds_and_scores(
    protocol: str, name: str, ratings: Ratings, answered: States
) -> None:
    policy = registry.build(name, protocol, ratings)
    assert isinstance(policy, Policy)
    assert policy.name == name
    assert policy.adaptive == (name.endswith("-adaptive") or name in ("linucb", "hlinucb"))
    scores = policy.scores(answered, None)
    assert scores.shape == (answered.n_users, ratings.n_items)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", STATIC)
def test_candidates_are_read_from_the_whole_catalogue(
    name: str, ratings: Ratings, answered: States, candidates: np.ndarray
) -> None:
    policy = registry.build(name, "session", ratings)
    every, some = policy.scores(answered, None), policy.scores(answered, candidates)
    real = candidates >= 0
    expected = np.take_along_axis(every, np.maximum(candidates, 0), axis=1)
    np.testing.assert_allclose(some[real], expected[real], atol=1e-5)


@pytest.mark.parametrize("name", [n for n in registry.ENTRIES if n not in NETWORKS])
def test_two_builds_are_equal(name: str, ratings: Ratings, answered: States) -> None:
    protocol = registry.ENTRIES[name].only_in[0]
    first = registry.build(name, protocol, ratings, seed=3).scores(answered, None)
    second = registry.build(name, protocol, ratings, seed=3).scores(answered, None)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", STATIC)
def test_hidden_ratings_change_nothing(
    name: str, everybody: Ratings, ratings: Ratings, answered: States
) -> None:
    """Fitted on users 0..29, whatever users 30..39 think of films; training ratings do matter."""
    visible = hidden_scrambled(everybody).of_users(np.arange(30))
    policy = registry.build(name, "session", ratings)
    again = registry.build(name, "session", visible)
    np.testing.assert_array_equal(policy.scores(answered, None), again.scores(answered, None))


def hidden_scrambled(everybody: Ratings) -> Ratings:
    rng = np.random.default_rng(9)
    hidden = everybody.users >= 30
    values = np.where(hidden, rng.integers(1, 6, everybody.n_ratings), everybody.values)
    items = everybody.items.copy()
    for user in range(30, 40):
        row = everybody.row(user)
        items[row] = rng.permutation(everybody.n_items)[: row.stop - row.start]
    return Ratings.from_events(
        "tiny",
        everybody.users,
        items,
        values,
        everybody.timestamps,
        user_ids=everybody.user_ids,
        item_ids=everybody.item_ids,
        demographics=everybody.demographics,
        demographic_names=everybody.demographic_names,
    )


@pytest.mark.parametrize("name", [n for n, entry in registry.ENTRIES.items() if entry.cached])
def test_cache_round_trip(
    name: str, ratings: Ratings, answered: States, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = registry.ENTRIES[name].only_in[-1]
    fresh = registry.build(name, protocol, ratings, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    with np.load(file, allow_pickle=False) as arrays:
        assert arrays.files
    monkeypatch.setattr(type(fresh), "fit", lambda *_: pytest.fail("not read from the cache"))
    cached = registry.build(name, protocol, ratings, cache_dir=tmp_path)
    np.testing.assert_array_equal(fresh.scores(answered, None), cached.scores(answered, None))


def test_cache_is_keyed_by_split_and_seed(
    everybody: Ratings, ratings: Ratings, tmp_path: Path
) -> None:
    for visible, seed in ((ratings, 0), (everybody, 0), (ratings, 1)):
        registry.build("svd++", "rerank", visible, seed=seed, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["svd++", "blend"])
def test_cache_is_keyed_by_defaults_too(
    name: str, ratings: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blend's members have defaults as well."""
    registry.build(name, "rerank", ratings, cache_dir=tmp_path)
    monkeypatch.setitem(SVDpp.__init__.__kwdefaults__, "learning_rate", 1e-3)
    registry.build(name, "rerank", ratings, cache_dir=tmp_path)
    registry.build(name, "rerank", ratings, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_cache_file_is_trained_again(
    ratings: Ratings, answered: States, tmp_path: Path
) -> None:
    fresh = registry.build("svd++", "rerank", ratings, cache_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    again = registry.build("svd++", "rerank", ratings, cache_dir=tmp_path)
    np.testing.assert_array_equal(fresh.scores(answered, None), again.scores(answered, None))
    with np.load(file, allow_pickle=False) as arrays:
        assert "items" in arrays.files


def test_unknown_names_list_the_choices(ratings: Ratings) -> None:
    with pytest.raises(ValueError, match=r"choose from .*item-knn"):
        registry.build("itemknn", "catalog", ratings)
    with pytest.raises(ValueError, match="choose from catalog"):
        registry.names("catalogue")


def test_catalog_has_no_adaptive_forms_and_bandits_live_in_the_simulator() -> None:
    assert not [name for name in registry.names("catalog") if name.endswith("-adaptive")]
    assert "linucb" not in registry.names("rerank")
    assert {"linucb", "hlinucb"} <= set(registry.names("simulator"))


def test_what_is_tuned_exists() -> None:
    for name, chosen in TUNED.items():
        assert set(chosen) <= set(registry.PROTOCOLS)
        for settings in chosen.values():
            registry.make(name, settings)
