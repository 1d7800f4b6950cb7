"""ZTE GPON OLTs C320 and C300, firmware 1.2 and 2.x (tree 1012), and those of tree 1082: V2.2 and newer, C6xx.

Sources: switcher-core (oids/zte, Modules/ZTE), Ubilling and ABillS agree on the tree 1012; LibreNMS recording
"zxa10_c320" for its index and the distance; switcher-core's C600 for the tree 1082. The command line is in
``_zte_cli.py``. Not tried on our own devices.

Oddities: 65535 is no level; the level of the ONU is a signed 16-bit number of 0.002 dB from -30 dBm. Tree 1012 counts
PON ports by numbers of its own, 0x10SSPP00; tree 1082 takes the ifIndex, so its PON ports are found by their names, and
its phases count from 1. Which tree a C320 has depends on its firmware and is an option; so is how its command line
writes an ONU. A ZTE's restart of an ONU is a command on tree 1012 (firmwares differ in the object) and a write on 1082.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from callcenter.diag import said
from callcenter.diag.driver import (
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
    interface_name,
    make_and_model,
    reason_of,
    uni_up,
)
from callcenter.diag.drivers import _lan as lan
from callcenter.diag.drivers import _zte_cli as cli
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, gpon_serial, level, light, moment, not_negative, number, real, text
from callcenter.words import Dbm, OnuAddress

ZTE: Oid = (1, 3, 6, 1, 4, 1, 3902)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
NEW: Oid = (*ZTE, 1082, 500)
NEW_UNI: Oid = (*NEW, 20, 2, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class Tree:
    """Where a firmware keeps its columns."""

    state: Oid
    serial: Oid
    description: Oid
    optics: Oid
    olt_rx: Oid
    distance: Oid
    vendor: Oid
    model: Oid
    first_phase: int
    """What the table of phases begins with."""


TREES = {
    "1012": Tree(
        state=(*ZTE, 1012, 3, 28, 2, 1), serial=(*ZTE, 1012, 3, 28, 1, 1, 5), description=(*ZTE, 1012, 3, 28, 1, 1, 3),
        optics=(*ZTE, 1012, 3, 50, 12, 1, 1), olt_rx=(*ZTE, 1015, 1010, 11, 2, 1, 2),
        distance=(*ZTE, 1012, 3, 11, 4, 1, 2), vendor=(*ZTE, 1012, 3, 50, 11, 2, 1, 1),
        model=(*ZTE, 1012, 3, 50, 11, 2, 1, 9), first_phase=0,
    ),
    "1082": Tree(
        state=(*NEW, 10, 2, 3, 8, 1), serial=(*NEW, 10, 2, 3, 3, 1, 6), description=(*NEW, 10, 2, 3, 3, 1, 3),
        optics=(*NEW, 20, 2, 2, 2, 1), olt_rx=(*NEW, 1, 2, 4, 2, 1, 2), distance=(*NEW, 10, 2, 3, 10, 1, 2),
        vendor=(*NEW, 20, 2, 1, 2, 1, 1), model=(*NEW, 20, 2, 1, 2, 1, 8), first_phase=1,
    ),
}  # fmt: skip
FIRMWARE: Oid = (*NEW, 20, 2, 1, 2, 1, 2)
OLD_UNI: Oid = (*ZTE, 1012, 3, 50, 14, 1, 1)
FIRST = 0x10000000
PHASES: dict[int, tuple[OnuState, DownReason | None, str]] = {
    0: (OnuState.STARTING, None, "logging"),
    1: (OnuState.OFFLINE, DownReason.FIBRE, "LOS"),
    2: (OnuState.STARTING, None, "syncMib"),
    3: (OnuState.ONLINE, None, ""),
    4: (OnuState.OFFLINE, DownReason.POWER, "DyingGasp"),
    5: (OnuState.OFFLINE, DownReason.ADMIN, "authFailed"),
    6: (OnuState.OFFLINE, None, "offline"),
}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    1: (DownReason.UNKNOWN, "unknown"),
    2: (DownReason.FIBRE, "LOS"),
    3: (DownReason.FIBRE, "LOSi"),
    4: (DownReason.DEGRADED, "LOFi"),
    5: (DownReason.DEGRADED, "SFi"),
    6: (DownReason.DEGRADED, "LOAi"),
    7: (DownReason.DEGRADED, "LOAMi"),
    8: (DownReason.ADMIN, "authFail"),
    9: (DownReason.POWER, "DyingGasp"),
    10: (DownReason.ADMIN, "deactive"),
    11: (DownReason.UNKNOWN, "deactiveFail"),
    12: (DownReason.RESET, "reboot"),
    13: (DownReason.ADMIN, "shutdown"),
}
SPEEDS = {2: 10, 3: 10, 4: 100, 5: 100, 6: 1000}
FULL = {2: False, 3: True, 4: False, 5: True, 6: True}
_PON = re.compile(r"GPON(?:[-_]OLT)?[-_](\d{1,3})/(\d{1,3})/(\d{1,3})", re.ASCII)


def place_of(onu: OnuAddress) -> Place | None:
    """``GPON1/1/2:5`` (shelf, slot, port) is 0x10SSPP00 of slot and port, then the ONU."""
    if len(onu.path) != 3 or onu.path[0] != 1 or not (onu.slot < 256 and onu.port < 256):
        return None
    pon = FIRST | onu.slot << 16 | onu.port << 8
    return Place((pon, onu.onu), (pon,))


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("gpon", (1, index[0] >> 16 & 0xFF, index[0] >> 8 & 0xFF), index[1]): Place(index, index[:1])
        for index in walked.get("status", {})
        if len(index) == 2 and index[0] >> 24 == 0x10 and not index[0] & 0xFF
    }


def listed_by_name(walked: Walked) -> dict[OnuAddress, Place]:
    """Tree 1082: the PON whose ifIndex it is, ``gpon_olt-1/1/2``, then the ONU."""
    pons = {
        index: tuple(int(part) for part in found.groups())
        for index, name in walked.get("names", {}).items()
        if (found := _PON.fullmatch(interface_name(name))) is not None
    }
    return {
        OnuAddress("gpon", pons[index[:1]], index[1]): Place(index, index[:1])
        for index in walked.get("status", {})
        if len(index) == 2 and index[:1] in pons
    }


def of_onu(answers: Answers, name: str) -> Dbm | None:
    """The ONU's own level: a signed 16-bit number times 0.002 dB, from -30 dBm; 65535 is none."""
    raw = number(answers, name)
    if raw is None or not 0 <= raw < 65535:
        return None
    return light(round((raw - 65536 if raw > 30_000 else raw) * 0.002 - 30, 2))


def of_olt(answers: Answers) -> Dbm | None:
    """The OLT's level of the ONU in 0.001 dBm; -80000 and 65535000 are none."""
    dbm = level(answers, "olt_rx", per_dbm=1000)
    return None if dbm is None else Dbm(round(dbm, 2))


def by_optics(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 1)


def decode(answers: Answers, first_phase: int = 0) -> OnuReading:
    """One ONU from the OLT's answers. Why a dark one is dark is its phase, else its last reason."""
    phase = number(answers, "status")
    state, why, word = PHASES.get(-1 if phase is None else phase - first_phase, (OnuState.UNKNOWN, None, ""))
    online = state is OnuState.ONLINE
    reason = (why, word) if why is not None else reason_of(answers, REASONS)
    codes = {1: True, 2: False}
    up = uni_up(answers, online=online, codes=codes)
    if up is None and online and (new := number(answers, "new_uni_link")) is not None:
        up = codes.get(new)
    speed = number(answers, "uni_speed")
    speed = number(answers, "new_uni_speed") if speed is None else speed
    return OnuReading(
        state=state,
        onu_rx=of_onu(answers, "onu_rx") if online else None,
        onu_tx=of_onu(answers, "onu_tx") if online else None,
        olt_rx=of_olt(answers) if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason[0],
        last_down_word=reason[1],
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=make_and_model(answers),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Temperature in 1/256 degree, voltage in 20 mV; LAN ports from whichever of the two tables has this ONU."""
    unis = lan.unis(place, walked, speeds=SPEEDS, duplex=FULL)
    if not unis:
        new = {name.removeprefix("new_"): rows for name, rows in walked.items() if name.startswith("new_")}
        unis = lan.unis(place, new, speeds=SPEEDS, duplex=FULL)
    return LineDetails(
        temperature_c=real(answers, "temperature", 256, most=150),
        voltage_v=real(answers, "voltage", 50, least=0.1, most=15),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        last_down_at=moment(answers, "down_at"),
        unis=unis,
    )


def build(options: Mapping[str, str]) -> OltDriver:
    tree, names, old = TREES[options["tree"]], options["cli_names"], options["tree"] == "1012"
    # firmware 2.x of tree 1012 has its LAN ports in the other tree already
    unis = {"": OLD_UNI, "new_": NEW_UNI} if old else {"": NEW_UNI}
    status = (*tree.state, 4)
    reboot = cli.reboot(names) if old else SnmpWrite((*NEW, 20, 2, 1, 10, 1, 1), by_onu, lambda value: 1)
    describe = (
        cli.describe(names) if old else SnmpWrite(tree.description, by_onu, lambda value: said.one_word(value).encode())
    )
    return OltDriver(
        name="zte_c3xx",
        title="ZTE GPON (C320, C300, C6xx)",
        family="gpon",
        signs=Signs(
            ((*ZTE, 1082, 1001, 320), (*ZTE, 1082, 1001, 300), (*ZTE, 1015, 300)), r"C3\d\d", (tree.state[:-1],)
        ),
        listing=(
            Listing({"status": status}, listed)
            if old
            else Listing({"names": IF_NAME, "status": status}, listed_by_name)
        ),
        place_of=place_of if old else None,
        derived=True,
        reads=(
            Read(
                {
                    "status": status, "reason": (*tree.state, 7), "serial": tree.serial, "olt_rx": tree.olt_rx,
                    "distance": tree.distance, "vendor": tree.vendor, "model": tree.model,
                },
                by_onu,
            ),
            Read({"onu_rx": (*tree.optics, 10), "onu_tx": (*tree.optics, 14)}, by_optics),
            Read(
                {f"{new}uni_{name}": (*table, column) for new, table in unis.items()
                 for name, column in (("link", 6), ("speed", 7))},
                by_first_uni,
            ),
        ),
        swept=frozenset({"status", "reason", "onu_rx", "olt_rx", "uni_link", "new_uni_link"}),
        decode=lambda answers: decode(answers, tree.first_phase),
        details=(
            Read(
                {
                    "description": tree.description, "registered": (*tree.state, 5), "down_at": (*tree.state, 6),
                    "firmware": FIRMWARE,
                },
                by_onu,
            ),
            Read({"temperature": (*tree.optics, 19), "voltage": (*tree.optics, 17)}, by_optics),
            Under(
                {f"{new}{name}": (*table, column) for new, table in unis.items()
                 for name, column in (("enabled", 5), ("link", 6), ("speed", 7), ("duplex", 7))},
                by_onu,
            ),
        ),
        decode_details=decode_details,
        dialect=cli.DIALECT,
        questions_cli=cli.questions(names),
        writes={"reboot": reboot, "describe": describe, "vlan": cli.vlan(names)},
        absent=frozenset({"uptime_s", "bias_ma"}),
        options=OPTIONS,
        with_options=build,
        badges=((("cli_names", cli.C6XX), ("tree", "1082")),),
    )  # fmt: skip


OPTIONS = {
    "tree": Option("where its tables stand: 1012 to firmware 2.1, 1082 from V2.2 and on C6xx", "1012", tuple(TREES)),
    "cli_names": Option(
        "how its command line writes an ONU: gpon-onu_1/1/1:5 on C3xx, gpon_onu-1/1/1:5 on C6xx", cli.C3XX,
        (cli.C3XX, cli.C6XX),
    ),
}  # fmt: skip
DRIVER = build({name: option.default for name, option in OPTIONS.items()})
