"""Reads the function's environment variables, each as what it must be."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_E = TypeVar("_E", bound=Enum)


class ConfigurationError(Exception):
    """The function's environment, or its secret, does not say what it needs to know."""


def read_number(environment: Mapping[str, str], name: str, default: float) -> float:
    """Read a number of 0 or more; an absent or empty variable is the default.

    Raises:
        ConfigurationError: It is something else.
    """
    text = environment.get(name) or str(default)
    value = _number(text)
    if value is None or value < 0:
        raise ConfigurationError(f"{name} is {text!r}, but must be a number of 0 or more")
    return value


def read_whole_number(
    environment: Mapping[str, str],
    name: str,
    default: int,
    *,
    least: int = 0,
    most: float = float("inf"),
) -> int:
    """Read a whole number; an absent or empty variable is the default.

    Raises:
        ConfigurationError: It is something else, or out of the span.
    """
    text = environment.get(name) or str(default)
    value = _number(text)
    if value is None or value != int(value) or not least <= value <= most:
        span = f"of {least} or more" if most == float("inf") else f"from {least} to {most:.0f}"
        raise ConfigurationError(f"{name} is {text!r}, but must be a whole number {span}")
    return int(value)


def read_choice(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Read one of several words; an absent or empty variable is the first of them.

    Raises:
        ConfigurationError: It is none of them.
    """
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise ConfigurationError(f"{name} is {text!r}, but must be {' or '.join(choices)}")
    return text


def read_enum(environment: Mapping[str, str], name: str, kind: type[_E]) -> _E:
    """Read one of the values of an enumeration of texts; the first one is the default.

    Raises:
        ConfigurationError: It is none of them.
    """
    return kind(read_choice(environment, name, [one.value for one in kind]))


def read_flag(environment: Mapping[str, str], name: str) -> bool:
    """Read ``true``, which is the default, or ``false``.

    Raises:
        ConfigurationError: It is neither.
    """
    return read_choice(environment, name, ("true", "false")) == "true"


def _number(text: str) -> float | None:
    """The number that a text is; None if it is none, or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
