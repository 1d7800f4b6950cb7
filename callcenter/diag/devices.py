"""A provider's devices: OLTs and switches, how each is asked, and with which driver. Credentials are sealed at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import SecretStr
from sqlalchemy import literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.diag import tables
from callcenter.errors import RuleBroken
from callcenter.store.vault import Vault
from callcenter.words import DeviceId, ProviderId

CliProtocol: TypeAlias = Literal["ssh", "telnet"]
AUTO = "auto"
"""The driver of a device that is to be found out by its fingerprint."""


@dataclass(frozen=True, slots=True)
class SnmpV3:
    """An SNMPv3 user (USM); ``auth`` and ``priv`` name the protocols: ``sha``, ``sha256``; ``aes``, ``des``."""

    user: str
    auth: str = ""
    auth_secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    priv: str = ""
    priv_secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    context: str = ""


@dataclass(frozen=True, slots=True)
class CliLogin:
    """How to get to a device's command line. ``host_key`` is what SSH must find there (``ssh-ed25519 AAAA...``)."""

    protocol: CliProtocol
    user: str
    password: SecretStr
    enable: SecretStr | None = None
    port: int | None = None
    host_key: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """One OLT or switch of a provider; ``driver`` names a file in ``diag/drivers``, or is ``auto``."""

    id: DeviceId
    provider: ProviderId
    name: str
    driver: str
    host: str
    community: SecretStr = field(default_factory=lambda: SecretStr(""))
    port: int = 161
    v3: SnmpV3 | None = None
    write_community: SecretStr | None = None
    """Only for writes; without it nothing is ever written over SNMP."""
    cli: CliLogin | None = None
    options: tuple[tuple[str, str], ...] = ()
    """What a driver lets the operator choose, such as GCOM's enterprise number; sorted pairs."""
    detected: str = ""
    """The driver that the fingerprint named, for ``auto``."""
    area: str = ""
    """A district of the provider's own naming: mass outages are counted over it too."""
    site_ip: str = ""
    """The provider's equipment at the OLT's site, pinged beside the subscriber's CPE; else the device itself is."""

    @property
    def driver_name(self) -> str:
        """The driver in force; ``auto`` until a probe has named one."""
        return self.detected or AUTO if self.driver == AUTO else self.driver


async def devices(connection: AsyncConnection, vault: Vault) -> list[Device]:
    """Every device of the transaction's scope."""
    rows = await connection.execute(_SELECT.order_by(tables.device.c.provider_id, tables.device.c.name))
    return [_device(row, vault) for row in rows]


async def device_by_id(connection: AsyncConnection, vault: Vault, device: DeviceId) -> Device | None:
    row = (await connection.execute(_SELECT.where(tables.device.c.id == device))).one_or_none()
    return None if row is None else _device(row, vault)


async def device_by_name(connection: AsyncConnection, vault: Vault, provider: ProviderId, name: str) -> Device:
    """Raises ``RuleBroken`` when the provider has no such device."""
    c = tables.device.c
    row = (await connection.execute(_SELECT.where(c.provider_id == provider, c.name == name))).one_or_none()
    if row is None:
        raise RuleBroken(f"the provider has no device {name} (see `callcenter device list`)")
    return _device(row, vault)


async def put_device(connection: AsyncConnection, vault: Vault, device: Device) -> DeviceId:
    """Adds the provider's device, or changes the one of this name; ``device.id`` is not looked at."""
    values: dict[str, Any] = {
        "provider_id": device.provider, "name": device.name, "driver": device.driver, "host": device.host,
        "port": device.port, "plain_community": None, "secrets": vault.seal(_secrets(device)),
        "options": dict(device.options), "cli_protocol": device.cli.protocol if device.cli else "",
        "cli_port": device.cli.port if device.cli else None, "host_key": device.cli.host_key if device.cli else "",
        "area": device.area, "site_ip": device.site_ip,
    }  # fmt: skip
    changes = {name: value for name, value in values.items() if name not in {"provider_id", "name"}}
    put = insert(tables.device).values(**values)
    put = put.on_conflict_do_update(index_elements=["provider_id", "name"], set_=changes)
    return DeviceId((await connection.execute(put.returning(tables.device.c.id))).scalar_one())


async def remove_device(connection: AsyncConnection, provider: ProviderId, name: str) -> None:
    """Removes a device; its subscribers stay, without a line to read. One on a circuit is kept (``RuleBroken``)."""
    c = tables.device.c
    number = (
        await connection.execute(select(c.id).where(c.provider_id == provider, c.name == name).with_for_update())
    ).scalar_one_or_none()
    if number is None:
        raise RuleBroken(f"the provider has no device {name} (see `callcenter device list`)")
    used = select(tables.circuit.c.name).join(tables.circuit_hop).where(tables.circuit_hop.c.device_id == number)
    circuits = (await connection.execute(used.distinct())).scalars().all()
    if circuits:
        raise RuleBroken(f"device {name} is a hop of {', '.join(sorted(circuits))}: change these circuits first")
    await connection.execute(tables.device.delete().where(c.id == number))


async def seal_plain(connection: AsyncConnection, vault: Vault) -> int:
    """Seals communities that an older version kept readable, and tells how many there were."""
    c = tables.device.c
    plain = (await connection.execute(select(c.id, c.plain_community).where(c.plain_community.is_not(None)))).all()
    for number, community in plain:
        sealed = {"plain_community": None, "secrets": vault.seal({"community": community})}
        await connection.execute(update(tables.device).where(c.id == number).values(**sealed))
    return len(plain)


async def write_detected(
    connection: AsyncConnection, device: DeviceId, detected: str, described: str, at: datetime,
    options: Sequence[tuple[str, str]] = (),
) -> None:  # fmt: skip
    """What a probe found: the driver's name (empty for none), the device's own description, and the driver's options.

    Options that the operator gave stay.
    """
    c = tables.device.c
    words = "".join(each if each.isprintable() else " " for each in described)[:300]
    values: dict[str, Any] = {"detected": detected, "described": words, "probed_at": at}
    if options:
        values["options"] = literal(dict(options), JSONB).op("||")(c.options)
    await connection.execute(update(tables.device).where(c.id == device).values(**values))


_SELECT = select(
    tables.device.c.id, tables.device.c.provider_id, tables.device.c.name, tables.device.c.driver,
    tables.device.c.host, tables.device.c.port, tables.device.c.plain_community, tables.device.c.secrets,
    tables.device.c.options, tables.device.c.detected, tables.device.c.cli_protocol, tables.device.c.cli_port,
    tables.device.c.host_key, tables.device.c.area, tables.device.c.site_ip,
)  # fmt: skip


def _secrets(device: Device) -> dict[str, str]:
    """Only what there is, so that an empty record says there is none."""
    given: dict[str, str] = {"community": device.community.get_secret_value()}
    if device.write_community is not None:
        given["write_community"] = device.write_community.get_secret_value()
    if (v3 := device.v3) is not None:
        given |= {
            "v3_user": v3.user, "v3_auth": v3.auth, "v3_auth_secret": v3.auth_secret.get_secret_value(),
            "v3_priv": v3.priv, "v3_priv_secret": v3.priv_secret.get_secret_value(), "v3_context": v3.context,
        }  # fmt: skip
    if (cli := device.cli) is not None:
        given |= {"cli_user": cli.user, "cli_password": cli.password.get_secret_value()}
        if cli.enable is not None:
            given["cli_enable"] = cli.enable.get_secret_value()
    return given


def _device(row: Any, vault: Vault) -> Device:
    kept: Mapping[str, str] = {"community": row.plain_community or ""}
    if row.secrets is not None:
        kept = vault.open(row.secrets)
    v3 = cli = None
    if "v3_user" in kept:
        v3 = SnmpV3(
            kept["v3_user"], kept["v3_auth"], SecretStr(kept["v3_auth_secret"]), kept["v3_priv"],
            SecretStr(kept["v3_priv_secret"]), kept["v3_context"],
        )  # fmt: skip
    if row.cli_protocol:
        enable = SecretStr(kept["cli_enable"]) if "cli_enable" in kept else None
        password = SecretStr(kept.get("cli_password", ""))
        cli = CliLogin(row.cli_protocol, kept.get("cli_user", ""), password, enable, row.cli_port, row.host_key)
    return Device(
        id=DeviceId(row.id), provider=ProviderId(row.provider_id), name=row.name, driver=row.driver, host=row.host,
        community=SecretStr(kept["community"]), port=row.port, v3=v3,
        write_community=SecretStr(kept["write_community"]) if "write_community" in kept else None, cli=cli,
        options=tuple(sorted((str(key), str(value)) for key, value in row.options.items())), detected=row.detected,
        area=row.area, site_ip=row.site_ip,
    )  # fmt: skip
