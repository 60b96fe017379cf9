"""The handler where wiring by hand looks for it: ``index.handler`` of a function of one's own.

Takes the variables that such wiring sets already, and the name of the cluster that the asset was made
for. A variable of the function's own, ``QUORATE_...``, wins over both.
"""  # noqa: INP001 -- the root of the asset is no package

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcd_lifecycle.environment import ConfigurationError
from etcd_lifecycle.handler import handle

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME_FILE = Path(__file__).with_name("cluster-name.txt")


def settings(environment: Mapping[str, str], cluster: str) -> dict[str, str]:
    """Tell the function's own variables from those of the wiring.

    Args:
        environment: The environment variables.
        cluster: The name that the asset was made for.

    Returns:
        What is not set yet: the group that ``CONTROL_PLANE_ASG_NAME`` names, the hook
        ``<cluster>-etcd-cleanup``, and that instances join by their own means.

    Raises:
        ConfigurationError: ``CLUSTER_NAME`` is another name, or the table is that of the members,
            ``ETCD_TABLE_NAME``, whose keys are others.
    """
    told = environment.get("CLUSTER_NAME", cluster)
    if told != cluster:
        raise ConfigurationError(
            f"CLUSTER_NAME is {told!r}, but the code was made for {cluster!r}: give "
            "createEtcdLifecycleLambdaCode() the same name"
        )
    old_table = environment.get("ETCD_TABLE_NAME")
    if old_table and environment.get("QUORATE_TABLE", old_table) == old_table:
        raise ConfigurationError(
            f"the table {old_table}, which ETCD_TABLE_NAME names, has other keys than the function "
            "needs: make one with the keys pk and sk, both texts, and name it by QUORATE_TABLE"
        )
    found = {
        "QUORATE_CLUSTER": cluster,
        "QUORATE_GROUP": environment.get("CONTROL_PLANE_ASG_NAME", ""),
        "QUORATE_JOIN": "instance",
        "QUORATE_TERMINATE_HOOK": f"{cluster}-etcd-cleanup",
    }
    return {name: value for name, value in found.items() if not environment.get(name) and value}


def handler(event: object, context: Any) -> dict[str, Any]:  # noqa: ANN401
    """The entry point that Lambda calls; see `etcd_lifecycle.handler.handle`."""
    os.environ.update(settings(os.environ, _NAME_FILE.read_text(encoding="utf-8").strip()))
    return handle(event, context)
