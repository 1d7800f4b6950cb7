"""Whom SNMP asks, with which credentials and how gently; and what can come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pydantic import SecretStr

from callcenter.diag.devices import Device, SnmpV3
from callcenter.diag.driver import Limits
from callcenter.diag.values import Oid, SnmpValue
from callcenter.errors import Unavailable

Row: TypeAlias = tuple[Oid, SnmpValue]


class NoAnswer(Unavailable):
    """The device was asked and said nothing in time. It tells nothing about the lines behind it."""


class Nonsense(Unavailable):
    """The device answered, but not what it was asked."""


class Busy(Unavailable):
    """The device was not even asked: others' requests to it took all the time there was."""


class TooBig(Exception):
    """The device cannot put its whole answer into one message."""


class Spoilt(Exception):
    """One object made the device refuse the whole request."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


@dataclass(frozen=True, slots=True)
class Community:
    """SNMP v2c credentials; a v3 user is a ``SnmpV3``."""

    secret: SecretStr


Credentials: TypeAlias = Community | SnmpV3


@dataclass(frozen=True, slots=True)
class SnmpTarget:
    """A device to ask: ``name`` is what people call it, for errors and logs."""

    name: str
    host: str
    port: int = 161
    credentials: Credentials = field(default_factory=lambda: Community(SecretStr("")))
    write: Credentials | None = None
    """With what it is changed; ``None`` where nothing may be."""
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def of(cls, device: Device, limits: Limits | None = None) -> SnmpTarget:
        """A v3 user comes before communities. v3 has its own rights on the device, so it writes too."""
        write: Credentials | None = device.v3
        if write is None and device.write_community is not None:
            write = Community(device.write_community)
        return cls(
            device.name, device.host, device.port, device.v3 or Community(device.community), write, limits or Limits()
        )

    def in_vlan(self, vlan: int | None) -> SnmpTarget:
        """Cisco's bridge tables of one VLAN: ``community@VLAN`` in v2c, the context ``vlan-VLAN`` in v3."""
        if vlan is None:
            return self
        match self.credentials:
            case Community(secret):
                return replace(self, credentials=Community(SecretStr(f"{secret.get_secret_value()}@{vlan}")))
            case SnmpV3() as user:
                return replace(self, credentials=replace(user, context=f"vlan-{vlan}"))


def in_order(target: SnmpTarget, asked: Sequence[Oid], rows: Sequence[Row]) -> None:
    """An answer names what was asked, in its order; raises ``Nonsense`` otherwise."""
    if [oid for oid, _ in rows] != list(asked):
        raise Nonsense(target.name, "answered something else than it was asked")
