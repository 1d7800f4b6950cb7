"""V-SOL EPON OLTs: V1600D.

Sources: switcher-core (configs/oids), Ubilling (snmptemplates), MIB V1600D, LibreNMS recording "vsolution_v1600d" with
16 ONUs, whose levels are among our documented values. Not tried on our own devices.

Of its command line: published tests of a reader (stored file 55626536112) and a live capture (59190628635), oxidized
(vsololt.rb).

Oddities: levels are text such as ``0.00 mW (-28.24 dBm)``, where only the bracket counts. No level at the OLT for one
ONU was found. Its command line prints log lines into the session at any time, and lists the ONU's own MAC among those
behind it. Two ways to restart an ONU are known, each of two or three objects that must be set together: none is used.
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import (
    CliQuestion,
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, LineDetails, MacRow, OnuReading, OnuState, PonPort, UniPort
from callcenter.diag.values import Answers, Oid, mac, moment, not_negative, number, plain, real, text, written_level
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 5)
ONU: Oid = (*ROOT, 12, 1, 29, 1)
OPTICS: Oid = (*ROOT, 12, 2, 1, 8, 1)
PON_OPTICS: Oid = (*ROOT, 10, 13, 1, 1)
STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (DownReason.FIBRE, "wire-down"),
    1: (DownReason.POWER, "power-off"),
}


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by PON and ONU: ``EPON0/1:7`` of its command line is 1.7."""
    return Place((onu.port, onu.onu), (onu.port,)) if len(onu.path) == 2 and onu.path[0] == 0 else None


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("epon", (0, index[0]), index[1]): Place(index, index[:1])
        for index in walked.get("status", {})
        if len(index) == 2
    }


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers. An ONU that never went down has reason 0 too, so it counts only when offline."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = (None, "") if online else reason_of(answers, REASONS)
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx") if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=lasted(plain(answers, "alive")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online, codes=LINK),
        model=text(answers, "model"),
        serial=mac(answers, "mac"),
    )


_LASTED = re.compile(r"([0-9]{1,5}) ([0-9]{1,2}):([0-9]{2}):([0-9]{2})", re.ASCII)


def lasted(words: str) -> int | None:
    """``6 19:16:07``, days and a clock, in seconds; where it is written otherwise it is not read."""
    found = _LASTED.fullmatch(words)
    if found is None:
        return None
    days, hours, minutes, seconds = map(int, found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Of an ONU that is away only what does not pass."""
    online = state_of(answers, STATES) is OnuState.ONLINE
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150) if online else None,
        voltage_v=real(answers, "voltage", least=0.1, most=15) if online else None,
        bias_ma=real(answers, "bias", least=0, most=200) if online else None,
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        last_down_at=moment(answers, "down_at"),
        unis=unis_of(place, walked),
        pon=PonPort(
            onu.pon,
            tx=written_level(answers, "pon_tx"),
            temperature_c=real(answers, "pon_temperature", most=150),
            voltage_v=real(answers, "pon_voltage", least=0.1, most=15),
            bias_ma=real(answers, "pon_bias", least=0, most=200),
        ),
    )


LINK = {1: True, 0: False, 2: False}
VLAN_MODES = {0: "transparent", 1: "tag", 2: "translation", 3: "aggregation", 4: "trunk"}


def unis_of(place: Place, walked: Walked) -> tuple[UniPort, ...]:
    """LAN ports by the number that ends their index."""
    ports: dict[int, dict[str, int | None]] = {}
    for name in ("link", "enabled", "vlan_mode", "pvid"):
        for index, value in walked.get(name, {}).items():
            if index[:-1] == place.onu:
                ports.setdefault(index[-1], {})[name] = number({name: value}, name)
    told = []
    for port, known in sorted(ports.items()):
        link, enabled, mode = known.get("link"), known.get("enabled"), known.get("vlan_mode")
        told.append(
            UniPort(
                port,
                up=None if link is None else LINK.get(link),
                enabled=None if enabled is None else LINK.get(enabled),
                vlan=said.vlan(str(known.get("pvid"))) if mode == 1 else None,
                vlan_mode="" if mode is None else VLAN_MODES.get(mode, f"mode {mode}"),
            )
        )
    return tuple(told)


# --- the command line ---


def _in_pon(onu: OnuAddress, *commands: str) -> tuple[str, ...]:
    return "configure terminal", f"interface epon 0/{onu.port}", *commands, "exit", "exit"


def _statuses(onu: OnuAddress) -> str:
    return f"show onu status pon {onu.port},all"


def _optics_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return _in_pon(onu, "show onu opm-diag")


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``EPON0/1:2 41.19 3.28 14.45 5.14 -10.74``: temperature, voltage, bias, tx, rx of each ONU of the PON."""
    words = said.row_of(str(onu), *outputs[2:3]).split()
    if len(words) != 6:
        return LineDetails()
    _, warm, volts, current, tx, rx = words
    return LineDetails(
        temperature_c=said.temperature(warm),
        voltage_v=said.voltage(volts),
        bias_ma=said.bias(current),
        onu_tx=said.level(tx),
        onu_rx=said.level(rx),
    )


def _state_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (_statuses(onu),)


_ROW = re.compile(
    r"\S+\s+(?:online|offline)\s+\S+\s+\d+\s+\d+\s+"
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|N/A)\s+(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|N/A)\s+"
    r"([A-Za-z/]+(?: [A-Za-z]+){0,2})\s+\d+ \d\d:\d\d:\d\d\b",
    re.ASCII,
)


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``... 2026/06/01 08:08:13 2026/06/01 08:07:32 Power Off 6 19:16:07 N/A``: registered, fallen, why, lasting."""
    row = _ROW.match(said.row_of(str(onu), *outputs))
    if row is None:
        return LineDetails()
    word = "" if row[3] == "N/A" else row[3]
    return LineDetails(
        registered_at=said.moment(row[1]),
        last_down_at=said.moment(row[2]),
        last_down_reason=said.reason(word) if word else None,
        last_down_word=word,
    )


def _uni_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return _in_pon(onu, f"show onu {onu.onu} ctc eth 1 port_info")


def _uni(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``1         UP``; no speed."""
    for line in said.lines(*outputs[2:3]):
        if (found := re.fullmatch(r"1\s+(UP|DOWN)", line, re.IGNORECASE)) is not None:
            return LineDetails(unis=(UniPort(1, up=found[1].upper() == "UP"),))
    return LineDetails()


def _mac_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (_statuses(onu), *_in_pon(onu, f"show onu {onu.onu} mac-address-table"))


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``2 100 11:22:33:44:55:66 EPON0/1 1 100``: number, VLAN, MAC, PON, ONU, age. The ONU's own is left out.

    An empty table has no heading that would tell it from a session that broke: it tells nothing.
    """
    if len(outputs) < 4 or not outputs[3].strip() or said.is_refusal(outputs[3]):
        return LineDetails()
    own = said.mac(said.row_of(str(onu), outputs[0]))
    rows = []
    for line in said.lines(outputs[3]):
        words = line.split()
        if len(words) >= 5 and words[3].upper() == onu.pon and words[4] == str(onu.onu):
            found = said.mac(words[2])
            if found and found != own:
                rows.append(MacRow(found, said.vlan(words[1]), str(onu)))
    return LineDetails(macs=tuple(rows))


DIALECT = Dialect(
    name="vsol",
    prompt=r"[\w.|-]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    login_user=r"(?i)login:\s*$",
    unpage=("terminal length 0",),
    pager=r"--More--\s?\x00?",
    default_protocol="telnet",
)

DRIVER = OltDriver(
    name="vsol_epon",
    title="V-SOL EPON (V1600D)",
    family="epon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 37950, 1, 1, 5),), r"V1600D|EPON", ((*ROOT, 12),)),
    listing=Listing({"status": (*ONU, 4)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*ONU, 4), "onu_rx": (*OPTICS, 7), "onu_tx": (*OPTICS, 6), "distance": (*ONU, 17),
                "reason": (*ONU, 15), "mac": (*ONU, 5), "model": (*ONU, 6), "alive": (*ONU, 20),
            },
            by_onu,
        ),
        Read({"uni_link": (*ROOT, 12, 5, 1, 13, 1, 4)}, by_first_uni),
    ),
    decode=decode,
    details=(
        Read(
            {
                "temperature": (*OPTICS, 3), "voltage": (*OPTICS, 4), "bias": (*OPTICS, 5),
                "firmware": (*ROOT, 12, 2, 1, 2, 1, 7), "description": (*ROOT, 12, 1, 25, 1, 9),
                "registered": (*ONU, 18), "down_at": (*ONU, 19),
            },
            by_onu,
        ),
        Read(
            {
                "pon_temperature": (*PON_OPTICS, 2), "pon_voltage": (*PON_OPTICS, 3), "pon_bias": (*PON_OPTICS, 4),
                "pon_tx": (*PON_OPTICS, 5),
            },
            by_pon,
        ),
        Under(
            {
                "link": (*ROOT, 12, 5, 1, 13, 1, 4), "enabled": (*ROOT, 12, 5, 1, 13, 1, 5),
                "vlan_mode": (*ROOT, 12, 5, 1, 10, 1, 4), "pvid": (*ROOT, 12, 5, 1, 10, 1, 5),
            },
            by_onu,
            most=24,
        ),
    ),
    decode_details=decode_details,
    dialect=DIALECT,
    questions_cli=(
        CliQuestion("optics", _optics_commands, _optics),
        CliQuestion("state", _state_commands, _state),
        CliQuestion("uni", _uni_commands, _uni),
        CliQuestion("macs", _mac_commands, _macs),
    ),
    absent=frozenset({"olt_rx", "uni_mbps", "vlan", "log"}),
)  # fmt: skip
