"""What a command refuses, and how: the message quotes the value and says what to do."""


class DRRError(ValueError):
    """Base of the errors that a command shows without a traceback, then ends with `status`."""

    status = 2  # nothing was run; 1: it failed while it ran


class ConfigError(DRRError):
    """A setting that cannot work; the message quotes the value and says what to do."""


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Refuse the value of a setting, with ConfigError, unless the condition holds."""
    if not condition:
        quoted = repr(value) if len(repr(value)) <= 80 else f"{value!r:.77}..."
        raise ConfigError(f"{name} is {quoted}, expected {expected}")


def flag(group: str, name: str) -> str:
    """The field of a group as it is written on the command line."""
    return f"{group}.{name.replace('_', '-')}"
