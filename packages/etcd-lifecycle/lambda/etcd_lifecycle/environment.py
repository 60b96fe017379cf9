"""Reads the function's environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ConfigurationError(Exception):
    """The function's environment, or its secret, does not say what it needs to know."""


def read_number(
    environment: Mapping[str, str], name: str, default: float, most: float = float("inf")
) -> float:
    """Read a number of 0 or more; an absent or empty variable is the default.

    Raises:
        ConfigurationError: It is something else.
    """
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= most or value == float("inf"):
        span = "of 0 or more" if most == float("inf") else f"from 0 to {most:.0f}"
        raise ConfigurationError(f"{name} is {text!r}, but must be a number {span}")
    return value


def read_choice(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Read one of several words; an absent or empty variable is the first of them.

    Raises:
        ConfigurationError: It is none of them.
    """
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise ConfigurationError(f"{name} is {text!r}, but must be {' or '.join(choices)}")
    return text
