"""What the function's environment says of the way to the members."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .environment import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETCDCTL: Final = "QUORATE_ETCDCTL"

ETCDCTL_ROUND_SECONDS: Final = 75.0
"""What a look and an action take at worst by etcdctl: three commands, and the one that changes."""


@dataclass(frozen=True)
class EtcdctlSettings:
    """How etcdctl is called on an instance.

    Attributes:
        etcdctl: The program: its name, or its path.
        environment_file: The file from which the member was started, which tells its address and its
            certificates; empty if the others here do.
        endpoint: Where the member serves clients; empty to take it from the environment file.
        ca_file: The authorities' certificates.
        certificate_file: The client's certificate.
        key_file: Its private key.
    """

    etcdctl: str = "etcdctl"
    environment_file: str = "/etc/etcd/quorate.env"
    endpoint: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    def flags(self) -> list[str]:
        """What is said of the way to the member."""
        given = {
            "--endpoints": self.endpoint,
            "--cacert": self.ca_file,
            "--cert": self.certificate_file,
            "--key": self.key_file,
        }
        return [f"{flag}={value}" for flag, value in given.items() if value]


def read_etcdctl_settings(environment: Mapping[str, str]) -> EtcdctlSettings | None:
    """Read ``QUORATE_ETCDCTL``: a JSON object with the attributes of `EtcdctlSettings`.

    Returns:
        How etcdctl is called on the instances; None if members are reached by the network.

    Raises:
        ConfigurationError: It is something else, or secrets are given that would not be used.
    """
    text = environment.get(_ETCDCTL)
    if not text:
        return None
    names = [one.name for one in dataclasses.fields(EtcdctlSettings)]
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    known = isinstance(value, dict) and set(value) <= set(names)
    if not known or not all(isinstance(one, str) for one in value.values()):
        raise ConfigurationError(
            f"{_ETCDCTL} is {text!r:.80}, but must be a JSON object with texts at some of "
            f"{', '.join(names)}"
        )
    unused = [
        name
        for name in ("QUORATE_TLS_SECRET", "QUORATE_AUTH_SECRET", "QUORATE_SNAPSHOT_BUCKET")
        if environment.get(name)
    ]
    if unused:
        raise ConfigurationError(
            f"{', '.join(unused)}: set beside {_ETCDCTL}, with which certificates and users stay on "
            "the instances and no snapshots are taken; unset one or the other"
        )
    return EtcdctlSettings(**value)
