"""Weights that must not load or be written: one message each, and the model stays as it was."""

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from weight_files import (
    H,
    K,
    Write,
    actor,
    critic,
    cut,
    drop,
    earlier_actor,
    edit,
    empty_hdf5,
    legacy,
    legacy_actor,
    legacy_critic,
    of_bytes,
    own_actor,
    own_critic,
    put,
    sized,
    swap,
    unnumbered,
)

from recommender.weights import WeightsError, load_weights, save_weights

SMALL_K_ACTOR = [(6, H), (H, H), (H, 3)]
NAN = np.full((H, H), np.nan, np.float32)

# id: (model, file, what the message must say besides the path, parts separated by |)
WRONG: dict[str, tuple[Callable[[], keras.Model], Write, str]] = {
    "no such file": (actor, lambda path: path, "no such file"),
    "text": (actor, of_bytes(b"epoch,loss\n1,0.5\n"), "expected an HDF5 file"),
    "half a file": (critic, cut(own_critic, 0.5), "truncated"),
    "HDF5 with nothing in it": (actor, empty_hdf5, "actor/hidden_1/kernel|[8, 8]|nothing"),
    "external link": (
        actor, edit(own_actor, put("hidden_2", h5py.ExternalLink("b.h5", "/x"))), "is a link",
    ),
    # our own files
    "own critic into actor": (actor, own_critic, "actor/action/kernel|critic's weights"),
    "own, other k": (
        actor, sized(own_actor, SMALL_K_ACTOR), "hidden_1/kernel|[8, 8]|[6, 8]|embedding_dim",
    ),
    "own, equal layers swapped": (
        actor, edit(own_actor, swap("hidden_1", "hidden_2")), "actor/hidden_1|hidden_2|shuffled",
    ),
    "own, layer missing": (
        actor, edit(own_actor, drop("hidden_2")), "actor/hidden_2/kernel|[8, 8]|nothing",
    ),
    "own, layer too many": (
        actor, edit(own_actor, put("more/vars/0", NAN)), "more/vars/0|expected nothing|[8, 8]",
    ),
    "own, NaN": (actor, edit(own_actor, put("hidden_2/vars/0", NAN)), "actor/hidden_2/kernel|NaN"),
    "own, integers": (
        actor, edit(own_actor, put("action/vars/1", [1] * K)), "actor/action/bias|int64",
    ),
    # earlier repositories, Keras 3
    "earlier actor, swapped": (
        actor, edit(earlier_actor, swap("fc/layers/dense", "fc/layers/dense_1")), "shuffled",
    ),
    # earlier repositories, Keras 2
    "legacy actor into critic": (
        critic, legacy_actor, "critic/hidden_state/kernel|[8, 4]|[8, 8]|actor's weights",
    ),
    "legacy critic, equal layers shuffled": (
        critic, legacy(legacy_critic, 0, 2, 1, 3), "dense_7|dense_8|shuffled",
    ),
    "legacy actor, no numbers": (
        actor, edit(legacy_actor, unnumbered), "middle|dense_9|found dense_9",
    ),
}  # fmt: skip


@pytest.mark.parametrize("new, write, says", WRONG.values(), ids=WRONG.keys())
def test_nothing_is_assigned(tmp_path: Path, new, write: Write, says: str) -> None:
    path, model = write(tmp_path / "given.h5"), new()
    before = model.get_weights()
    with pytest.raises(WeightsError) as error:
        load_weights(model, path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert [words for words in says.split("|") if words not in message] == []
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


# --- writing -------------------------------------------------------------------------------------


def test_only_weights_h5_is_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"actor\.h5: .*\.weights\.h5"):
        save_weights(actor(), tmp_path / "actor.h5")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_diverged_do_not_replace_good_ones(tmp_path: Path) -> None:
    path, model = tmp_path / "actor.weights.h5", actor()
    save_weights(model, path)
    good = path.read_bytes()
    model.action.bias.assign([np.nan] * K)
    with pytest.raises(WeightsError, match="actor/action/bias holds NaN"):
        save_weights(model, path)
    assert path.read_bytes() == good
