"""Every knob of a run: frozen dataclasses, documented, validated once, saved beside the weights.

The defaults are the documented main experiment (``--preset best``); ``--preset paper`` is the
plain Algorithm 1 of the paper. No TensorFlow here, so that ``--help`` is immediate.

    groups    the settings, group by group                checks        what is refused, and how
    settings  all of a run, and what --preset means       command_line  how commands begin and end
    config_files   reading and writing JSON
"""

from config.checks import ConfigError, DRRError, in_flags, number
from config.config_files import from_json, load, read_json, to_json
from config.groups import (
    AgentConfig,
    Boredom,
    CsvConfig,
    EmbeddingConfig,
    EnvConfig,
    LoopConfig,
    ReplayConfig,
    State,
)
from config.settings import NEW_USERS, Config, Dataset, Preset, Protocol, Split, Xla, preset

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
