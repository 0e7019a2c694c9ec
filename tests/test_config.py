"""Settings: what each refuses, in which words, and that JSON brings them back."""

import json
import os
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import pytest

from config import (
    AgentConfig,
    Config,
    ConfigError,
    CsvConfig,
    EmbeddingConfig,
    EnvConfig,
    LoopConfig,
    ReplayConfig,
    from_json,
    in_flags,
    load,
    preset,
    to_json,
)

NAN, INF = float("nan"), float("inf")
BELOW_ONE, RATE = "at least 0 and below 1", "above 0 and at most 1"
NAME = "the name of one folder"
NO_NAMES = ("a/b", "/a", "..", ".", "", "a\0b", "a\nb", "x" * 201, "é" * 101)

# group of flags, class, what is expected, values that are refused, fields
REFUSED = [
    ("embedding.", EmbeddingConfig, "2 to 4096", (1, 4097), ("dim",)),
    ("env.", EnvConfig, "1 to 1000", (0, 1001), ("window", "episode_length")),
    ("env.", EnvConfig, "0 to 1", (-0.1, 1.1, NAN), ("random_start",)),
    ("replay.", ReplayConfig, "1 to 1000000000", (0, 10**15), ("capacity",)),
    ("replay.", ReplayConfig, "0 to 1", (-0.1, 1.1), ("alpha", "beta")),
    ("replay.", ReplayConfig, "above 0 and at most 1000000", (0, NAN, INF), ("epsilon",)),
    ("agent.", AgentConfig, "1 to 65536", (0,), ("actor_hidden", "critic_hidden")),
    ("agent.", AgentConfig, "1 to 16384", (0, 16385), ("batch_size",)),
    ("agent.", AgentConfig, "1 to 2", (0, 3), ("critics",)),
    ("agent.", AgentConfig, BELOW_ONE, (-0.1, 1.0, NAN), ("discount", "dropout", "item_dropout")),
    ("agent.", AgentConfig, RATE, (0.0, 1.1, NAN), ("tau", "actor_lr", "critic_lr")),
    ("agent.", AgentConfig, "0 to 1", (-0.1,), ("epsilon", "epsilon_end", "epsilon_decay")),
    ("agent.", AgentConfig, "0 to 1000000", (-1.0, INF), ("imitation", "policy_gradient")),
    ("agent.", AgentConfig, "0 to 1000000", (-1.0, INF), ("weight_decay", "clip_norm")),
    ("agent.", AgentConfig, "0 to 1000000", (-1.0, INF), ("noise", "noise_end")),
    ("agent.", AgentConfig, "0 to 4096", (-1, 4097), ("counterfactual",)),
    ("loop.", LoopConfig, "1 to 65536", (0, 10**9), ("parallel_users", "evaluations")),
    ("loop.", LoopConfig, "1 to 1024", (0, 1025), ("updates_per_rollout",)),
    ("loop.", LoopConfig, "above 0 and below 1", (0.0, 1.0, NAN), ("validation_share",)),
    ("loop.", LoopConfig, "0 to ", (-1,), ("warmup", "checkpoints")),
    ("", Config, "0 to 1000", (-1, 1001), ("known",)),
    ("", Config, "1 to 10000000000", (0, 10**30), ("steps",)),
    ("", Config, "0 to 2147483647", (-1, 2**31), ("seed",)),
    ("", Config, "catalog, session or both", ((),), ("protocol",)),
    ("", Config, NAME, NO_NAMES, ("run_name",)),
]


@pytest.mark.parametrize(("group", "cls", "expected", "values", "names"), REFUSED)
def test_a_bad_value_is_quoted_with_what_was_expected(group, cls, expected, values, names):
    for name, value in product(names, values):
        flag = group + name.replace("_", "-")
        with pytest.raises(ConfigError, match=rf"^{flag} is .*, expected {expected}") as error:
            cls(**{name: value})
        assert repr(value)[:70] in str(error.value)
        assert len(str(error.value)) < 250


def test_an_error_names_flags_in_a_command_and_arguments_in_python():
    error = ConfigError("a--b.csv: see --csv.skip-bad (--csv.no-header); python train.py --resume")
    assert in_flags(error) == error.args[0] and in_flags(OSError("full")) == "full"
    assert str(error) == "a--b.csv: see skip_bad (header=False); python train.py --resume"


WIDE = EnvConfig(window=1000)
TOGETHER = [
    (AgentConfig, {"imitation": 0.0, "policy_gradient": 0.0}, "expected at least one above 0"),
    (AgentConfig, {"critic_action": "proto", "exploration": "gaussian"}, "expected 0 with critic"),
    (AgentConfig, {"critic_action": "proto", "counterfactual": 0}, "'softmax', expected gaussian"),
    (AgentConfig, {"residual": True}, "False without user_vector pretrained"),
    (Config, {"dataset": "ml-1m", "csv": CsvConfig(user="customer")}, "since there are csv"),
    (Config, {"steps": 2000}, "warmup is 2000, expected below steps 2000"),
    (Config, {"replay": ReplayConfig(capacity=100)}, "capacity is 100, expected at least .* 5120"),
    # what would fill the memory
    (Config, {"agent": AgentConfig(actor_hidden=65536)}, "268435456 weights, not 4294967296"),
    (Config, {"agent": AgentConfig(state="drr-p"), "env": WIDE}, "not 7687680000: lower one of"),
    (
        Config,
        {"agent": AgentConfig(state="drr-n"), "env": WIDE, "embedding": EmbeddingConfig(dim=4096)},
        "not 16777216000",
    ),
]


@pytest.mark.parametrize(("cls", "values", "message"), TOGETHER)
def test_settings_that_do_not_fit_each_other_are_refused(cls, values, message):
    with pytest.raises(ConfigError, match=message):
        cls(**values)


def test_the_papers_preset_is_the_papers():
    paper, best = preset("paper"), preset("best")
    assert best == Config()
    agent = paper.agent
    assert (agent.discount, agent.critics, agent.critic_action) == (0.9, 1, "proto")
    assert (agent.critic, agent.exploration) == ("mlp", "gaussian")
    assert (agent.actor_output, agent.imitation, agent.counterfactual) == ("tanh", 0, 0)
    assert (agent.context, agent.separate_states, agent.average_actor) == ("none", False, False)
    assert (paper.embedding.kind, paper.embedding.dim, paper.env.episode_length) == ("pmf", 100, 10)
    assert paper.replay.kind == "prioritized" and paper.preset == "paper"


@pytest.mark.parametrize("name", ["best", "paper"])
def test_json_brings_every_setting_back(name):
    changed = replace(preset(name), seed=5, run_name="r", protocol=("session",), data_root=None)
    own = replace(changed, dataset="csv", csv=CsvConfig("x.csv", scale=(0.0, 9.5), header=False))
    for config in (preset(name), changed, own):
        assert from_json(to_json(config)) == config
        assert type(from_json(to_json(config)).protocol) is tuple
    assert json.loads(to_json(changed))["agent"]["discount"] == changed.agent.discount


ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests/golden", "save_weights")
OLD_RUNS = sorted(path for place in FOLDERS for path in ROOT.glob(f"{place}/*/config.json"))


@pytest.mark.parametrize("path", OLD_RUNS, ids=lambda path: path.parent.name)
def test_settings_of_earlier_versions_load(path):
    """Released runs and golden ones: without retired fields, with values by their names of today."""
    old, config = json.loads(path.read_text()), load(path)
    kept = {name: value for name, value in old["agent"].items() if name not in RETIRED}
    kept["exploration"] = kept["exploration"].replace("gumbel", "softmax")
    if "refused" in kept:
        kept["context"] = "refused" if kept.pop("refused") else "none"
    kept = {"start": "zero"} | kept
    assert kept.items() <= asdict(config.agent).items() and config.seed == old["seed"]


# of each the value that today's code stands for, and one that it does not
RETIRED = {
    "positives_only": (False, True),
    "train_state": (True, False),
    "algorithm": ("ddpg", "td3"),
    "actor_gradient": ("policy", "stored"),
}


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_setting_loads_at_its_default_and_is_refused_at_another_value(name):
    default, other = RETIRED[name]
    assert from_json(damaged("agent", **{name: default})) == Config()
    with pytest.raises(ConfigError, match=f"'{name}' is {other!r}, expected {default!r}: this"):
        from_json(damaged("agent", **{name: other}))


def damaged(group: str | None, **values: object) -> str:
    content = json.loads(to_json(Config()))
    (content[group] if group else content).update(values)
    return json.dumps(content)


WRONG = {
    "cut": ("{\n", r"run/config.json:2: not valid JSON"),
    "a list": ("[]", r"run/config.json.*an object with the fields of Config"),
    "too deep": ("[" * 100_000, "not valid JSON .nested too deeply"),
    "too long a number": ('{"seed": ' + "9" * 5000 + "}", "not valid JSON .*4300 digits"),
    "not a number": (damaged("agent", discount=float("nan")), "agent.discount is nan"),
    "huge number": (damaged(None, seed=10**400), "seed is 1000+"),
    "unknown": (damaged("env", windw=1), "'windw' in EnvConfig; did you mean 'window'"),
    "later": (damaged(None, version=2), "unknown field 'version' in Config; is it of a later"),
    "out of range": (damaged("agent", discount=2.0), "agent.discount is 2.0"),
    "half an item": (damaged("env", window=2.5), "'window' is 2.5"),
    "a switch for a number": (damaged(None, seed=True), "'seed' is True"),
    "a bare protocol": (damaged(None, protocol="catalog"), "'protocol' is 'catalog'"),
    "no such state": (damaged("agent", state="drr-x"), "'state' is 'drr-x', expected .*drr-ave"),
    "half a scale": (damaged("csv", scale=[1.0]), r"'scale' is \[1.0\], expected"),
    "null": (damaged("agent", tau=None), "'tau' is None"),
    "a number for a group": (damaged(None, agent=3), "an object with the fields of AgentConfig"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_damaged_file_is_an_error_naming_file_and_field(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        from_json(text, "run/config.json")
    assert str(error.value).startswith("run/config.json") and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read \(No such file"),
        (b"{\n\n\xe9", r"config.json:3: not UTF-8 text"),
        ("{}".encode("utf-16"), "config.json:1: not UTF-8 text"),
        (b"{\n,", "config.json:2: not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        load(tmp_path / "config.json")
    assert str(error.value).startswith(str(tmp_path / "config.json"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a pipe or device"):
        load(tmp_path / "pipe")


def test_xla_compiles_all_on_a_gpu_and_what_draws_nothing_on_a_cpu():
    best, paper = preset("best"), preset("paper")
    assert best.xla(gpu=False) == (False, False) and paper.xla(gpu=False) == (True, False)
    assert best.xla(gpu=True) == paper.xla(gpu=True) == (True, True)
    for choice, expected in (("on", True), ("off", False)):
        config = replace(best, loop=replace(best.loop, jit=choice))
        assert config.xla(gpu=False) == config.xla(gpu=True) == (expected, expected)
