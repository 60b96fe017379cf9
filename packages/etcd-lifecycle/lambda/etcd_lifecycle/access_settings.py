"""What the function's environment says of the way to the members."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from .environment import ConfigurationError
from .etcdctl import EtcdctlSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETCDCTL = "QUORATE_ETCDCTL"


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
