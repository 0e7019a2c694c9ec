"""What test users did later reaches neither a trained number nor a recommendation."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from data import Ratings, load_dataset
from data.splits import split_users
from evaluation.protocols.new_users import CatalogProtocol

WINDOW = 6  # of a tiny run: what a test user shows
TRAINED = ("--loop.keep", "last")  # else the closed-form start may be kept, with an untrained state


def rebuilt(ratings: Ratings, items: np.ndarray, values: np.ndarray) -> Ratings:
    """The same events with other items and stars."""
    return Ratings.from_events(
        ratings.name,
        ratings.user_ids[ratings.users],
        ratings.item_ids[items],
        values,
        ratings.timestamps,
        user_ids=ratings.user_ids,
        item_ids=ratings.item_ids,
        titles=ratings.titles,
    )


def other_rows(ratings: Ratings, users: Iterable[int], kept: Callable[[int], int]) -> Ratings:
    """Of users with n rows those behind the first `kept(n)`: other items, other stars."""
    items, values, rng = ratings.items.copy(), ratings.values.copy(), np.random.default_rng(0)
    for user in users:
        row = ratings.row(user)
        hidden = slice(row.start + kept(row.stop - row.start), row.stop)
        fresh = np.setdiff1d(np.arange(ratings.n_items), items[row])
        items[hidden] = rng.permutation(fresh)[: hidden.stop - hidden.start]
        values[hidden] = 6 - values[hidden]
    return rebuilt(ratings, items, values)


def other_hidden_rows(ratings: Ratings) -> Ratings:
    """Of every test user what is behind the window."""
    return other_rows(ratings, split_users(ratings.n_users)[1], lambda _: WINDOW)


def other_late_rows(ratings: Ratings) -> Ratings:
    """Of everybody the last fifth."""
    return other_rows(ratings, range(ratings.n_users), lambda n: int(0.8 * n))


def other_training_stars(ratings: Ratings) -> Ratings:
    train_users = split_users(ratings.n_users)[0]
    values = np.where(np.isin(ratings.users, train_users), 6 - ratings.values, ratings.values)
    return rebuilt(ratings, ratings.items, values)


def recommendations(folder: Path, ratings: Ratings) -> np.ndarray:
    """Lists of all test users [U, 10], made from the run in `folder`."""
    from recommender import DRRAgent
    from recommender.drr_policy import DRRPolicy

    policy = DRRPolicy(DRRAgent.load(folder, ratings))
    return CatalogProtocol(ratings, window=WINDOW).run(policy).items


@pytest.fixture
def retrained(train, write, tmp_path):
    """`retrained(ratings)`: the folder of the same run on other ratings, and those ratings."""

    def run(ratings: Ratings) -> tuple[Path, Ratings]:
        root = write(ratings, tmp_path / "data")
        done = train(tmp_path / "runs", *TRAINED, root=root, eager=True)
        assert done.status == 0, done.err
        return done.folder, load_dataset("ml-1m", root)

    return run


@pytest.fixture(scope="module")
def original(train, tmp_path_factory) -> Path:
    """The folder of the run on the ratings as they are."""
    done = train(tmp_path_factory.mktemp("original"), *TRAINED, eager=True)
    assert done.status == 0, done.err
    return done.folder


@pytest.mark.slow
def test_hidden_rows_change_no_trained_array_and_no_recommendation(
    tiny, tiny_data, original, retrained, read_weights
):
    folder, changed = retrained(other_hidden_rows(tiny))
    mine, theirs = read_weights(folder), read_weights(original)
    assert changed.fingerprint() != tiny_data.fingerprint()
    assert mine.keys() == theirs.keys()
    files = {name.split(".")[0] for name in mine}
    assert files == {"actor", "critic", "state", "embedding"}
    for name, array in theirs.items():
        np.testing.assert_array_equal(mine[name], array, err_msg=name)
    expected = recommendations(original, tiny_data)
    assert expected.shape == (12, 10)
    np.testing.assert_array_equal(recommendations(folder, changed), expected)


@pytest.mark.slow
def test_training_rows_do_change_them(tiny, tiny_data, original, retrained, read_weights):
    folder, changed = retrained(other_training_stars(tiny))
    mine, theirs = read_weights(folder), read_weights(original)
    different = {name for name in theirs if not np.array_equal(mine[name], theirs[name])}
    assert {name.split(".")[0] for name in different} == {"actor", "critic", "state", "embedding"}
    expected = recommendations(original, tiny_data)
    assert np.any(recommendations(folder, changed) != expected)


FAST = ("--steps", "240", "--embedding.members", "2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "hidden"),
    [
        ("rerank", other_late_rows),
        ("simulator", other_late_rows),
        ("engagement", other_hidden_rows),
    ],
)
def test_hidden_ratings_of_other_protocols_change_no_trained_array(
    tiny, train, write, tmp_path, read_weights, protocol, hidden
):
    arrays = []
    for name, ratings in (("as they are", tiny), ("changed", hidden(tiny))):
        root = write(ratings, tmp_path / name / "data")
        flags = ("--protocol", protocol, "--run-name", "run", *FAST)
        run = train(tmp_path / name / "runs", *flags, root=root, eager=True)
        assert run.status == 0, run.err
        arrays.append(read_weights(run.folder))
    mine, theirs = arrays
    assert mine.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(mine[name], array, err_msg=name)
