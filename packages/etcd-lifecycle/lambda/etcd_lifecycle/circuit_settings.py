"""What the function's environment says of services that are not called for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dependency import CALL_ATTEMPTS, RESET_TIMEOUT
from .environment import read_flag, read_number, read_whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CircuitSettings:
    """When a service of AWS is not called for a while.

    Attributes:
        shared: ``QUORATE_CIRCUITS_SHARED``: whether all environments of the function share the
            circuits through the table; they do by default.
        failures: ``QUORATE_CIRCUIT_FAILURES``: failures in a row that open a circuit. By default 3,
            the attempts of one call: the run ends with it anyway, and the next tick comes later than
            a probe is let through. So no environment has to learn by a second run.
        seconds: ``QUORATE_CIRCUIT_SECONDS``: until it admits a probe; 15 by default.
    """

    shared: bool = True
    failures: int = CALL_ATTEMPTS
    seconds: float = RESET_TIMEOUT


def read_circuit_settings(environment: Mapping[str, str]) -> CircuitSettings:
    """Read when a service is not called for a while.

    Raises:
        ConfigurationError: A value is none that it may have.
    """
    return CircuitSettings(
        shared=read_flag(environment, "QUORATE_CIRCUITS_SHARED"),
        failures=read_whole_number(
            environment, "QUORATE_CIRCUIT_FAILURES", CircuitSettings.failures, least=1
        ),
        seconds=read_number(environment, "QUORATE_CIRCUIT_SECONDS", CircuitSettings.seconds),
    )
