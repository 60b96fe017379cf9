"""The login at a cluster whose authentication is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Credentials:
    """A user of etcd. To change members it needs the role root.

    Attributes:
        username: Its name.
        password: Its password.
    """

    username: str
    password: str = field(repr=False)


class Session:
    """The login of one user at one cluster: a token that etcd gave is good at each of its members.

    A token is asked for when a call is first refused without one, so that a cluster whose
    authentication is not on (yet) needs none. It is asked for anew when it is refused: tokens end
    after a time, and with the process of a member.

    Attributes:
        user: The name of the user.
        token: The token that was granted last; None before the first one.
    """

    def __init__(self, credentials: Credentials) -> None:
        """Take the user; nothing is asked for yet."""
        self.user = credentials.username
        self.token: str | None = None
        self._password = credentials.password

    def renew(
        self, refused: str | None, log_in: Callable[[Mapping[str, str]], str]
    ) -> tuple[str, bool]:
        """Return another token than the one that was refused, and whether it is new.

        Threads may ask at the same time. Then each logs in at its own member, rather than wait for
        another one, which may be waiting for a member that hangs.

        Args:
            refused: The token that was refused; None if there was none.
            log_in: Asks the member for a token, with the user's ``name`` and ``password``.

        Raises:
            NotAuthorized: The name or the password is wrong.
            EtcdError: Anything else, as its class tells.
        """
        known = self.token
        if known is not None and known != refused:
            return known, False
        token = log_in({"name": self.user, "password": self._password})
        self.token = token
        return token, True
