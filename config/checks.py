"""What a command refuses, and how: the message quotes the value and says what to do."""

import re
from dataclasses import fields
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple, cast

# a flag that is not part of a command line
_FLAG = re.compile(r"(?<!\.py )(?<![^\s(])--(?:[a-z]+\.)*(no-)?([a-z][a-z-]*)")


class DRRError(ValueError):
    """Base of the errors that a command shows without a traceback, then ends with `status`.

    Raised with the flags of commands; `str` names Python's arguments in their place.
    """

    status = 2  # nothing was run; 1: it failed while it ran

    def __str__(self) -> str:
        def argument(flag: re.Match[str]) -> str:
            """--csv.skip-bad -> skip_bad, --csv.no-header -> header=False."""
            return flag[2].replace("-", "_") + ("=False" if flag[1] else "")

        return _FLAG.sub(argument, in_flags(self))


def in_flags(error: BaseException) -> str:
    """An error's message, for who gave flags and not arguments of Python."""
    return "".join(map(str, error.args)) if isinstance(error, DRRError) else str(error)


class ConfigError(DRRError):
    """A setting that cannot work; the message quotes the value and says what to do."""


class Range(NamedTuple):
    """The values that a field annotated with it may have: `low` to `high`, or less the ends."""

    low: int
    high: int
    above: bool = False  # `low` itself is refused
    below: bool = False  # `high` itself is refused

    def allows(self, value: float) -> bool:
        """Whether the value is in the range; NaN never is."""
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if not (self.above or self.below):
            return f"{self.low} to {self.high}"
        low, high = "above" if self.above else "at least", "below" if self.below else "at most"
        return f"{low} {self.low} and {high} {self.high}"


Units = Annotated[int, Range(1, 65536)]
Steps = Annotated[int, Range(1, 1000)]
Share = Annotated[float, Range(0, 1)]
Auto = Literal["auto"]  # to be chosen for the data: training.auto


class Settings:
    """A group of settings: a frozen dataclass, whose fields are checked when it is made."""

    group = ""  # what its flags begin with, "agent."

    def __post_init__(self) -> None:
        for field in fields(cast(Any, self)):
            for allowed in getattr(field.type, "__metadata__", ()):
                value = getattr(self, field.name)
                self.require(value == "auto" or allowed.allows(value), field.name, str(allowed))

    def require(self, condition: bool, names: str, expected: str) -> None:
        """Refuse the values of the named fields, with ConfigError, unless the condition holds."""
        flags = " and ".join(self.group + name.replace("_", "-") for name in names.split())
        require(condition, flags, attrgetter(*names.split())(self), expected)


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Refuse the value of a setting, with ConfigError, unless the condition holds."""
    if not condition:
        quoted = repr(value) if len(repr(value)) <= 80 else f"{value!r:.77}..."
        raise ConfigError(f"{name} is {quoted}, expected {expected}")


def number(value: float | Auto, untried: float) -> float:
    """A setting that may be `auto`, and where nothing was chosen for the data, `untried`."""
    return untried if value == "auto" else value
