"""Weights that load: round trips, a golden file, earlier repositories' layouts, real files."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import toys
from weight_files import (
    ACTOR_GROUPS,
    ACTOR_SHAPES,
    CRITIC_GROUPS,
    CRITIC_NAMES,
    CRITIC_SHAPES,
    FC,
    FC_CRITIC,
    Dense,
    H,
    K,
    S,
    actor,
    arrays,
    critic,
    earlier_actor,
    earlier_critic,
    legacy_actor,
    legacy_critic,
    own_actor,
    own_critic,
    write_keras3,
)

from recommender.networks import Actor, BilinearCritic, Critic
from recommender.saved_run import Bundle
from recommender.weights import load_weights, save_weights


def unnamed(groups: list[str]) -> Callable[..., Path]:
    """Writes files as the earliest Keras 3 did: names are not stored."""
    return lambda path, layers: write_keras3(path, groups, None, layers)


def assert_holds(model: keras.Model, layers: list[Dense]) -> None:
    """The layers are the model's, in the order in which it computes with them."""
    expected = [array for pair in layers for array in pair]
    for variable, value in zip(model.weights, expected, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


@pytest.mark.parametrize("write", [own_actor, earlier_actor, legacy_actor, unnamed(FC)])
def test_every_layout_of_an_actor(tmp_path: Path, write: Callable[..., Path]) -> None:
    layers, model = arrays(ACTOR_SHAPES, seed=1), actor()
    load_weights(model, write(tmp_path / "any_name.h5", layers))
    assert_holds(model, layers)


@pytest.mark.parametrize("write", [own_critic, earlier_critic, legacy_critic, unnamed(FC_CRITIC)])
def test_every_layout_of_a_critic(tmp_path: Path, write: Callable[..., Path]) -> None:
    layers, model = arrays(CRITIC_SHAPES, seed=1), critic()
    load_weights(model, write(tmp_path / "any_name.weights.h5", layers))
    assert_holds(model, layers)


class EarlierActor(keras.Model):
    """As the earlier repositories built theirs, under Keras 3."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [(H, "relu"), (H, "relu"), (K, "tanh")]
        self.fc = keras.Sequential([keras.layers.Dense(n, activation=a) for n, a in sizes])

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.fc(x)


def test_file_of_a_trained_keras_3_model(tmp_path: Path) -> None:
    state = np.random.default_rng(0).normal(size=(4, S)).astype(np.float32)
    earlier = EarlierActor()
    earlier.compile("adam", "mse")
    keras.utils.set_random_seed(0)  # shuffling: determinism forbids random numbers without a seed
    earlier.fit(state, np.zeros((4, K)), verbose=0)
    earlier.save_weights(tmp_path / "actor.weights.h5")
    with h5py.File(tmp_path / "actor.weights.h5") as file:
        assert len(file["optimizer/vars"]) > 6  # ignored, though their shapes are the layers'
    model = actor()
    load_weights(model, tmp_path / "actor.weights.h5")
    np.testing.assert_array_equal(model(state), earlier(state))


NEW = {
    "actor": actor,
    "actor with skip": lambda: actor(output="linear-skip"),
    "critic": critic,
    "bilinear critic": lambda: BilinearCritic(K, H, state_dim=S),
    "two in one file": lambda: Bundle([critic(name="a"), critic(name="b")]),
}


@pytest.mark.parametrize("new", NEW.values(), ids=NEW.keys())
def test_round_trip_is_exact(tmp_path: Path, new: Callable[[], keras.Model]) -> None:
    path, model, other = tmp_path / "a.weights.h5", new(), new()
    saved = toys.randomise(model, 1).get_weights()
    toys.randomise(other, 2)
    save_weights(model, path)
    assert load_weights(other, path) is other
    for before, after in zip(saved, other.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights.h5"]
    new().load_weights(path)  # Keras reads them too


@pytest.mark.parametrize("model, groups, names", [
    (actor(), ACTOR_GROUPS, ACTOR_GROUPS), (critic(), CRITIC_GROUPS, CRITIC_NAMES)
])  # fmt: skip
def test_layout_on_disk_is_frozen(tmp_path: Path, model, groups, names) -> None:
    """Released files have this tree; should Keras change its own, they must still load."""
    save_weights(model, tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        paths: list[str] = []
        file.visititems(lambda p, node: paths.append(p) if isinstance(node, h5py.Dataset) else None)
        assert sorted(paths) == sorted(f"{group}/vars/{i}" for group in groups for i in (0, 1))
        assert [file[f"{group}/vars"].attrs["name"] for group in groups] == names


# --- real files of an earlier repository ---------------------------------------------------------


@pytest.fixture
def legacy_folder() -> Path:
    if "DRR_LEGACY_WEIGHTS" not in os.environ:
        pytest.skip("set DRR_LEGACY_WEIGHTS to the folder with actor_5000_fixed.h5 and critic_...")
    return Path(os.environ["DRR_LEGACY_WEIGHTS"])


def legacy_layers(path: Path) -> list[Dense]:
    """Kernels and biases by the number in dense_<number>."""
    found: dict[int, dict[str, np.ndarray]] = {}

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            layer, variable = name.split("/")[-2:]
            found.setdefault(int(layer.partition("_")[2] or 0), {})[variable] = node[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return [(found[i]["kernel:0"], found[i]["bias:0"]) for i in sorted(found)]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "kind"), [("actor", Actor), ("critic", Critic)])
def test_real_legacy_files(legacy_folder: Path, name: str, kind: type[keras.Model]) -> None:
    path, model = legacy_folder / f"{name}_5000_fixed.h5", kind()
    load_weights(model, path)
    assert_holds(model, legacy_layers(path))
