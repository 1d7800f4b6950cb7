"""GCOM GPON OLTs: GL5610-04P/08P/16P, and their badges (Intelbras G08/G16).

Sources: Ubilling (snmptemplates, api.pongcomgl5610), ABillS (Equipment/Gcom.pm), a public reader of Intelbras G08 for
the newer optics table. Not tried on our own devices.

The command line is in ``_gcom.py``.

Oddities: everything is text. The optics table is 2.4.1.4 on older software and 2.4.1.9 on newer, so it is an option, as
is the enterprise number of the badge. A distance may be ``<100``. SmartFiber's template swaps columns 11 and 12
(unverified): such a badge needs a driver of its own first. Restarting an ONT over SNMP was never tried by those who
name its object, so it is ordered on the command line (``ont reboot``, one public source). The reasons 0, 1 and 3 are
Ubilling's; words are those of ``show ont-logging buffer``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from callcenter.diag import said
from callcenter.diag.driver import (
    CliQuestion,
    CliWrite,
    Limits,
    Listing,
    OltDriver,
    Option,
    Place,
    Read,
    Signs,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    state_of,
)
from callcenter.diag.drivers import _gcom as gcom
from callcenter.diag.reading import (
    DownReason,
    LineDetails,
    LogLine,
    MacRow,
    OnuReading,
    OnuState,
    PonPort,
    UniPort,
)
from callcenter.diag.values import (
    NO_VALUE,
    Answers,
    Oid,
    gpon_serial,
    moment,
    not_negative,
    number,
    plain,
    real,
    text,
    written_level,
)
from callcenter.words import OnuAddress

STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[str, tuple[DownReason | None, str]] = {
    "": (None, ""),
    "0": (None, ""),
    "1": (DownReason.FIBRE, "wire-down"),
    "3": (DownReason.POWER, "power-off"),
    "LOS": (DownReason.FIBRE, "LOS"),
    "POWER_OFF": (DownReason.POWER, "POWER_OFF"),
    "ONT_RESET": (DownReason.RESET, "ONT_RESET"),
}


def _reason(answers: Answers) -> tuple[DownReason | None, str]:
    code = number(answers, "reason")
    said = str(code) if code is not None else plain(answers, "reason").upper().rstrip(".")
    return REASONS.get(said, (DownReason.UNKNOWN, said[:30]))


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


_LASTED = re.compile(r"([0-9]{1,5})d\s?([0-9]{1,2})h\s?([0-9]{1,2})m(?:\s?([0-9]{1,2})s)?", re.ASCII)


def _uptime(answers: Answers) -> int | None:
    """``5d12h28m``, as the command line writes it; seconds where it is a bare number is not documented, so not read."""
    found = _LASTED.fullmatch(plain(answers, "alive"))
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def decode(answers: Answers) -> OnuReading:
    """One ONT from the OLT's answers; levels are text in dBm. An OLT rx of exactly 0 is no value (its command line)."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = _reason(answers)
    at_olt = written_level(answers, "olt_rx")
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx") if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        olt_rx=at_olt if online and at_olt else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=_uptime(answers) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=_link({"link": answers.get("uni_link", NO_VALUE)}) if online else None,
        model=" ".join(filter(None, (text(answers, "vendor"), text(answers, "model")))),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Of an ONT that is away only what does not pass."""
    online = state_of(answers, STATES) is OnuState.ONLINE
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150) if online else None,
        voltage_v=real(answers, "voltage", least=0.1, most=15) if online else None,
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        last_down_at=moment(answers, "down_at"),
        unis=tuple(
            UniPort(index[-1], up=_link({"link": value}), enabled=_enabled(walked, index))
            for index, value in sorted(walked.get("link", {}).items())
            if index[:-1] == place.onu
        ),
        pon=PonPort(
            onu.pon, tx=written_level(answers, "pon_tx"), temperature_c=real(answers, "pon_temperature", most=150)
        ),
    )


def _link(answers: Answers) -> bool | None:
    """Text such as ``Linkdown`` or ``100BaseT full duplex``; nothing that says neither tells."""
    words = plain(answers, "link").casefold()
    if "down" in words:
        return False
    return True if "up" in words or "base" in words else None


def _enabled(walked: Walked, index: Oid) -> bool | None:
    code = number({"enabled": walked.get("enabled", {}).get(index, NO_VALUE)}, "enabled")
    return None if code is None else {0: True, 1: False}.get(code)


# --- the command line ---


def _asks(command: str) -> Callable[[OnuAddress, OnuReading], tuple[str, ...]]:
    """``*`` stands for the ONT."""
    return lambda onu, reading: (command.replace("*", gcom.name_of(onu)),)


_BOTH_ENDS = re.compile(r"(-?[0-9.]{1,9})\s*\(OLT [RT]X:\s*(-?[0-9.]{1,9})\)", re.IGNORECASE | re.ASCII)


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``TX Optical Power(dBm) : 2.558 (OLT RX: -18.697)``; an OLT RX of 0 is no value."""
    told = said.fields(*outputs)
    rx = _BOTH_ENDS.match(told.get("rx optical power(dbm)", ""))
    tx = _BOTH_ENDS.match(told.get("tx optical power(dbm)", ""))
    return LineDetails(
        temperature_c=said.temperature(told.get("temperature(c)")),
        onu_rx=said.level(rx[1]) if rx else None,
        onu_tx=said.level(tx[1]) if tx else None,
        olt_rx=(said.level(tx[2]) or None) if tx else None,
    )


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``64:ee:b7:1f:22:2a 343 0/4/2 XPON-0c8aaa68 1/280``; a line with the total ends a whole answer."""
    if not said.has_table(r"mac-address|total entries", *outputs):
        return LineDetails()
    rows = (line.split() for line in said.lines(*outputs))
    return LineDetails(
        macs=tuple(
            MacRow(found, said.vlan(row[1]), row[2])
            for row in rows
            if len(row) >= 3 and row[2] == gcom.name_of(onu) and (found := said.mac(row[0]))
        )
    )


def _uni(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``Port status is Enable, 100BaseT full duplex``, or ``Linkdown`` in the place of the speed."""
    found = re.search(r"Port status is (\w+),\s*([^\n]{1,60})", "\n".join(said.lines(*outputs)), re.IGNORECASE)
    if found is None:
        return LineDetails()
    enabled, how = found[1].casefold(), found[2].casefold()
    speed = re.match(r"([0-9]{2,5})base\S*\s+(full|half)", how, re.ASCII)
    up = True if speed else False if "down" in how else None
    port = UniPort(
        1,
        up=up,
        enabled={"enable": True, "disable": False}.get(enabled),
        mbps=int(speed[1]) if speed else None,
        full_duplex=speed[2] == "full" if speed else None,
    )
    return LineDetails(unis=(port,))


def _log(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``2026/08/10 11:59:30 ... OLT: offline, reason: LOS.``; the newest fall is the last one."""
    if not any(output.strip() for output in outputs) or said.is_refusal(*outputs):
        return LineDetails()
    log = []
    for line in said.lines(*outputs):
        if (at := said.moment(line)) is not None:
            why = re.search(r"reason:\s*([\w-]{1,30})", line, re.IGNORECASE | re.ASCII)
            log.append(LogLine(line, at, said.reason(why[1]) if why and "offline" in line.casefold() else None))
    falls = sorted((line.at, line.text) for line in log if line.at is not None and line.down is not None)
    return LineDetails(log=tuple(log), last_down_at=falls[-1][0] if falls else None)


def _reboot(onu: OnuAddress, _: str) -> tuple[str, ...]:
    return (f"ont reboot {gcom.name_of(onu)}",)


def build(settings: Mapping[str, str]) -> OltDriver:
    maker: Oid = (1, 3, 6, 1, 4, 1, int(settings["enterprise"]), 1)
    root = (*maker, 14)
    onu = (*root, 2, 4, 1, 1, 1)
    optics = (*root, 2, 4, 1, int(settings["optics_table"]), 1)
    older = ((*root, 2, 4),) if settings["optics_table"] == "4" else ()
    return OltDriver(
        name="gcom_gpon",
        title="GCOM GPON (GL5610, Intelbras G08/G16)",
        family="gpon",
        signs=Signs(((*maker, 10, 7),), "", ((*optics, 5), *older), others=((*maker, 3),)),
        listing=Listing({"status": (*onu, 6)}, lambda walked: gcom.listed(walked, "gpon")),
        place_of=gcom.place_of,
        reads=(
            Read(
                {
                    "status": (*onu, 6), "onu_rx": (*optics, 5), "onu_tx": (*optics, 6), "olt_rx": (*optics, 11),
                    "distance": (*onu, 7), "reason": (*onu, 12), "serial": (*onu, 8), "model": (*onu, 5),
                    "vendor": (*onu, 9), "alive": (*onu, 14),
                },
                by_onu,
            ),
            Read({"uni_link": (*root, 2, 4, 2, 1, 1, 6)}, by_first_uni),
        ),
        decode=decode,
        details=(
            Read(
                {
                    "temperature": (*optics, 8), "voltage": (*optics, 4), "description": (*onu, 4),
                    "down_at": (*onu, 13), "firmware": (*root, 2, 4, 1, 2, 1, 7),
                },
                by_onu,
            ),
            Read({"pon_tx": (*root, 2, 3, 3, 1, 20), "pon_temperature": (*root, 2, 3, 3, 1, 12)}, by_pon),
            Under({"link": (*root, 2, 4, 2, 1, 1, 6), "enabled": (*root, 2, 4, 2, 1, 1, 5)}, by_onu, most=24),
        ),
        decode_details=decode_details,
        dialect=gcom.DIALECT,
        questions_cli=(
            CliQuestion("optics", _asks("show ont optical-info *"), _optics),
            CliQuestion("uni", _asks("show ont port-status * port 1"), _uni),
            CliQuestion("macs", _asks("show ont mac-address-table *"), _macs),
            CliQuestion("log", _asks("show ont-logging buffer *"), _log),
        ),
        writes={"reboot": CliWrite(_reboot)},
        absent=frozenset({"uni_mbps", "vlan", "bias_ma", "registered_at"}),
        limits=Limits(bulk_rows=10, gap_s=0.03),
        options={
            "enterprise": Option("the badge's enterprise number", "13464"),
            "optics_table": Option("where the optics stand: 4 on older software, 9 on newer", "4", ("4", "9")),
        },
        with_options=build,
        badges=tuple(
            (("enterprise", number), ("optics_table", table))
            for number in ("13464", *gcom.BADGES)
            for table in ("4", "9")
            if (number, table) != ("13464", "4")
        ),
    )  # fmt: skip


DRIVER = build({"enterprise": "13464", "optics_table": "4"})
