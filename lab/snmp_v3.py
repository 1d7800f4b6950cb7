"""A simulated OLT's tables over SNMPv3: pysnmp's own agent around ``lab.snmp_agent.Mib``.

The protocol's other side is pysnmp too, so a test also lets net-snmp's ``snmpget`` read this agent.
Use as an async context; contexts ``vlan-N`` are tables of their own, as Cisco has them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pysnmp.carrier.asyncio.dgram import udp
    from pysnmp.entity import config, engine
    from pysnmp.entity.rfc3413 import cmdrsp, context
    from pysnmp.proto.api import v2c
    from pysnmp.smi import instrum

from callcenter.diag.devices import SnmpV3
from lab.snmp_agent import END_OF_MIB, NO_SUCH_INSTANCE, Bare, Mib, Oid, Ticks, Value

AUTHS = {
    "": config.USM_AUTH_NONE, "md5": config.USM_AUTH_HMAC96_MD5, "sha": config.USM_AUTH_HMAC96_SHA,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
}  # fmt: skip
PRIVS = {"": config.USM_PRIV_NONE, "des": config.USM_PRIV_CBC56_DES, "aes": config.USM_PRIV_CFB128_AES}


class SnmpV3Agent:
    """Listens on a free port of 127.0.0.1; ``written`` is what was set, in order."""

    def __init__(
        self,
        mib: Mib,
        users: Mapping[str, SnmpV3],
        *,
        write_community: str = "",
        contexts: Mapping[str, Mib] | None = None,
    ) -> None:
        self.mib = mib
        self.users = users
        self.write_community = write_community
        self.contexts = dict(contexts or {})
        self.written: list[tuple[Oid, int | bytes]] = []
        self.port = 0
        self._engine: Any = None

    async def __aenter__(self) -> Self:
        self._engine = engine.SnmpEngine()
        transport = udp.UdpAsyncioTransport().open_server_mode(("127.0.0.1", 0))
        config.add_transport(self._engine, udp.DOMAIN_NAME, transport)
        await transport._lport
        self.port = transport.transport.get_extra_info("sockname")[1]
        for user in self.users.values():
            config.add_v3_user(
                self._engine, user.user, AUTHS[user.auth], user.auth_secret.get_secret_value() or None,
                PRIVS[user.priv], user.priv_secret.get_secret_value() or None,
            )  # fmt: skip
            level = "authPriv" if user.priv else "authNoPriv" if user.auth else "noAuthNoPriv"
            config.add_vacm_user(self._engine, 3, user.user, level, (1, 3), (1, 3))
        if self.write_community:
            config.add_v1_system(self._engine, "writers", self.write_community)
            config.add_vacm_user(self._engine, 2, "writers", "noAuthNoPriv", (1, 3), (1, 3))
        told = context.SnmpContext(self._engine)
        told.unregister_context_name(v2c.OctetString(""))
        for name, mib in {"": self.mib, **self.contexts}.items():
            told.register_context_name(v2c.OctetString(name), _Tables(mib, self.written))
        for responder in (
            cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder,
            cmdrsp.SetCommandResponder,
        ):  # fmt: skip
            responder(self._engine, told)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close_dispatcher()


class _Tables(instrum.AbstractMibInstrumController):  # type: ignore[misc]  # pysnmp is untyped
    """pysnmp asks here for what it is asked."""

    def __init__(self, mib: Mib, written: list[tuple[Oid, int | bytes]]) -> None:
        self._mib = mib
        self._written = written

    def read_variables(self, *binds: Any, **_: Any) -> list[Any]:
        return [(name, _typed(self._mib._get(tuple(name)))) for name, _value in binds]

    def read_next_variables(self, *binds: Any, **_: Any) -> list[Any]:
        found = [self._mib._next(tuple(name)) for name, _value in binds]
        return [(v2c.ObjectIdentifier(oid), _typed(value)) for oid, value in found]

    def write_variables(self, *binds: Any, **_: Any) -> list[Any]:
        for name, value in binds:
            plain = bytes(value) if isinstance(value, v2c.OctetString) else int(value)
            self._written.append((tuple(name), plain))
        return list(binds)


def _typed(value: Value) -> Any:
    match value:
        case Ticks():
            return v2c.TimeTicks(value.hundredths)
        case Bare():
            if value == END_OF_MIB:
                return v2c.EndOfMibView()
            return v2c.NoSuchInstance() if value == NO_SUCH_INSTANCE else v2c.Null()
        case bytes():
            return v2c.OctetString(value)
        case tuple():
            return v2c.ObjectIdentifier(value)
        case int():
            return v2c.Integer32(value)
