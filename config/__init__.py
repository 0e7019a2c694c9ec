"""Every knob of a run: frozen dataclasses, documented, validated once, saved beside the weights.

The defaults are the documented main experiment (``--preset best``); ``--preset paper`` is the
plain Algorithm 1 of the paper. No TensorFlow here, so that ``--help`` is immediate.

    settings  a run, and what its groups must agree on    agent_config, groups
    presets   what --preset means                         config_files   reading and writing JSON
    checks    which values are refused, and how           command_line   how commands end
"""

from config.agent_config import AgentConfig, State
from config.checks import ConfigError, DRRError, in_flags, number
from config.config_files import from_json, load, read_json, to_json
from config.groups import Boredom, CsvConfig, EmbeddingConfig, EnvConfig, LoopConfig, ReplayConfig
from config.presets import preset
from config.settings import NEW_USERS, Config, Dataset, Preset, Protocol, Split, Xla

__all__ = [
    "NEW_USERS",
    "AgentConfig",
    "Boredom",
    "Config",
    "ConfigError",
    "CsvConfig",
    "DRRError",
    "Dataset",
    "EmbeddingConfig",
    "EnvConfig",
    "LoopConfig",
    "Preset",
    "Protocol",
    "ReplayConfig",
    "Split",
    "State",
    "Xla",
    "from_json",
    "in_flags",
    "load",
    "number",
    "preset",
    "read_json",
    "to_json",
]
