"""What the function's environment says of what is done before a removal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .environment import ConfigurationError, read_enum, read_number
from .model import OnPreparationFailure, PreparationPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "QUORATE_BEFORE_REMOVAL_"


@dataclass(frozen=True)
class PreparationSettings:
    """Who is asked to hand over; the policy tells what follows.

    Attributes:
        function: ``QUORATE_BEFORE_REMOVAL_FUNCTION``: the name or ARN of a function of Lambda; empty
            if the instance runs a command.
        commands: ``QUORATE_BEFORE_REMOVAL_COMMANDS``: the lines of its shell script, as a JSON array.
    """

    function: str = ""
    commands: tuple[str, ...] = ()


def read_preparation_settings(environment: Mapping[str, str]) -> PreparationSettings | None:
    """Read who is asked; None if nobody is.

    Raises:
        ConfigurationError: Both are set, or the commands are no JSON array of texts, or something
            else is set and nobody is asked.
    """
    function = environment.get(f"{_PREFIX}FUNCTION", "")
    commands = environment.get(f"{_PREFIX}COMMANDS", "")
    if function and commands:
        raise ConfigurationError(
            f"{_PREFIX}FUNCTION and {_PREFIX}COMMANDS are both set, and only one can be asked: "
            "unset one of them"
        )
    if commands:
        return PreparationSettings(commands=_read_lines(commands))
    if function:
        return PreparationSettings(function)
    without = sorted(one for one, value in environment.items() if one.startswith(_PREFIX) and value)
    if without:
        raise ConfigurationError(
            f"{', '.join(without)}: set without {_PREFIX}FUNCTION or {_PREFIX}COMMANDS, so that "
            "nothing would be done before a removal; set one of these, or unset what is set"
        )
    return None


def read_preparation_policy(environment: Mapping[str, str]) -> PreparationPolicy | None:
    """Read ``QUORATE_BEFORE_REMOVAL_TIMEOUT``, ``_ON_FAILURE`` and ``_RETRY``.

    Raises:
        ConfigurationError: A value is none that it may have.
    """
    if read_preparation_settings(environment) is None:
        return None
    return PreparationPolicy(
        timeout=read_number(environment, f"{_PREFIX}TIMEOUT", 30),
        on_failure=read_enum(environment, f"{_PREFIX}ON_FAILURE", OnPreparationFailure),
        retry=read_number(environment, f"{_PREFIX}RETRY", PreparationPolicy.retry),
    )


def _read_lines(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ConfigurationError(
            f"{_PREFIX}COMMANDS is {text!r:.80}, but must be a JSON array of lines of a shell script"
        )
    return tuple(value)
