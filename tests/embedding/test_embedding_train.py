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


def test_command_fits_on_the_training_users_and_saves(tmp_path, capsys):
    out = tmp_path / "embedding.weights.h5"
    train.run(train.EmbeddingArguments(kind="pmf", dataset="synthetic", dim=8, out=out))
    printed = capsys.readouterr().out
    assert str(out) in printed
    table = EmbeddingTable.load(out)
    assert table.k == 8 and table.users[0].any() and not table.users[-1].any()


REFUSED = {
    "kind": (["--kind", "pmff"], "invalid choice 'pmff'"),
    "flag": (["--dimm", "8"], "--dim INT"),
    "dim": (["--dim", "1"], "embedding.dim is 1, expected 2 to 4096"),
    "seed": (["--seed", "-1"], "--seed is -1, expected 0 to 2147483647"),
    "root": (["--data-root", "/absent"], "--data-root '/absent': no such folder"),
    "out is there": (["--out", __file__], "exists already; remove it or choose another --out"),
    "out below a file": (["--out", f"{__file__}/a/b.h5"], "is no writable folder; change --out"),
}


@pytest.mark.parametrize(("flags", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_refused_before_anything_is_fitted(
    capsys, monkeypatch, flags, words
):
    monkeypatch.setattr(embedding, "fit", lambda *_: pytest.fail("fitted too early"))
    try:
        status = train.main(["--dataset", "synthetic", *flags])
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    assert status == 2 and captured.out == "" and words in " ".join(captured.err.split())
