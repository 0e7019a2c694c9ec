"""How a setting is refused: quoting the value and saying what to do."""


class ConfigError(ValueError):
    """A setting that cannot work; the message quotes the value and says what to do."""


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Refuse the value of a setting, with ConfigError, unless the condition holds."""
    if not condition:
        quoted = repr(value) if len(repr(value)) <= 80 else f"{value!r:.77}..."
        raise ConfigError(f"{name} is {quoted}, expected {expected}")


def flag(group: str, name: str) -> str:
    """The field of a group as it is written on the command line."""
    return f"{group}.{name.replace('_', '-')}"
