"""EmbeddingTable: prediction, fold-in, files and their errors."""

import h5py
import numpy as np
import pytest

from embedding.factorise import fit_blend, fit_mf, fit_pmf
from embedding.table import EmbeddingError, EmbeddingTable


@pytest.fixture(scope="module")
def ratings(random_ratings):
    return random_ratings()


@pytest.fixture(scope="module")
def table(ratings):
    return fit_mf(ratings, 4, regularisation=0.5, sweeps=3)


def histories(ratings, users):
    """Whole histories of some users, left-padded with -1."""
    longest = max(ratings.lengths[users])
    items = np.full((len(users), longest), -1, np.int32)
    values = np.zeros((len(users), longest), np.float32)
    for row, user in enumerate(users):
        n = ratings.lengths[user]
        items[row, longest - n :] = ratings.items[ratings.row(user)]
        values[row, longest - n :] = ratings.values[ratings.row(user)]
    return items, values


@pytest.mark.parametrize("kind", ["mf", "pmf"])
def test_fold_in_of_a_known_history_is_the_fitted_user(ratings, kind):
    table = (fit_mf if kind == "mf" else fit_pmf)(ratings, 4, regularisation=0.5, sweeps=3)
    users = np.array([3, 0, 11, ratings.n_users - 1])  # the last one has no ratings
    vectors = table.fold_in(*histories(ratings, users))
    np.testing.assert_allclose(vectors, table.users[users], rtol=1e-3, atol=1e-4)


def test_predict_and_scores_by_hand(table):
    users, items = np.array([4, 2]), np.array([[0, 3, 3], [5, 1, 0]])
    predicted = table.predict(users, items)
    for b, user in enumerate(users):
        for c, item in enumerate(items[b]):
            expected = table.mean + table.item_bias[item] + table.user_bias[user]
            expected += float(table.users[user] @ table.items[item])
            assert predicted[b, c] == pytest.approx(expected, abs=1e-5)
    scores = table.scores(table.users[users])
    bias = table.user_bias[users][:, None]
    np.testing.assert_allclose(np.take_along_axis(scores, items, 1) + bias, predicted, atol=1e-5)


FITS = {
    "mf": lambda ratings: fit_mf(ratings, 3, sweeps=1),
    "pmf": lambda ratings: fit_pmf(ratings, 3, sweeps=1),
    "blend": lambda ratings: fit_blend(ratings, 11, 2),
}


@pytest.mark.parametrize("kind", FITS)
def test_file_round_trip(ratings, tmp_path, kind):
    table, path = FITS[kind](ratings), tmp_path / "run" / "embedding.weights.h5"
    table.save(path)
    again = EmbeddingTable.load(path)
    assert list(path.parent.iterdir()) == [path]
    for name, value in vars(table).items():
        found = getattr(again, name)
        if isinstance(value, np.ndarray):
            assert found.dtype == np.float32 and found.tobytes() == value.tobytes(), name
        else:
            assert found == value, name
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first


def replace(path, name, value):
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("items", None, "'items': missing"),
        ("items", np.zeros((2, 3, 4), np.float32), r"2 dimensions, found float32 \(2, 3, 4\)"),
        ("items", np.zeros((20, 3)), "float64"),
        ("users", np.zeros((30, 9), np.float32), r"'users': expected shape \(30, 4\), found"),
        ("user_bias", np.zeros(7, np.float32), r"\(30,\), found \(7,\)"),
        ("user_bias", np.full(30, np.nan, np.float32), "'user_bias'.*finite"),
        ("items", np.zeros((0, 4), np.float32), r"expected items and components, found \(0, 4\)"),
        ("items", "text", "'items': expected float32 of 2 dimensions, found text"),
    ],
)
def test_damaged_fields_are_named(table, tmp_path, name, value, message):
    path = tmp_path / "embedding.weights.h5"
    table.save(path)
    replace(path, name, value)
    with pytest.raises(EmbeddingError, match=message) as error:
        EmbeddingTable.load(path)
    assert str(path) in str(error.value)


def test_files_that_are_not_embeddings(tmp_path):
    path = tmp_path / "embedding.weights.h5"
    with pytest.raises(FileNotFoundError, match="no such embedding file"):
        EmbeddingTable.load(path)
    path.write_bytes(b"not HDF5")
    with pytest.raises(EmbeddingError, match="readable HDF5"):
        EmbeddingTable.load(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(EmbeddingError, match="'format'"):
        EmbeddingTable.load(path)
