"""BDCOM EPON OLTs: P3310B/C/D, P3608, P3608B, P3612-2TE, P3616-2TE (and their badges: Extralink OLT 4GE, UA.PON).

Sources: MIBs NMS-EPON-*; switcher-core (configs/oids, BDcom), Ubilling (snmptemplates, api.ponbdcom), ABillS
(Equipment/Bdcom.pm); levels checked against the CLI in the nag.ru wiki, pageId 38764878. The command line is in
``_bdcom.py``. Not tried on our own devices.

Oddities: ifIndexes are dealt anew when ONUs are re-bound. The OLT's own level of an ONU (101.108.1.3) hangs the OLT
when walked: GET only. P3310B keeps it elsewhere (9.183.1.1.5) and gives no deregistration reason over SNMP. MACs are
asked of the bridge table as a whole; the maker's own table by ONU (152.1.1.3) is left alone, because it is unusably
slow on firmware 10.1.0D and newer. The unit of the PON port's bias current (101.107.1.8) is not documented, so it is
not told. Restarting an ONU is a write of 0; a LAN port's VLAN is set on the command line only.
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
    CliWrite,
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
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState, PonPort, UniPort
from callcenter.diag.values import Answers, Oid, level, moment, not_negative, number, octets, real, text
from callcenter.words import OnuAddress

BDCOM: Oid = (1, 3, 6, 1, 4, 1, 3320)
ONU: Oid = (*BDCOM, 101, 10, 1, 1)
ONU_OPTICS: Oid = (*BDCOM, 101, 10, 5, 1)
BINDING: Oid = (*BDCOM, 101, 11, 1, 1)
UNI: Oid = (*BDCOM, 101, 12, 1, 1)
UNI_COUNTS: Oid = (*BDCOM, 101, 12, 2, 1)
PON: Oid = (*BDCOM, 101, 6, 1, 1)
PON_OPTICS: Oid = (*BDCOM, 101, 107, 1)

SIGNS = Signs(((*BDCOM, 1),), r"\bP3[36]\d\d", ((*BDCOM, 101, 10),))

STATES = {
    0: OnuState.STARTING,  # authenticated
    1: OnuState.STARTING,  # registered
    2: OnuState.OFFLINE,  # deregistered
    3: OnuState.ONLINE,  # auto-configured
    4: OnuState.OFFLINE,  # lost
    5: OnuState.STARTING,  # standby
}
"""Column 26 of the ONU table. The binding table codes the same states differently (5 is online there)."""

REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (DownReason.UNKNOWN, ""),
    2: (DownReason.UNKNOWN, "normal"),
    3: (DownReason.DEGRADED, "mpcp-down"),
    4: (DownReason.DEGRADED, "oam-down"),
    5: (DownReason.RESET, "firmware-download"),
    6: (DownReason.ADMIN, "illegal-mac"),
    7: (DownReason.ADMIN, "llid-admin-down"),
    8: (DownReason.FIBRE, "wire-down"),
    9: (DownReason.POWER, "power-off"),
}

SPEEDS = {1: 10, 2: 100, 3: 1000}
"""Mbit/s of the UNI; 4 is "auto", which says nothing."""

VLAN_MODES = {0: "transparent", 1: "tag", 2: "translation", 3: "aggregation", 4: "trunk", 5: "stacking"}


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


def by_binding(place: Place, answers: Answers) -> Oid | None:
    """The binding table is indexed by the PON's ifIndex and the six bytes of the ONU's MAC."""
    mac = octets(answers, "mac", 6)
    return None if mac is None or place.pon is None else (*place.pon, *mac)


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers. Levels come in 0.1 dBm; -65535 is "no value"; distance 0 is "unknown"."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = reason_of(answers, REASONS)
    at_olt = level(answers, "olt_rx")
    up = uni_up(answers, online=online)
    speed = number(answers, "uni_speed")
    return OnuReading(
        state=state,
        onu_rx=level(answers, "onu_rx"),
        onu_tx=level(answers, "onu_tx"),
        olt_rx=level(answers, "olt_rx_p3310b") if at_olt is None else at_olt,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=not_negative(number(answers, "alive")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=make_and_model(answers),
        serial=mac.hex(":") if (mac := octets(answers, "mac", 6)) else "",
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Temperature in 1/256 degree, voltage in 0.1 mV, bias in 2 uA; the PON port's transmitter in 0.1 dBm."""
    own = octets(answers, "mac", 6)
    return LineDetails(
        temperature_c=real(answers, "temperature", 256, most=150),
        voltage_v=real(answers, "voltage", 10_000, least=0.1, most=15),
        bias_ma=real(answers, "bias", 500, least=0, most=200),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered_at"),
        last_down_at=moment(answers, "down_at"),
        unis=unis_of(place, walked),
        macs=bdcom.macs_of(place, walked, own.hex(":") if own else ""),
        pon=pon_of(onu, answers),
    )


def unis_of(place: Place, walked: Walked) -> tuple[UniPort, ...]:
    ports = sorted({index[-1] for rows in walked.values() for index in rows if index[:-1] == place.onu})
    return tuple(
        _uni(port, {name: rows[(*place.onu, port)] for name, rows in walked.items() if (*place.onu, port) in rows})
        for port in ports
    )


def _uni(port: int, answers: Answers) -> UniPort:
    def coded(name: str, codes: Mapping[int, bool]) -> bool | None:
        code = number(answers, name)
        return None if code is None else codes.get(code)

    up, speed, mode = coded("link", {1: True, 2: False}), number(answers, "speed"), number(answers, "vlan_mode")
    crc_in, crc_out = (not_negative(number(answers, name)) for name in ("crc_in", "crc_out"))
    return UniPort(
        port,
        up=up,
        enabled=coded("enabled", {1: True, 2: False}),
        mbps=SPEEDS.get(speed) if up and speed is not None else None,
        full_duplex=coded("duplex", {1: True, 2: False}) if up else None,
        errors=None if crc_in is None and crc_out is None else (crc_in or 0) + (crc_out or 0),
        vlan=pvid if (pvid := number(answers, "pvid")) is not None and 1 <= pvid <= 4094 else None,
        vlan_mode=VLAN_MODES.get(mode, f"mode {mode}") if mode is not None else "",
    )


def pon_of(onu: OnuAddress, answers: Answers) -> PonPort:
    on, off = (not_negative(number(answers, name)) for name in ("pon_on", "pon_off"))
    link = number(answers, "pon_link")
    return PonPort(
        onu.pon,
        up={1: True, 2: False}.get(link) if link is not None else None,
        tx=level(answers, "pon_tx"),
        temperature_c=real(answers, "pon_temperature", 256, most=150),
        voltage_v=real(answers, "pon_voltage", 10_000, least=0.1, most=15),
        onus=None if on is None or off is None else on + off,
        online=on,
    )


# --- the command line ---

MOMENT = r"\d{4}[-.]\d\d[-.]\d\d[ .]\d\d:\d\d:\d\d|N/A|\(N/A\)"


def _optics_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (
        f"show epon interface {onu} onu ctc optical-transceiver-diagnosis",
        f"show epon optical-transceiver-diagnosis interface {bdcom.spaced(onu)}",
    )


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    told = said.fields(*outputs[:1])
    at_olt = bdcom.columns_of(onu, outputs[1], 1) if len(outputs) > 1 else None
    return LineDetails(
        temperature_c=said.temperature(told.get("operating temperature(degree)")),
        onu_rx=said.level(told.get("received power(dbm)")),
        onu_tx=said.level(told.get("transmitted power(dbm)")),
        olt_rx=said.level(at_olt[0]) if at_olt else None,
    )


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``... 2026-07-15 14:06:12 2026-07-15 13:45:34 wire-down 10 .19:33:23``: last registration, last fall, why."""
    row = re.search(rf"({MOMENT})\s+({MOMENT})\s+(\S+)", said.row_of(str(onu), *outputs), re.ASCII)
    if row is None:
        return LineDetails()
    word = row[3] if re.fullmatch(r"[a-z-]{3,30}", row[3]) else ""
    return LineDetails(
        registered_at=said.moment(row[1]),
        last_down_at=said.moment(row[2]),
        last_down_reason=said.reason(word) if word else None,
        last_down_word=word,
    )


def _uni_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return f"show epon interface {onu} onu port 1 state", f"show running-config interface {bdcom.spaced(onu)}"


def _uni_told(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """The first LAN port's link and VLAN; a trunk has no one VLAN, so only its mode is told."""
    port = (bdcom.uni_of(onu, outputs[0]) if outputs else None) or UniPort(1)
    about = ""
    for line in said.lines(*outputs[1:]):
        if (
            found := re.match(r"epon onu (?:port 1|all-port) ctc vlan mode (\w+)\s*([\d ,-]*)", line, re.ASCII)
        ) is not None:
            tag = said.vlan(found[2].strip()) if found[1] == "tag" else None
            port = replace(port, vlan=tag, vlan_mode=f"{found[1]} {found[2]}".strip())
        elif line.startswith("description "):
            about = line.removeprefix("description ").strip(' "')[:60]
    return LineDetails(unis=() if port == UniPort(1) else (port,), description=about)


def _vlan_commands(onu: OnuAddress, words: str) -> tuple[str, ...]:
    return f"interface {onu}", f"epon onu port 1 ctc vlan mode tag {said.vlan_asked(words)}", "exit"


def build(settings: Mapping[str, str]) -> OltDriver:
    fdb = (Under({"fdb": bdcom.DOT1Q_FDB}, lambda place, answers: (), most=8192),)
    return OltDriver(
        name="bdcom_epon",
        title="BDCOM EPON (P3310, P3608, P3612, P3616)",
        family="epon",
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
            CliQuestion("state", bdcom.bound, _state),
            CliQuestion("uni", _uni_commands, _uni_told),
            bdcom.MACS,
            bdcom.LOG,
        ),
        writes={
            "reboot": SnmpWrite((*ONU, 29), by_onu, lambda words: 0),
            "describe": SnmpWrite(IF_ALIAS, by_onu, lambda words: said.description(words).encode()),
            "vlan": CliWrite(_vlan_commands),
        },
        swept=frozenset({"status", "reason", "onu_rx", "olt_rx", "olt_rx_p3310b", "uni_link"}),
        absent=frozenset({"vlan"}),
        options={
            "mac_table": Option("MACs from the bridge table, or on the command line only", "bridge", bdcom.MAC_TABLES)
        },
        with_options=build,
    )


READS = (
    Read(
        {
            NAME: IF_DESCR, "status": (*ONU, 26), "onu_rx": (*ONU_OPTICS, 5), "onu_tx": (*ONU_OPTICS, 6),
            "distance": (*ONU, 27), "alive": (*ONU, 80), "mac": (*ONU, 3), "vendor": (*ONU, 1), "model": (*ONU, 2),
        },
        by_onu,
    ),
    Read({"olt_rx": (*BDCOM, 101, 108, 1, 3), "olt_rx_p3310b": (*BDCOM, 9, 183, 1, 1, 5)}, by_onu, walkable=False),
    Read({"uni_link": (*UNI, 8), "uni_speed": (*UNI, 10)}, by_first_uni),
    Read({"reason": (*BINDING, 11)}, by_binding),
)  # fmt: skip
DETAILS = (
    Read(
        {
            "temperature": (*ONU_OPTICS, 2), "voltage": (*ONU_OPTICS, 3), "bias": (*ONU_OPTICS, 4),
            "firmware": (*ONU, 5), "description": IF_ALIAS,
        },
        by_onu,
    ),
    Read({"registered_at": (*BINDING, 9), "down_at": (*BINDING, 10)}, by_binding),
    Read(
        {
            "pon_on": (*PON, 21), "pon_off": (*PON, 22), "pon_link": (*PON_OPTICS, 2), "pon_tx": (*PON_OPTICS, 3),
            "pon_temperature": (*PON_OPTICS, 6), "pon_voltage": (*PON_OPTICS, 7),
        },
        by_pon,
    ),
    Under(
        {
            "link": (*UNI, 8), "enabled": (*UNI, 7), "duplex": (*UNI, 9), "speed": (*UNI, 10), "pvid": (*UNI, 3),
            "vlan_mode": (*UNI, 18), "crc_in": (*UNI_COUNTS, 10), "crc_out": (*UNI_COUNTS, 20),
        },
        by_onu,
        most=24,
    ),
)  # fmt: skip
DRIVER = build({"mac_table": "bridge"})
