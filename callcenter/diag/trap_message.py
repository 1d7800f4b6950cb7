"""One SNMP trap as bytes, read with pysnmp's own messages: v1, v2c (traps and informs), and of v3 who says it sent it.

A v3 message is not decrypted: a trap is only a hint to look, and the look itself is authenticated.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pysnmp's own imports, not ours to mend
    from pyasn1.codec.ber import decoder, encoder
    from pyasn1.type import univ
    from pysnmp.proto import api, rfc1902, rfc1905
    from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message
    from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters

from callcenter.diag.driver import IF_ALIAS, IF_DESCR
from callcenter.diag.values import Oid
from callcenter.words import OnuAddress

TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
"""snmpTrapOID.0 (RFC 3418)."""
GENERIC: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5)
"""snmpTraps (RFC 3418): coldStart 1, warmStart 2, linkDown 3, linkUp 4, authenticationFailure 5."""
AUTHENTICATION_FAILURE: Oid = (*GENERIC, 5)
IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
MOST_ROWS = 64
"""Rows of a trap that are looked at; devices send a handful."""
_PLACE = re.compile(rb"(?<![A-Za-z0-9])([EG]PON)\s?(\d{1,5}(?:/\d{1,5}){1,2})(?::(\d{1,5}))?(?![\d/])", re.IGNORECASE)


class NotATrap(ValueError):
    """These bytes are no trap that can be read."""


@dataclass(frozen=True, slots=True)
class TrapMessage:
    """What a trap says: who it claims to be from, its kind, and the interface or PON it names, where it does."""

    version: int
    """1, 2 or 3."""
    community: bytes = b""
    user: bytes = b""
    """The v3 user that the message names, unproven."""
    kind: Oid = ()
    if_index: int | None = None
    pon: str | None = None
    """``EPON0/2``, out of any text in it."""
    reply: bytes | None = None
    """What an inform wants to hear back."""

    @property
    def about_lines(self) -> bool:
        """Somebody's wrong community says nothing about a line."""
        return self.kind != AUTHENTICATION_FAILURE


def read_trap(datagram: bytes) -> TrapMessage:
    """Raises ``NotATrap`` for anything else, whatever it is."""
    try:
        version = int(api.decodeMessageVersion(datagram))
        if version == 3:
            return _v3(datagram)
        return _v1(datagram) if version == 0 else _v2(datagram)
    except NotATrap:
        raise
    except Exception as exc:  # pysnmp and pyasn1 raise anything at all on hostile bytes, RecursionError too
        raise NotATrap(type(exc).__name__) from None


def _whole(datagram: bytes, spec: Any) -> Any:
    message, rest = decoder.decode(datagram, asn1Spec=spec)
    if rest:
        raise NotATrap("something is behind it")
    return message


def _v1(datagram: bytes) -> TrapMessage:
    v1 = api.PROTOCOL_MODULES[api.SNMP_VERSION_1]
    message = _whole(datagram, v1.Message())
    pdu = v1.apiMessage.get_pdu(message)
    if not pdu.isSameTypeWith(v1.TrapPDU()):
        raise NotATrap("it is another kind of message")
    generic, rows = int(v1.apiTrapPDU.get_generic_trap(pdu)), v1.apiTrapPDU.get_varbinds(pdu)
    enterprise = tuple(v1.apiTrapPDU.get_enterprise(pdu))
    specific = int(v1.apiTrapPDU.get_specific_trap(pdu))
    kind = (*GENERIC, generic + 1) if 0 <= generic < 6 else (*enterprise, 0, specific)  # RFC 3584, 3.1
    community = bytes(v1.apiMessage.get_community(message))
    return _told(TrapMessage(1, community=community, kind=kind), rows)


def _v2(datagram: bytes) -> TrapMessage:
    v2 = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
    message = _whole(datagram, v2.Message())
    pdu = v2.apiMessage.get_pdu(message)
    inform = pdu.isSameTypeWith(v2.InformRequestPDU())
    if not inform and not pdu.isSameTypeWith(v2.TrapPDU()):
        raise NotATrap("it is another kind of message")
    rows = v2.apiPDU.get_varbinds(pdu)
    kind = next((tuple(value) for name, value in rows if tuple(name) == TRAP_OID and _is_oid(value)), ())
    community = bytes(v2.apiMessage.get_community(message))
    reply = encoder.encode(v2.apiMessage.get_response(message)) if inform else None
    return _told(TrapMessage(2, community=community, kind=kind, reply=reply), rows)


def _v3(datagram: bytes) -> TrapMessage:
    message = _whole(datagram, SNMPv3Message())
    if int(message["msgGlobalData"]["msgSecurityModel"]) != 3:
        raise NotATrap("it is not of the user-based security model")
    usm = _whole(bytes(message["msgSecurityParameters"]), UsmSecurityParameters())
    return TrapMessage(3, user=bytes(usm["msgUserName"]))


def _is_oid(value: Any) -> bool:
    return isinstance(value, univ.ObjectIdentifier | rfc1902.ObjectIdentifier)


def _told(message: TrapMessage, rows: Any) -> TrapMessage:
    """The interface and the place that its rows name."""
    if_index, pon = None, None
    for name, value in list(rows)[:MOST_ROWS]:
        oid = tuple(name)
        if oid[: len(IF_INDEX)] == IF_INDEX and isinstance(value, univ.Integer):
            if_index = int(value)
        elif if_index is None and oid[:-1] in {IF_DESCR, IF_NAME, IF_ALIAS}:
            if_index = oid[-1]
        if pon is None and isinstance(value, univ.OctetString) and not isinstance(value, rfc1905.UnSpecified):
            pon = pon_in(bytes(value))
    return TrapMessage(
        message.version, message.community, message.user, message.kind, if_index, pon, message.reply
    )  # fmt: skip


def pon_in(text: bytes) -> str | None:
    """The PON that a device's own words name: ``Interface EPON0/2:14 changed state to down``."""
    found = _PLACE.search(text[:1000])
    if found is None:
        return None
    family, path, _ = found.groups()
    return OnuAddress.parse(f"{family.decode()}{path.decode()}:0").pon
