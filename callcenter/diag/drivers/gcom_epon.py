"""GCOM EPON OLTs: EL5610-04P/08P/16P, and their badges (Intelbras 4840E, SmartFiber, QTECH).

Sources: switcher-core (configs/models/gcom.yml and its OIDs), Ubilling (snmptemplates, api.pongcomel5610), ABillS
(Equipment/Gcom.pm, Smartfiber.pm). Not tried on our own devices.

The command line is in ``_gcom.py``.

Oddities: the enterprise number is the badge's (the SDK's MIB calls 13464 a sample to be replaced), so it is an option.
Levels are text in dBm; SmartFiber writes what it receives without its sign (unverified). There is no level at the OLT
for one ONU. The agent falls silent under a burst: requests of a walk are 30 ms apart. In the table of MACs behind an
ONU the VLANs are walked first, otherwise the first row is lost. Firmware 27514 may keep the software's version in the
vendor's column. SmartFiber restarts an ONU with 0 where others take 1 (unverified): 1 is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
    SnmpWrite,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    make_and_model,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.drivers import _gcom as gcom
from callcenter.diag.reading import DownReason, LineDetails, MacRow, OnuReading, OnuState, PonPort, UniPort
from callcenter.diag.values import Answers, Oid, mac, moment, not_negative, number, real, text, written_level
from callcenter.words import OnuAddress

STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (None, ""),
    1: (DownReason.FIBRE, "mpcp-timeout"),
    2: (DownReason.DEGRADED, "rtt-drift"),
    3: (DownReason.POWER, "power-off"),
    4: (DownReason.ADMIN, "auth-failed"),
    5: (DownReason.ADMIN, "blacklist"),
    6: (DownReason.UNKNOWN, "get-sn-failed"),
    7: (DownReason.UNKNOWN, "capability-failed"),
}


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers; levels are text in dBm, empty or ``Offline`` while it is down."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = reason_of(answers, REASONS)
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx", received=True) if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online, codes={1: True, 0: False}),
        model=make_and_model(answers),
        serial=mac(answers, "mac"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Of an ONU that is away only what does not pass. Rows of the MAC table are numbered; the VLANs' likewise."""
    online = state_of(answers, STATES) is OnuState.ONLINE
    vlans, macs = walked.get("fdb_vlan", {}), walked.get("fdb_mac", {})
    rows = (
        MacRow(found, said.vlan(str(number({"vlan": vlans[row]}, "vlan"))) if row in vlans else None)
        for row, value in sorted(macs.items())
        if (found := mac({"mac": value}, "mac"))
    )
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150) if online else None,
        voltage_v=real(answers, "voltage", least=0.1, most=15) if online else None,
        bias_ma=real(answers, "bias", least=0, most=200) if online else None,
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        vlan=said.vlan(str(number(answers, "c_vlan"))),
        unis=unis_of(place, walked),
        macs=tuple(rows) if "fdb_mac" in walked else None,
        pon=PonPort(
            onu.pon,
            tx=written_level(answers, "pon_tx"),
            temperature_c=real(answers, "pon_temperature", most=150),
            voltage_v=real(answers, "pon_voltage", least=0.1, most=15),
        ),
    )


VLAN_MODES = {0: "transparent", 1: "tag", 4: "trunk"}


def unis_of(place: Place, walked: Walked) -> tuple[UniPort, ...]:
    """LAN ports by the number that ends their index."""
    ports: dict[int, dict[str, int | None]] = {}
    for name in ("link", "enabled", "pvid", "vlan_mode"):
        for index, value in walked.get(name, {}).items():
            if index[:-1] == place.onu:
                ports.setdefault(index[-1], {})[name] = number({name: value}, name)
    told = []
    for port, known in sorted(ports.items()):
        link, enabled, mode = known.get("link"), known.get("enabled"), known.get("vlan_mode")
        told.append(
            UniPort(
                port,
                up=None if link is None else {1: True, 0: False}.get(link),
                enabled=None if enabled is None else {2: True, 0: False, 1: False}.get(enabled),
                vlan=said.vlan(str(known.get("pvid"))) if mode == 1 else None,
                vlan_mode="" if mode is None else VLAN_MODES.get(mode, f"mode {mode}"),
            )
        )
    return tuple(told)


# --- the command line ---


def _optics_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return "configure terminal", f"onu {gcom.name_of(onu)}", "show onu-opm-diagnosis", "exit", "exit"


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``RX Power(Input) : 0.573 mW (-2.40 dBm)``: the bracket counts. Another ONU's answer is not ours."""
    told = said.fields(*outputs[2:3])
    if told.get("onu", gcom.name_of(onu)) != gcom.name_of(onu):
        return LineDetails()
    return LineDetails(
        temperature_c=said.temperature(told.get("work temperature")),
        voltage_v=said.voltage(told.get("supply voltage(vcc)")),
        bias_ma=said.bias(told.get("tx bias current")),
        onu_rx=said.level(told.get("rx power(input)")),
        onu_tx=said.level(told.get("tx power(output)")),
    )


def _state_commands(onu: OnuAddress, reading: OnuReading) -> tuple[str, ...]:
    known = said.mac(reading.serial)
    return (f"show onu-status mac {known}" if known else "show onu-status",)


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``0/4/6 30:e1:f1:73:a7:19 2654 26/07/29 06:09:43 other 1.3-220719 Up``; dashes where there is nothing."""
    row = said.row_of(gcom.name_of(onu), *outputs)
    software = re.search(r"\s(\S+)\s+(?:Up|Down)\b", row)
    return LineDetails(
        registered_at=said.moment(row), firmware=software[1][:60] if software and software[1] != "-" else ""
    )


def _mac_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (f"show mac-address-table onu {gcom.name_of(onu)}",)


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``aa:bb:cc:dd:ee:01  100    0/4/6    Active``."""
    if not said.has_table(r"mac address|total", *outputs):
        return LineDetails()
    rows = (line.split() for line in said.lines(*outputs))
    return LineDetails(
        macs=tuple(
            MacRow(found, said.vlan(row[1]), row[2])
            for row in rows
            if len(row) >= 3 and row[2] == gcom.name_of(onu) and (found := said.mac(row[0]))
        )
    )


def _describe(onu: OnuAddress, words: str) -> tuple[str, ...]:
    return f"onu {gcom.name_of(onu)}", f"onu-description {said.one_word(words)}", "exit"


def _set_vlan(onu: OnuAddress, words: str) -> tuple[str, ...]:
    vlan = said.vlan_asked(words)
    return f"onu {gcom.name_of(onu)}", "interface ethernet 0/1", f"onu-vlan-mode tag vlan {vlan}", "exit", "exit"


def build(settings: Mapping[str, str]) -> OltDriver:
    maker: Oid = (1, 3, 6, 1, 4, 1, int(settings["enterprise"]), 1)
    root = (*maker, 13)
    onu, optics = (*root, 3, 1, 1), (*root, 3, 3, 1)
    return OltDriver(
        name="gcom_epon",
        title="GCOM EPON (EL5610, Intelbras 4840E)",
        family="epon",
        signs=Signs((( *maker, 10, 5),), "", ((*root, 3, 1),), others=((*maker, 3),)),
        listing=Listing({"status": (*onu, 4)}, lambda walked: gcom.listed(walked, "epon")),
        place_of=gcom.place_of,
        reads=(
            Read(
                {
                    "status": (*onu, 4), "onu_rx": (*optics, 8), "onu_tx": (*optics, 7), "distance": (*onu, 18),
                    "reason": (*onu, 23), "vendor": (*onu, 7), "model": (*onu, 8), "mac": (*onu, 9),
                },
                by_onu,
            ),
            Read({"uni_link": (*root, 4, 1, 1, 6)}, by_first_uni),
        ),
        decode=decode,
        details=(
            Read(
                {
                    "temperature": (*optics, 4), "voltage": (*optics, 5), "bias": (*optics, 6),
                    "firmware": (*onu, 10), "description": (*onu, 5), "registered": (*onu, 19),
                    "c_vlan": (*root, 3, 2, 1, 7),
                },
                by_onu,
            ),
            Read(
                {
                    "pon_temperature": (*root, 2, 2, 1, 3), "pon_voltage": (*root, 2, 2, 1, 4),
                    "pon_tx": (*root, 2, 2, 1, 6),
                },
                by_pon,
            ),
            Under(
                {
                    "link": (*root, 4, 1, 1, 6), "enabled": (*root, 4, 1, 1, 5), "pvid": (*root, 4, 2, 1, 1, 8),
                    "vlan_mode": (*root, 4, 2, 1, 1, 9),
                },
                by_onu,
                most=24,
            ),
            Under({"fdb_vlan": (*root, 3, 16, 1, 7), "fdb_mac": (*root, 3, 16, 1, 5)}, by_onu),
        ),
        decode_details=decode_details,
        dialect=gcom.DIALECT,
        questions_cli=(
            CliQuestion("optics", _optics_commands, _optics),
            CliQuestion("state", _state_commands, _state),
            CliQuestion("macs", _mac_commands, _macs),
        ),
        writes={
            "reboot": SnmpWrite((*onu, 17), by_onu, lambda words: 1),
            "describe": CliWrite(_describe),
            "vlan": CliWrite(_set_vlan),
        },
        absent=frozenset({"olt_rx", "uptime_s", "uni_mbps", "last_down_at", "log"}),
        limits=Limits(bulk_rows=10, gap_s=0.03),
        options={"enterprise": Option("the badge's enterprise number", "13464")},
        with_options=build,
        badges=tuple((("enterprise", number),) for number in gcom.BADGES),
    )  # fmt: skip


DRIVER = build({"enterprise": "13464"})
