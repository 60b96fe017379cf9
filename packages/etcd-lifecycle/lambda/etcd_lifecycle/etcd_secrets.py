"""The certificate and the user with which members are asked, as Secrets Manager keeps them.

They are read again once in a while, so that new ones are taken up. No error shows what they hold.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from botocore.exceptions import ClientError

from .aws import explain
from .certificate import earliest_end
from .environment import ConfigurationError
from .etcd_login import Credentials
from .etcd_tls import TlsMaterial
from .settings import AUTH_SECRET, TLS_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from .dependency import Dependency
    from .telemetry import Telemetry

_T = TypeVar("_T")

SECRET_SECONDS: Final = 300.0
"""How long secrets are used before they are read again, so that new ones are taken up."""


@dataclass
class EtcdSecrets:
    """What is secret of the way to the members.

    Attributes:
        tls_secret: The ARN of the secret with the certificate; None: there is none.
        auth_secret: The ARN of the secret with etcd's user; None: there is none.
        client: Returns the client of Secrets Manager.
        dependency: The dependency of Secrets Manager.
        telemetry: Logs, and tells when the certificate ends.
        clock: Returns seconds, from any start.
        tls: The certificate, with its authority and its key; None if there is none, or before it was
            read.
        credentials: The user; None if there is none, or before it was read.
    """

    tls_secret: str | None
    auth_secret: str | None
    client: Callable[[], SecretsManagerClient]
    dependency: Dependency
    telemetry: Telemetry
    clock: Callable[[], float] = time.monotonic
    tls: TlsMaterial | None = field(default=None, init=False)
    credentials: Credentials | None = field(default=None, init=False)
    _read_at: float | None = field(default=None, init=False)

    def refresh(self) -> bool:
        """Read them, if that is long ago.

        Returns:
            Whether they are others than before.

        Raises:
            ConfigurationError: One cannot be read, or is not what it must be, and none was read
                before: members cannot be asked for anything. Later that is logged, and those of
                before are used on.
        """
        now = self.clock()
        if self._read_at is not None and now - self._read_at < SECRET_SECONDS:
            return False
        try:
            tls = self._read(TLS_SECRET, self.tls_secret, read_certificate)
            credentials = self._read(AUTH_SECRET, self.auth_secret, read_credentials)
        except Exception as error:
            if self._read_at is None:
                raise
            self.telemetry.log("ERROR", f"the secrets of before are used: {explain(error)}")
            return False
        self._read_at = now
        if tls:
            self._tell_end(tls)
        before = (self.tls, self.credentials)
        self.tls, self.credentials = tls, credentials
        return (tls, credentials) != before

    def _tell_end(self, tls: TlsMaterial) -> None:
        try:
            self.telemetry.certificate_ends(earliest_end(f"{tls.ca_pem}\n{tls.certificate_pem}"))
        except ValueError as error:
            self.telemetry.log("WARNING", f"it is not known when the certificate ends: {error}")

    def _read(self, variable: str, secret_id: str | None, read: Callable[[str], _T]) -> _T | None:
        if secret_id is None:
            return None
        try:
            answer = self.dependency.call(
                lambda: self.client().get_secret_value(SecretId=secret_id), "GetSecretValue"
            )
        except ClientError as error:
            raise ConfigurationError(
                f"the secret {secret_id}, which {variable} names, cannot be read: {explain(error)}"
            ) from error
        try:
            return read(answer.get("SecretString", ""))
        except ConfigurationError as error:
            # From none: what the secret holds must not get into a traceback.
            raise ConfigurationError(
                f"the secret {secret_id}, which {variable} names: {error}"
            ) from None


def read_certificate(text: str) -> TlsMaterial:
    """Read the secret with the certificate: a JSON object with ``ca``, ``certificate``, ``key``.

    Raises:
        ConfigurationError: It is something else. The error shows nothing of the secret.
    """
    value = _texts(text, "ca", "certificate", "key")
    if value is None:
        raise ConfigurationError(
            "it must be a JSON object with the keys ca, certificate and key, each a "
            "text in PEM form"
        )
    return TlsMaterial(value["ca"], value["certificate"], value["key"])


def read_credentials(text: str) -> Credentials:
    """Read the secret with the user of etcd: a JSON object with ``username`` and ``password``.

    Raises:
        ConfigurationError: It is something else. The error shows nothing of the secret.
    """
    value = _texts(text, "username", "password")
    if value is None or not all(value.values()):
        raise ConfigurationError(
            "it must be a JSON object with the keys username and password, each a text, and neither "
            "of them empty"
        )
    return Credentials(value["username"], value["password"])


def _texts(text: str, *keys: str) -> dict[str, str] | None:
    """The texts at these keys of a JSON object; None if it is no object, or has not all of them."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in keys):
        return None
    return {key: value[key] for key in keys}
