"""BDCOM GPON OLTs: GP3600-04, GP3600-08, GP3600-16, with and without B.

Sources: NMS-GPON-MIB; switcher-core (configs/oids, BDcom), Ubilling (snmptemplates), ABillS (Equipment/Bdcom.pm);
LibreNMS recording "bdcom" for the index scheme. The command line is in ``_bdcom.py``. Not tried on our own devices.

Oddities: the MIB's text lists EPON's states for the GPON column, the devices do not follow it. Reason codes from 10 up
differ between the sources, so they are shown as a number and conclude nothing. A LAN port's VLAN is that of a profile
which the operator has made; setting another VLAN means another profile, so this driver writes none. The table that
searches the MACs of one ONU wants writes: the bridge table is read as a whole instead. The unit of the PON port's bias
current is not documented, so it is not told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from callcenter.diag import said
from callcenter.diag.driver import (
    IF_ALIAS,
    IF_DESCR,
    INTERFACES,
    NAME,
    CliQuestion,
    OltDriver,
    Option,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    is_named,
    make_and_model,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.drivers import _bdcom as bdcom
from callcenter.diag.reading import DownReason, LineDetails, LogLine, OnuReading, OnuState, PonPort, UniPort
from callcenter.diag.values import Answers, Oid, level, not_negative, number, real, text
from callcenter.words import OnuAddress

GPON: Oid = (1, 3, 6, 1, 4, 1, 3320, 10)
ONU: Oid = (*GPON, 3, 1, 1)
ONU_STATUS: Oid = (*GPON, 3, 3, 1)
ONU_OPTICS: Oid = (*GPON, 3, 4, 1)
ONU_ORDERS: Oid = (*GPON, 3, 2, 1)
UNI: Oid = (*GPON, 4, 1, 1)
PROFILE: Oid = (*GPON, 6, 1, 1, 1)
PON: Oid = (*GPON, 2, 1, 1)
PON_OPTICS: Oid = (*GPON, 2, 2, 1)

SIGNS = Signs(((1, 3, 6, 1, 4, 1, 3320, 1),), r"GP3600", ((*GPON, 3),))

STATES = {0: OnuState.OFFLINE, 1: OnuState.OFFLINE, 2: OnuState.DISABLED, 3: OnuState.ONLINE}

REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (None, ""),
    1: (DownReason.POWER, "dying-gasp"),
    2: (DownReason.UNKNOWN, "laser-always-on"),
    3: (DownReason.ADMIN, "admin-down"),
    4: (DownReason.DEGRADED, "omcc-down"),
    5: (DownReason.UNKNOWN, ""),
    6: (DownReason.FIBRE, "pon-los"),
    7: (DownReason.DEGRADED, "lcdg"),
    8: (DownReason.FIBRE, "wire-down"),
    9: (DownReason.UNKNOWN, "omci-mismatch"),
}

VLAN_MODES = {1: "transparent", 2: "tag", 3: "translation", 4: "stacking", 5: "aggregation", 6: "trunk"}


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


def by_profile(_: Place, answers: Answers) -> Oid | None:
    profile = number(answers, "profile")
    return None if profile is None or profile < 0 else (profile,)


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers. Levels come in 0.1 dBm, the distance in 0.1 m; -65535 is "no value"."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = reason_of(answers, REASONS)
    decimetres = not_negative(number(answers, "distance"), zero_is_unknown=True)
    return OnuReading(
        state=state,
        onu_rx=level(answers, "onu_rx"),
        onu_tx=level(answers, "onu_tx"),
        olt_rx=level(answers, "olt_rx"),
        distance_m=None if decimetres is None else round(decimetres / 10) or None,
        uptime_s=not_negative(number(answers, "uptime")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online),
        model=make_and_model(answers),
        serial=text(answers, "serial").replace(":", ""),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """The PON port's transmitter in 0.1 dBm, its temperature in 1/256 degree, its voltage in 0.1 mV."""
    in_use = next((slot for slot in ("0", "1") if number(answers, f"active_{slot}") == 1), "")
    return LineDetails(
        firmware=text(answers, f"firmware_{in_use}") if in_use else "",
        description=text(answers, "description"),
        unis=unis_of(place, answers, walked),
        macs=bdcom.macs_of(place, walked, ""),
        pon=pon_of(onu, answers),
    )


def unis_of(place: Place, answers: Answers, walked: Walked) -> tuple[UniPort, ...]:
    """Every LAN port with its link and errors; the first one's VLAN by its profile."""
    codes = {1: True, 2: False}
    ports: dict[int, dict[str, int | None]] = {}
    for name in ("link", "enabled", "crc"):
        for index, value in walked.get(name, {}).items():
            if index[:-1] == place.onu:
                ports.setdefault(index[-1], {})[name] = number({name: value}, name)
    mode, pvid = number(answers, "profile_mode"), number(answers, "profile_pvid")
    told = []
    for port, known in sorted(ports.items()):
        link, enabled = known.get("link"), known.get("enabled")
        uni = UniPort(
            port,
            up=None if link is None else codes.get(link),
            enabled=None if enabled is None else codes.get(enabled),
            errors=not_negative(known.get("crc")),
        )
        if port == 1 and mode is not None:
            tag = pvid if mode == 2 and pvid is not None and 1 <= pvid <= 4094 else None
            uni = replace(uni, vlan=tag, vlan_mode=VLAN_MODES.get(mode, f"mode {mode}"))
        told.append(uni)
    return tuple(told)


def pon_of(onu: OnuAddress, answers: Answers) -> PonPort:
    on, off = (not_negative(number(answers, name)) for name in ("pon_on", "pon_off"))
    return PonPort(
        onu.pon,
        tx=level(answers, "pon_tx"),
        temperature_c=real(answers, "pon_temperature", 256, most=150),
        voltage_v=real(answers, "pon_voltage", 10_000, least=0.1, most=15),
        onus=None if on is None or off is None else on + off,
        online=on,
    )


# --- the command line ---


def _optics_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (
        f"show gpon interface {onu} onu optical-transceiver-diagnosis",
        f"show gpon optical-transceiver-diagnosis interface {bdcom.spaced(onu)}",
    )


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``gpon0/11:1 36.5 3.4 12.1 -23.3 2.6``: here rx stands before tx, unlike EPON's tables."""
    at_onu = bdcom.columns_of(onu, outputs[0], 5) if outputs else None
    at_olt = bdcom.columns_of(onu, outputs[1], 1) if len(outputs) > 1 else None
    told = LineDetails(olt_rx=said.level(at_olt[0]) if at_olt else None)
    if at_onu is None:
        return told
    warm, volts, current, rx, tx = at_onu
    return replace(
        told,
        temperature_c=said.temperature(warm),
        voltage_v=said.voltage(volts),
        bias_ma=said.bias(current),
        onu_rx=said.level(rx),
        onu_tx=said.level(tx),
    )


def _state_commands(onu: OnuAddress, reading: OnuReading) -> tuple[str, ...]:
    return (f"show gpon active-onu interface {onu.pon} {onu.onu}", f"show gpon interface {onu} onu basic-info")


_PAST = re.compile(
    r"[0-9]{1,4}\s+([0-9]{4}-[0-9]{2}-[0-9]{2} +[0-9]{1,2}:[0-9]{2}:[0-9]{2})"
    r"\s+([0-9]{4}-[0-9]{2}-[0-9]{2} +[0-9]{1,2}:[0-9]{2}:[0-9]{2})\s+([A-Za-z][A-Za-z _-]{0,30})",
    re.ASCII,
)


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """When it was activated, and the history of ``basic-info``: number, up, down, why; the last fall is the newest."""
    past = sorted(
        (fell, word.strip())
        for line in said.lines(*outputs[1:])
        if (row := _PAST.fullmatch(line)) is not None and (fell := said.moment(row[2])) is not None
        for word in [row[3]]
    )
    told = LineDetails(registered_at=said.moment(said.row_of(str(onu), *outputs[:1])))
    if not past:
        return told
    at, word = past[-1]
    log = tuple(LogLine(word, when, said.reason(word)) for when, word in past)
    return replace(told, last_down_at=at, last_down_reason=said.reason(word), last_down_word=word, log=log)


def _uni_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (f"show gpon interface {onu} onu port 1 state",)


def _uni_told(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    port = bdcom.uni_of(onu, outputs[0]) if outputs else None
    return LineDetails(unis=() if port is None else (port,))


def build(settings: Mapping[str, str]) -> OltDriver:
    fdb = (Under({"fdb": bdcom.DOT1Q_FDB}, lambda place, answers: (), most=8192),)
    return OltDriver(
        name="bdcom_gpon",
        title="BDCOM GPON (GP3600)",
        family="gpon",
        signs=SIGNS,
        listing=INTERFACES,
        is_still=is_named,
        reads=READS,
        decode=decode,
        details=(*DETAILS, *fdb) if settings["mac_table"] == "bridge" else DETAILS,
        decode_details=decode_details,
        dialect=bdcom.DIALECT,
        questions_cli=(
            CliQuestion("optics", _optics_commands, _optics),
            CliQuestion("state", _state_commands, _state),
            CliQuestion("uni", _uni_commands, _uni_told),
            bdcom.MACS,
            bdcom.LOG,
        ),
        writes={
            "reboot": SnmpWrite((*ONU_ORDERS, 4), by_onu, lambda words: 1),
            "describe": SnmpWrite((*ONU_ORDERS, 21), by_onu, lambda words: said.description(words).encode()),
        },
        absent=frozenset({"uni_mbps", "vlan"}),
        options={
            "mac_table": Option("MACs from the bridge table, or on the command line only", "bridge", bdcom.MAC_TABLES)
        },
        with_options=build,
    )


READS = (
    Read(
        {
            NAME: IF_DESCR, "status": (*ONU_STATUS, 4), "onu_rx": (*ONU_OPTICS, 2), "onu_tx": (*ONU_OPTICS, 3),
            "olt_rx": (*GPON, 2, 3, 1, 3), "distance": (*ONU, 33), "reason": (*ONU, 35), "uptime": (*ONU, 19),
            "serial": (*ONU_STATUS, 2), "vendor": (*ONU, 2), "model": (*ONU, 9),
        },
        by_onu,
    ),
    Read({"uni_link": (*UNI, 4)}, by_first_uni),
)  # fmt: skip
DETAILS = (
    Read(
        {
            "description": IF_ALIAS, "firmware_0": (*ONU, 20), "active_0": (*ONU, 22), "firmware_1": (*ONU, 24),
            "active_1": (*ONU, 26),
        },
        by_onu,
    ),
    Read({"profile": (*UNI, 6)}, by_first_uni),
    Read({"profile_mode": (*PROFILE, 3), "profile_pvid": (*PROFILE, 4)}, by_profile),
    Read(
        {
            "pon_on": (*PON, 4), "pon_off": (*PON, 5), "pon_temperature": (*PON_OPTICS, 2),
            "pon_voltage": (*PON_OPTICS, 3), "pon_tx": (*PON_OPTICS, 5),
        },
        by_pon,
    ),
    Under({"link": (*UNI, 4), "enabled": (*UNI, 3), "crc": (*GPON, 4, 2, 1, 36)}, by_onu, most=24),
)  # fmt: skip
DRIVER = build({"mac_table": "bridge"})
