"""The way to the members: what observing and acting know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .etcd import EtcdEndpoint
    from .etcd_answers import StatusReport
    from .etcd_errors import EtcdError
    from .model import Instance


class EtcdAccess(Protocol):
    """Reaches the members of one cluster by their addresses.

    There are two: by the network, to etcd's JSON gateway (`etcd.EtcdEndpoints`); and by commands that
    the instances run (`etcdctl.EtcdctlEndpoints`).
    """

    def know(self, instances: Iterable[Instance]) -> None:
        """Take the group's instances, before any of their members is asked."""

    def at(self, address: str) -> EtcdEndpoint:
        """Return the member at an address; the same one, with the same breaker, each time."""

    def statuses(self, asked: Mapping[str, bool]) -> Mapping[str, StatusReport | EtcdError]:
        """Ask members for their status at the same time.

        Args:
            asked: By address, whether the member is just starting: then it is asked for a
                linearizable read too.

        Returns:
            What each said, or why it gave no usable answer.
        """

    def keep(self, addresses: Iterable[str]) -> None:
        """Forget all others: when an address is used again, it is by another instance."""
