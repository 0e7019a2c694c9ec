"""Settings: what each refuses, in which words, and that JSON brings them back."""

import json
import os
from dataclasses import fields, is_dataclass, replace

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
    load,
    preset,
    to_json,
)

NAN, INF = float("nan"), float("inf")
SHARE = "0 up to, not with, 1"

REFUSED = [
    (EmbeddingConfig, "dim", (1, 0, -3, 4097), "embedding.dim", "2 to 4096"),
    (EnvConfig, "window", (0, -1, 1001), "env.window", "1 to 1000 items"),
    (EnvConfig, "episode_length", (0, 1001), "env.episode-length", "1 to 1000"),
    (EnvConfig, "random_start", (-0.1, 1.1, NAN), "env.random-start", "0 to 1"),
    (ReplayConfig, "capacity", (0, -5, 10**15), "replay.capacity", "at least 1 transition"),
    (ReplayConfig, "alpha", (-0.1, 1.1, NAN), "replay.alpha", "0 to 1"),
    (ReplayConfig, "beta", (-0.1, 1.1, NAN), "replay.beta", "0 to 1"),
    (ReplayConfig, "epsilon", (0, -1e-3, NAN, INF), "replay.epsilon", "a number above 0"),
    (AgentConfig, "actor_hidden", (0, 65537), "agent.actor-hidden", "1 to 65536"),
    (AgentConfig, "critic_hidden", (0, 65537), "agent.critic-hidden", "1 to 65536"),
    (AgentConfig, "batch_size", (0, -1), "agent.batch-size", "1 to 65536"),
    (AgentConfig, "critics", (0, 3), "agent.critics", "1 or 2"),
    (AgentConfig, "discount", (-0.1, 1.0, NAN), "agent.discount", SHARE),
    (AgentConfig, "tau", (0.0, 1.1, NAN), "agent.tau", r"a number in \(0, 1\]"),
    (AgentConfig, "actor_lr", (0.0, -1e-3, INF), "agent.actor-lr", r"a number in \(0, 1\]"),
    (AgentConfig, "critic_lr", (0.0, 2.0, NAN), "agent.critic-lr", r"a number in \(0, 1\]"),
    (AgentConfig, "dropout", (-0.1, 1.0, NAN), "agent.dropout", SHARE),
    (AgentConfig, "item_dropout", (-0.1, 1.0), "agent.item-dropout", SHARE),
    (AgentConfig, "epsilon", (-0.1, 1.1), "agent.epsilon", "0 to 1"),
    (AgentConfig, "epsilon_end", (-0.1, NAN), "agent.epsilon-end", "0 to 1"),
    (AgentConfig, "epsilon_decay", (-0.1, 1.1), "agent.epsilon-decay", "0 to 1"),
    (AgentConfig, "imitation", (-1.0, NAN, INF), "agent.imitation", "a number from 0"),
    (AgentConfig, "policy_gradient", (-1.0, INF), "agent.policy-gradient", "a number from 0"),
    (AgentConfig, "weight_decay", (-1.0, INF), "agent.weight-decay", "a number from 0"),
    (AgentConfig, "clip_norm", (-1.0, NAN), "agent.clip-norm", "a number from 0"),
    (AgentConfig, "noise", (-1.0, INF), "agent.noise", "a number from 0"),
    (AgentConfig, "noise_end", (-1.0, INF), "agent.noise-end", "a number from 0"),
    (AgentConfig, "counterfactual", (-1, 4097), "agent.counterfactual", "0 to 4096"),
    (LoopConfig, "parallel_users", (0, 10**7), "loop.parallel-users", "at least 1"),
    (LoopConfig, "updates_per_rollout", (0,), "loop.updates-per-rollout", "at least 1"),
    (LoopConfig, "evaluations", (0, 10**9), "loop.evaluations", "at least 1"),
    (LoopConfig, "validation_share", (0.0, 1.0, NAN), "loop.validation-share", "above 0 and below"),
    (LoopConfig, "warmup", (-1,), "loop.warmup", "0 or more"),
    (LoopConfig, "checkpoints", (-1, 10**9), "loop.checkpoints", "0 or more"),
    (Config, "known", (0, 1001), "known", "1 to 1000 ratings"),
    (Config, "steps", (0, -10, 10**30), "steps", "at least 1 transition"),
    (Config, "seed", (-1, 2**31), "seed", "0 to 2147483647"),
    (Config, "protocol", ((),), "protocol", "catalog, session or both"),
    (
        Config,
        "run_name",
        ("a/b", "/a", "..", ".", "", "a\0b", "a\nb", "x" * 201, "é" * 101),
        "run-name",
        "the name of one folder",
    ),
]
CASES = [(cls, field, value, *rest) for cls, field, values, *rest in REFUSED for value in values]


@pytest.mark.parametrize(
    ("cls", "field", "value", "flag", "expected"),
    CASES,
    ids=[f"{case[3]}={case[2]}" for case in CASES],
)
def test_a_bad_value_is_quoted_with_what_was_expected(cls, field, value, flag, expected):
    with pytest.raises(ConfigError, match=rf"^{flag} is .*, expected {expected}") as error:
        cls(**{field: value})
    assert repr(value)[:70] in str(error.value)
    assert len(str(error.value)) < 250


ABSURD = {
    "layers": (
        {"agent": AgentConfig(actor_hidden=65536)},
        r"\('drr-ave', 65536, 256\), expected layers of at most 268435456 weights, not 4294967296",
    ),
    "pairs of items": (
        {"agent": AgentConfig(state="drr-p"), "env": EnvConfig(window=1000)},
        "not 25625600000: lower one of them, --env.window or --embedding.dim",
    ),
    "linear skip": (
        {"agent": AgentConfig(state="drr-n"), "env": EnvConfig(window=1000),
         "embedding": EmbeddingConfig(dim=4096)},
        "not 16777216000",
    ),
    "rows": (
        {"agent": AgentConfig(batch_size=65536), "loop": LoopConfig(updates_per_rollout=1024)},
        r"agent\.batch-size is 65536, expected at most 16777216 transitions .*, not 67108864",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("groups", "message"), ABSURD.values(), ids=ABSURD.keys())
def test_sizes_that_would_fill_the_memory_are_refused_together(groups, message):
    with pytest.raises(ConfigError, match=message):
        Config(**groups)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"\(0.0, 0.0\), expected at least one above 0"):
        AgentConfig(imitation=0.0, policy_gradient=0.0)
    with pytest.raises(
        ConfigError, match=r"counterfactual is 64, expected 0 with --agent.critic-a"
    ):
        AgentConfig(critic_action="proto", exploration="gaussian")
    with pytest.raises(ConfigError, match=r"exploration is 'gumbel', expected gaussian with"):
        AgentConfig(critic_action="proto", counterfactual=0)
    with pytest.raises(
        ConfigError, match=r"dataset is 'ml-1m', expected csv, since there are --csv"
    ):
        Config(dataset="ml-1m", csv=CsvConfig(user="customer"))
    with pytest.raises(ConfigError, match=r"warmup is 2000, expected below --steps 2000"):
        Config(steps=2000)
    with pytest.raises(ConfigError, match=r"capacity is 100, expected at least .* = 2560"):
        Config(replay=ReplayConfig(capacity=100))
    Config(replay=ReplayConfig(capacity=2560))


def bounds_are_open_to() -> list:
    return [
        EnvConfig(window=1, episode_length=1, random_start=1.0),
        AgentConfig(discount=0.0, tau=1.0, dropout=0.0, clip_norm=0.0, noise=0.0, critics=1),
        LoopConfig(warmup=0, checkpoints=0, evaluations=1),
        ReplayConfig(alpha=0.0, beta=1.0, capacity=1),
        Config(run_name="a.b-c_1"),
    ]


def test_the_ends_of_the_ranges_are_allowed():
    assert len(bounds_are_open_to()) == 5


def test_the_papers_preset_is_the_papers():
    paper, best = preset("paper"), preset("best")
    assert best == Config()
    agent = paper.agent
    assert (agent.discount, agent.critics, agent.critic_action, agent.critic) == (
        *(0.9, 1, "proto", "mlp"),
    )
    assert (agent.actor_output, agent.imitation, agent.counterfactual) == ("tanh", 0, 0)
    assert (agent.refused, agent.separate_states, agent.average_actor) == (False, False, False)
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


def test_a_setting_that_an_older_file_lacks_is_the_default():
    values = json.loads(to_json(Config(seed=3)))
    del values["agent"]["tau"]
    assert from_json(json.dumps(values)) == Config(seed=3)


def damaged(group: str | None, **values: object) -> str:
    content = json.loads(to_json(Config()))
    (content[group] if group else content).update(values)
    return json.dumps(content)


WRONG = {
    "cut": ("{\n", r"run/config.json:2: not valid JSON"),
    "a list": ("[]", r"run/config.json.*an object with the fields of Config"),
    "nothing": ("", r"run/config.json:1: not valid JSON"),
    "too deep": ("[" * 100_000, "not valid JSON .nested too deeply"),
    "too long a number": ('{"seed": ' + "9" * 5000 + "}", "not valid JSON .*4300 digits"),
    "not a number": (damaged("agent", discount=float("nan")), "agent.discount is nan"),
    "huge number": (damaged(None, seed=10**400), "seed is 1000+"),
    "huge text": (damaged(None, seed="9" * 10**6), "'seed' is '9999"),
    "unknown": (damaged(None, stepz=1), "unknown field 'stepz' in Config; did you mean 'steps'"),
    "later": (damaged(None, version=2), "unknown field 'version' in Config; is it of a later"),
    "unknown in a group": (damaged("agent", taw=1), "unknown field 'taw' in AgentConfig"),
    "out of range": (damaged("agent", discount=2.0), "agent.discount is 2.0"),
    "text for a number": (damaged(None, steps="many"), "'steps' is 'many'"),
    "half an item": (damaged("env", window=2.5), "'window' is 2.5"),
    "a number for a switch": (damaged("agent", refused=1), "'refused' is 1"),
    "a switch for a number": (damaged(None, seed=True), "'seed' is True"),
    "no such state": (damaged("agent", state="drr-x"), "'state' is 'drr-x', expected .*drr-ave"),
    "no such protocol": (damaged(None, protocol=["catalogue"]), r"'protocol' is \['catalogue'\]"),
    "a bare protocol": (damaged(None, protocol="catalog"), "'protocol' is 'catalog'"),
    "half a scale": (damaged("csv", scale=[1.0]), r"'scale' is \[1.0\], expected"),
    "null": (damaged("agent", tau=None), "'tau' is None"),
    "a number for a group": (damaged(None, agent=3), "an object with the fields of AgentConfig"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_damaged_file_is_an_error_naming_file_and_field(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        from_json(text, "run/config.json")
    assert str(error.value).startswith("run/config.json") and len(str(error.value)) < 400


def test_a_file_is_read_as_text_whatever_editor_wrote_it(tmp_path):
    path, expected = tmp_path / "config.json", Config(seed=3)
    for prefix, newline in ((b"", b"\n"), (b"\xef\xbb\xbf", b"\r\n")):
        path.write_bytes(prefix + to_json(expected).encode().replace(b"\n", newline))
        assert load(path) == expected


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


def knobs(cls: type, text: str) -> list[str]:
    """Fields without a string right below them in the source."""
    missing = []
    for field in fields(cls):
        if is_dataclass(field.type):
            continue
        _, found, rest = text.partition(f"\n    {field.name}: ")
        second_line = rest.split("\n", 1)[1] if found else ""
        if not second_line.lstrip().startswith('"""'):
            missing.append(field.name)
    return missing


@pytest.mark.parametrize(
    "cls", [Config, CsvConfig, AgentConfig, EnvConfig, ReplayConfig, LoopConfig, EmbeddingConfig]
)
def test_every_knob_is_documented(cls):
    import inspect

    assert knobs(cls, inspect.getsource(cls)) == []


def test_settings_cannot_be_changed():
    with pytest.raises(AttributeError):
        Config().seed = 1


def test_td3_needs_twins():
    with pytest.raises(ConfigError, match=r"agent\.critics is 1, expected 2 with --agent"):
        AgentConfig(algorithm="td3", critics=1)


def test_xla_compiles_all_on_a_gpu_and_what_draws_nothing_on_a_cpu():
    best, paper = preset("best"), preset("paper")
    assert best.xla(gpu=False) == (False, False) and paper.xla(gpu=False) == (True, False)
    assert best.xla(gpu=True) == paper.xla(gpu=True) == (True, True)
    td3 = replace(paper, agent=replace(paper.agent, algorithm="td3", critics=2))
    assert td3.xla(gpu=False) == (False, False)  # it draws noise
    for choice, expected in (("on", True), ("off", False)):
        config = replace(best, loop=replace(best.loop, jit=choice))
        assert config.xla(gpu=False) == config.xla(gpu=True) == (expected, expected)
