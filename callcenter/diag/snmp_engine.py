"""pysnmp behind a doorkeeper: v2c and v3, one message at a time, deadlines that hold.

What pysnmp alone does not give (measured on 7.1.30): it takes datagrams from anybody, it decodes everything it gets,
hostile bytes end as tracebacks in the log, its timeouts are retried five times, and each new timeout value leaves a row
behind in its engine for good. Two v3 users of one name but other keys get in each other's way in one engine, so each
set of credentials has an engine of its own.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from pyasn1.type import univ

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pysnmp's own imports, not ours to mend
    from pysnmp.carrier.asyncio.dgram import udp
    from pysnmp.entity import config
    from pysnmp.entity.engine import SnmpEngine
    from pysnmp.error import PySnmpError
    from pysnmp.hlapi.v3arch.asyncio import (
        CommunityData,
        ContextData,
        UdpTransportTarget,
        UsmUserData,
        bulk_cmd,
        get_cmd,
        next_cmd,
        set_cmd,
    )
    from pysnmp.proto import errind
    from pysnmp.proto.rfc1902 import Integer32, ObjectName, OctetString
    from pysnmp.proto.rfc1905 import unSpecified
    from pysnmp.smi.rfc1902 import ObjectIdentity, ObjectType

from callcenter.diag.ber import GEN_ERR, NO_SUCH_NAME, TOO_BIG
from callcenter.diag.devices import SnmpV3
from callcenter.diag.snmp_target import Community, Credentials, NoAnswer, Nonsense, Row, SnmpTarget, Spoilt, TooBig
from callcenter.diag.values import NO_VALUE, Oid, SnmpValue
from callcenter.errors import Misconfigured, Refused, Unavailable

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["get", "next", "bulk", "set"]

LONGEST_ANSWER = 5.0
"""Seconds after which a request is forgotten, whatever budget is left."""
WORDS_PER_REQUEST = 16
"""Datagrams a device may send for one request before the doorkeeper stops listening to it."""
SHORTEST_SECRET = 8

AUTHS = {
    "": config.USM_AUTH_NONE, "md5": config.USM_AUTH_HMAC96_MD5, "sha": config.USM_AUTH_HMAC96_SHA,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
}  # fmt: skip
PRIVS = {"": config.USM_PRIV_NONE, "des": config.USM_PRIV_CBC56_DES, "aes": config.USM_PRIV_CFB128_AES}


class Doorkeeper(udp.UdpAsyncioTransport):  # type: ignore[misc]  # pysnmp is untyped
    """pysnmp's socket, opened only to devices that were asked and only to what looks like a whole message."""

    def __init__(self) -> None:
        super().__init__()
        self.admitted: dict[tuple[str, int], int] = {}
        self.turned_away = 0
        self.unreadable = 0

    def datagram_received(self, datagram: bytes, transportAddress: tuple[str, int]) -> None:  # noqa: N803
        left = self.admitted.get(transportAddress, 0)
        if left <= 0 or not _is_whole_message(datagram):
            self.turned_away += 1
            return
        self.admitted[transportAddress] = left - 1
        self.loop.call_soon(self._hand_over, transportAddress, datagram)

    def _hand_over(self, address: tuple[str, int], datagram: bytes) -> None:
        receive = self._callback_function
        if receive is None:
            return
        try:
            receive(self, address, datagram)
        except Exception:  # pysnmp and pyasn1 raise anything at all on hostile bytes, RecursionError too
            self.unreadable += 1
            if self.unreadable.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...: a flood does not fill the log
                log.warning("an unreadable SNMP answer from %s (%d so far)", address[0], self.unreadable)


def _is_whole_message(datagram: bytes) -> bool:
    """A SEQUENCE whose length is the datagram's: what garbage and cut-off answers are not."""
    if len(datagram) < 16 or datagram[0] != 0x30:
        return False
    size = datagram[1]
    if size < 0x80:
        return len(datagram) == size + 2
    octets = size & 0x7F
    return octets <= 3 and len(datagram) == 2 + octets + int.from_bytes(datagram[2 : 2 + octets], "big")


class Engine:
    """One of pysnmp's engines with its socket, for one set of credentials (v2c's communities share one)."""

    def __init__(self) -> None:
        self.door = Doorkeeper()
        self._engine: Any = SnmpEngine()
        config.add_transport(self._engine, udp.DOMAIN_NAME, self.door.open_client_mode())

    def close(self) -> None:
        self._engine.close_dispatcher()

    async def ask(
        self,
        kind: Kind,
        target: SnmpTarget,
        credentials: Credentials,
        address: Any,
        binds: Sequence[tuple[Oid, int | bytes | None]],
        repetitions: int = 1,
    ) -> list[Row]:
        """One request, one answer. Raises ``TooBig`` and ``Spoilt`` beside ``Unavailable`` and ``Refused``."""
        asked = [_Asked(oid, value) for oid, value in binds]
        context = credentials.context if isinstance(credentials, SnmpV3) else ""
        who = (self._engine, _auth_data(target, credentials), address, ContextData(contextName=context.encode()))
        where = address.transport_address
        self.door.admitted[where] = WORDS_PER_REQUEST
        try:
            match kind:
                case "get":
                    reply = await get_cmd(*who, *asked, lookupMib=False)
                case "next":
                    reply = await next_cmd(*who, *asked, lookupMib=False)
                case "bulk":
                    reply = await bulk_cmd(*who, 0, repetitions, *asked, lookupMib=False)
                case "set":
                    reply = await set_cmd(*who, *asked, lookupMib=False)
        except PySnmpError as exc:
            raise NoAnswer(target.name, f"could not be asked ({type(exc).__name__})") from exc
        finally:
            self.door.admitted.pop(where, None)
        return _rows(target, *reply)


class Engines:
    """Engines by credentials. v2c's is made at start: pysnmp's own tables take some 60 ms of CPU to load."""

    def __init__(self) -> None:
        self._engines: dict[SnmpV3 | None, Engine] = {}
        self._open = False

    def start(self) -> None:
        self._open = True
        self.engine(None)

    def close(self) -> None:
        self._open = False
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def engine(self, credentials: SnmpV3 | None) -> Engine:
        """Raises ``Unavailable`` when SNMP is closed."""
        if not self._open:
            raise Unavailable("SNMP", "it is closed")
        if credentials not in self._engines:
            self._engines[credentials] = Engine()
        return self._engines[credentials]


class _Asked(ObjectType):  # type: ignore[misc]  # pysnmp is untyped
    """An OID as it stands. pysnmp looks each one up in its MIBs otherwise, half of what a GET costs."""

    def __init__(self, oid: Oid, value: int | bytes | None) -> None:
        super().__init__(ObjectIdentity(oid))
        match value:
            case None:
                self._pair = ObjectName(oid), unSpecified
            case int():
                self._pair = ObjectName(oid), Integer32(value)
            case bytes():
                self._pair = ObjectName(oid), OctetString(value)

    def resolve_with_mib(self, *_: object, **__: object) -> _Asked:
        return self

    def __getitem__(self, at: int) -> Any:
        return self._pair[at]


def _auth_data(target: SnmpTarget, credentials: Credentials) -> Any:
    if isinstance(credentials, Community):
        return CommunityData(credentials.secret.get_secret_value(), mpModel=1)  # noqa: S508  # all old OLTs speak
    if credentials.auth not in AUTHS or credentials.priv not in PRIVS:
        raise Misconfigured(
            f"{target.name}: SNMPv3 knows {', '.join(filter(None, AUTHS))} for auth and "
            f"{', '.join(filter(None, PRIVS))} for priv"
        )
    auth, priv = credentials.auth_secret.get_secret_value(), credentials.priv_secret.get_secret_value()
    if (credentials.auth and len(auth) < SHORTEST_SECRET) or (credentials.priv and len(priv) < SHORTEST_SECRET):
        raise Misconfigured(f"{target.name}: SNMPv3 secrets have at least {SHORTEST_SECRET} letters (RFC 3414)")
    if credentials.priv and not credentials.auth:
        raise Misconfigured(f"{target.name}: SNMPv3 has no privacy without authentication")
    try:
        return UsmUserData(
            credentials.user,
            auth if credentials.auth else None,
            priv if credentials.priv else None,
            authProtocol=AUTHS[credentials.auth],
            privProtocol=PRIVS[credentials.priv],
        )
    except PySnmpError as exc:
        raise Misconfigured(f"{target.name}: its SNMPv3 user does not fit together: {type(exc).__name__}") from None


async def resolve(target: SnmpTarget) -> Any:
    """The address to ask. One fixed timeout and no retries: every other pair would stay in the engine for ever."""
    try:
        return await UdpTransportTarget.create((target.host, target.port), timeout=LONGEST_ANSWER, retries=0)
    except (PySnmpError, UnicodeError, OSError) as exc:
        raise NoAnswer(target.name, "its address is not known") from exc


def _rows(target: SnmpTarget, indication: Any, status: Any, index: Any, binds: Any) -> list[Row]:
    if indication:
        if isinstance(indication, errind.RequestTimedOut):
            raise NoAnswer(target.name, f"did not answer in {LONGEST_ANSWER:.0f} s")
        if isinstance(indication, _NOT_LET_IN):
            raise Refused(target.name, f"does not let our SNMPv3 user in ({type(indication).__name__})")
        raise Nonsense(target.name, f"gave an answer that is not SNMP ({type(indication).__name__})")
    no_answer_to(target, int(status), int(index), len(binds))
    return [(tuple(bind[0]), _value(bind[1])) for bind in binds]


_NOT_LET_IN = (
    errind.UnknownUserName, errind.UnknownSecurityName, errind.WrongDigest, errind.UnsupportedSecurityLevel,
    errind.UnsupportedAuthProtocol, errind.AuthenticationFailure, errind.AuthenticationError, errind.DecryptionError,
    errind.NoSuchContext,
)  # fmt: skip


def no_answer_to(target: SnmpTarget, status: int, index: int, asked: int) -> None:
    """What an error status means, as an exception; nothing when there is none."""
    match status:
        case 0:
            return
        case code if code == TOO_BIG:
            raise TooBig
        case code if code in {NO_SUCH_NAME, GEN_ERR} and 0 < index <= asked:
            raise Spoilt(index - 1)
        case code:
            raise Refused(target.name, f"refused the question (SNMP error {code})")


def _value(raw: Any) -> SnmpValue:
    match raw:
        case univ.Null():  # noSuchObject, noSuchInstance and endOfMibView are Nulls here
            return NO_VALUE
        case univ.OctetString():
            return bytes(raw)
        case univ.ObjectIdentifier():
            return tuple(raw)
        case univ.Integer():
            return int(raw)
        case _:
            return NO_VALUE
