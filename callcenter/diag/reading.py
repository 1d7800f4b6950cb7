"""What was read of one ONU at one moment, in the field's words and no device's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar

from callcenter.words import Dbm


class OnuState(StrEnum):
    """What the OLT says of the ONU. A silent OLT says nothing: that is a ``Missing``, never ``offline``."""

    ONLINE = "online"
    STARTING = "starting"
    """The OLT hears it, but it carries no traffic yet."""
    OFFLINE = "offline"
    DISABLED = "disabled"
    """Switched off on the OLT."""
    ABSENT = "absent"
    """The OLT answered that it has no such ONU."""
    UNKNOWN = "unknown"
    """The OLT answered, but not in a way that tells."""


class DownReason(StrEnum):
    """Why an ONU went down last, one vocabulary for all families."""

    POWER = "power"
    """Dying gasp: the ONU lost its power."""
    FIBRE = "fibre"
    """Loss of light. An ONU that cannot gasp says this also when it loses power."""
    DEGRADED = "degraded"
    """Frames or clock lost while there was light."""
    RESET = "reset"
    ADMIN = "admin"
    """Switched off, refused or not authorised by the OLT."""
    UNKNOWN = "unknown"


Json: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class OnuReading:
    """One ONU as its OLT describes it: levels in dBm, distance in metres, uptime in seconds; ``None`` is not known."""

    state: OnuState
    onu_rx: Dbm | None = None
    onu_tx: Dbm | None = None
    olt_rx: Dbm | None = None
    distance_m: int | None = None
    uptime_s: int | None = None
    last_down_reason: DownReason | None = None
    last_down_word: str = ""
    """The device's own word for it, such as ``wire-down``."""
    uni_up: bool | None = None
    """Whether the subscriber's router is linked to the ONU's first LAN port."""
    uni_mbps: int | None = None
    model: str = ""
    serial: str = ""

    def as_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> OnuReading:
        """A reading stored by this version or an older one; what is not understood is not known."""

        def dbm(name: str) -> Dbm | None:
            value = kept.get(name)
            return Dbm(float(value)) if isinstance(value, int | float) else None

        def whole(name: str) -> int | None:
            value = kept.get(name)
            return int(value) if isinstance(value, int | float) else None

        def words(name: str) -> str:
            value = kept.get(name)
            return value if isinstance(value, str) else ""

        state, reason, uni = words("state"), words("last_down_reason"), kept.get("uni_up")
        return cls(
            state=OnuState(state) if state in set(OnuState) else OnuState.UNKNOWN,
            onu_rx=dbm("onu_rx"),
            onu_tx=dbm("onu_tx"),
            olt_rx=dbm("olt_rx"),
            distance_m=whole("distance_m"),
            uptime_s=whole("uptime_s"),
            last_down_reason=DownReason(reason) if reason in set(DownReason) else None,
            last_down_word=words("last_down_word"),
            uni_up=uni if isinstance(uni, bool) else None,
            uni_mbps=whole("uni_mbps"),
            model=words("model"),
            serial=words("serial"),
        )


@dataclass(frozen=True, slots=True)
class UniPort:
    """One LAN port of an ONU: speed in Mbit/s; ``vlan`` is its PVID, ``vlan_mode`` the device's own word for it."""

    number: int
    up: bool | None = None
    enabled: bool | None = None
    mbps: int | None = None
    full_duplex: bool | None = None
    errors: int | None = None
    """CRC errors since the device began to count."""
    vlan: int | None = None
    vlan_mode: str = ""


@dataclass(frozen=True, slots=True)
class MacRow:
    """A MAC learned behind a port, ``aa:bb:cc:dd:ee:ff``."""

    mac: str
    vlan: int | None = None
    port: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the device's log. ``at`` is the device's own wall clock, without a zone, as it wrote it."""

    text: str
    at: datetime | None = None
    down: DownReason | None = None
    """Why the ONU or port went down, where the line says that it did."""


@dataclass(frozen=True, slots=True)
class PonPort:
    """A PON port with its optics: transmitter in dBm, temperature in degrees Celsius, bias in mA."""

    name: str
    up: bool | None = None
    tx: Dbm | None = None
    temperature_c: float | None = None
    voltage_v: float | None = None
    bias_ma: float | None = None
    onus: int | None = None
    online: int | None = None


@dataclass(frozen=True, slots=True)
class LineDetails:
    """What a full diagnosis learns of one ONU on top of ``OnuReading``; ``None`` and ``()`` are not known."""

    temperature_c: float | None = None
    voltage_v: float | None = None
    bias_ma: float | None = None
    firmware: str = ""
    description: str = ""
    registered_at: datetime | None = None
    """The device's own wall clock, without a zone."""
    last_down_at: datetime | None = None
    unis: tuple[UniPort, ...] = ()
    macs: tuple[MacRow, ...] | None = None
    """``()`` when the device was asked and knows none."""
    vlan: int | None = None
    """The service VLAN of the ONU, where it is set there and not on a LAN port."""
    pon: PonPort | None = None
    log: tuple[LogLine, ...] | None = None
    onu_rx: Dbm | None = None
    onu_tx: Dbm | None = None
    olt_rx: Dbm | None = None
    """Levels as the command line tells them; the reading's own come first."""
    last_down_reason: DownReason | None = None
    last_down_word: str = ""

    def filled_by(self, other: LineDetails) -> LineDetails:
        """What is not known here is taken from there; of the LAN ports, port by port."""
        there = {uni.number: uni for uni in other.unis}
        here = {uni.number: _filled(uni, there[uni.number]) if uni.number in there else uni for uni in self.unis}
        return replace(_filled(self, other), unis=tuple(uni for _, uni in sorted({**there, **here}.items())))


T = TypeVar("T", UniPort, LineDetails)


def _filled(known: T, other: T) -> T:
    unknown = {each.name for each in fields(known) if getattr(known, each.name) in (None, "")}
    return replace(known, **{name: getattr(other, name) for name in unknown})


@dataclass(frozen=True, slots=True)
class PortReading:
    """One port of a switch. Speeds in Mbit/s, levels in dBm, counters since the switch counts."""

    name: str
    up: bool | None = None
    enabled: bool | None = None
    mbps: int | None = None
    full_duplex: bool | None = None
    in_errors: int | None = None
    out_errors: int | None = None
    crc_errors: int | None = None
    changed_s: int | None = None
    """Seconds since the link last went up or down."""
    flaps: int | None = None
    """How often it did in the device's log of the last day."""
    alias: str = ""
    pvid: int | None = None
    tagged: tuple[int, ...] | None = None
    mode: str = ""
    """How the port is set: ``access``, ``trunk``, ``hybrid``, ``dynamic auto``, ``dynamic desirable``."""
    allowed: str = ""
    """VLANs that a trunk is set to let through, whether they exist or not: ``1-99,300``."""
    sfp_rx: Dbm | None = None
    sfp_tx: Dbm | None = None
    macs: tuple[MacRow, ...] | None = None
    log: tuple[LogLine, ...] | None = None
    absent: frozenset[str] = frozenset()
