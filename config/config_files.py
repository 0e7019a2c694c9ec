"""Settings as JSON: config.json beside the weights, checked field by field when it is read."""

import dataclasses
import difflib
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from config.checks import ConfigError, require
from config.settings import Config

# Fields of earlier versions, and the only value that today's code stands for.
RETIRED: dict[str, Any] = {
    "positives_only": False,
    "train_state": True,
    "algorithm": "ddpg",
    "actor_gradient": "policy",
}
# fields by their new names, and their values
RENAMED: dict[str, tuple[str, dict[Any, Any]]] = {
    "exploration": ("exploration", {"gumbel": "softmax"}),
    "refused": ("context", {True: "refused", False: "none"}),
    "start_at_zero": ("start", {True: "zero", False: "random"}),
}
ADDED: dict[str, dict[str, Any]] = {  # where a file has no such field
    "AgentConfig": {"start": "zero", "low_rating": 0.3, "start_penalty": 0.01},
    "Config": {"known_items": True},
}


def to_json(config: Config) -> str:
    """The resolved settings as indented JSON, for config.json."""
    return json.dumps(dataclasses.asdict(config), indent=2, allow_nan=False) + "\n"


def from_json(text: str, source: str | Path = "config.json") -> Config:
    """The settings saved by `to_json`.

    Raises:
        ConfigError: naming the source and the field that is missing, unknown or invalid.
    """
    config: Config = _build(Config, _parse(text, source), str(source))
    return config


def load(path: Path) -> Config:
    """The settings in a file written from `to_json`; ConfigError as `from_json`."""
    try:
        config: Config = _build(Config, read_json(path), str(path))
    except ConfigError as error:
        raise ConfigError(f"{error}; correct or restore the file") from error
    return config


def read_json(path: Path) -> Any:
    """What a JSON file holds; ConfigError names the file, and the line where there is one."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would block for ever
            raise ConfigError(f"{path}: is a pipe or device, expected a file")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        place = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{place}: not UTF-8 text ({error.reason})") from error
    return _parse(text, path)


def _parse(text: str, source: str | Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}:{error.lineno}: not valid JSON ({error.msg})") from error
    except RecursionError:
        raise ConfigError(f"{source}: not valid JSON (nested too deeply)") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{source}: not valid JSON ({error})") from error


def _build(cls: Any, values: Any, source: str) -> Any:
    require(
        isinstance(values, dict), source, values, f"an object with the fields of {cls.__name__}"
    )
    types = get_type_hints(cls)
    values = _of_today(cls.__name__, values, source)
    unknown = sorted(set(values) - set(types))
    if unknown:
        close = difflib.get_close_matches(unknown[0], types, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "is it of a later version?"
        raise ConfigError(f"{source}: unknown field {unknown[0]!r:.80} in {cls.__name__}; {hint}")
    built = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]):
            built[name] = _build(types[name], value, source)
        else:
            kind = types[name]
            kind = kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
            require(_fits(value, types[name]), f"{source}: {name!r}", value, kind)
            built[name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**built)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _of_today(group: str, values: dict[str, Any], source: str) -> dict[str, Any]:
    """By the names of today; ConfigError where a retired field was used."""
    kept = dict(ADDED.get(group, {}))
    for field, value in values.items():
        if field in RETIRED:
            expected = (
                f"{RETIRED[field]!r}: this setting is retired, load the run with an earlier version"
            )
            require(value == RETIRED[field], f"{source}: {field!r}", value, expected)
            continue
        name, names = RENAMED.get(field, (field, {}))
        kept[name] = names.get(value, value) if isinstance(value, str | bool) else value
    return kept


def _fits(value: Any, kind: Any) -> bool:
    options = get_args(kind)
    if get_origin(kind) is Literal:
        return value in options
    if get_origin(kind) is tuple:
        fits = isinstance(value, list) and (... in options or len(value) == len(options))
        return fits and all(_fits(item, options[0]) for item in value)
    if options:  # str | None
        return any(_fits(value, option) for option in options)
    return type(value) is kind or (kind is float and type(value) is int)
