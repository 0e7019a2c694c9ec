"""`embedding.fit` and `python -m embedding.train`."""

import pytest

import embedding
from config import EmbeddingConfig
from embedding import train
from embedding.table import EmbeddingTable


@pytest.mark.parametrize("kind", ["svd", "pmf", "random"])
def test_fit_dispatches(random_ratings, kind):
    table = embedding.fit(EmbeddingConfig(kind=kind, dim=6), random_ratings(), 0)
    assert (table.kind, table.k, table.n_items) == (kind, 6, 20)


def test_command_fits_on_the_training_users_and_saves_once(tmp_path, capsys):
    out = tmp_path / "embedding.weights.h5"
    flags = ["--dataset", "synthetic", "--kind", "pmf", "--dim", "8", "--out", str(out)]
    assert train.main(flags) == 0 and str(out) in capsys.readouterr().out
    table = EmbeddingTable.load(out)
    assert table.k == 8 and table.users[0].any() and not table.users[-1].any()
    assert train.main(flags) == 2
    assert "exists already; remove it or choose another --out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main([*flags, "--dim", "1"])
    assert "embedding.dim is 1, expected 2 to 4096" in capsys.readouterr().err
