"""ZTE GPON OLTs C320 and C300, firmware 1.2 and 2.x (tree 1012).

Sources: switcher-core, Ubilling and ABillS agree on the tree 1012; LibreNMS recording "zxa10_c320" for the index and
the distance. Not tried on our own devices. The tree 1082 of C6xx and V2.2+ has phases that count from 1 and an index of
its own that no source explains well enough: such an OLT lists nothing here, and that is said.

Oddities: 65535 is no level; the level of the ONU is a signed 16-bit number of 0.002 dB from -30 dBm.
"""

from __future__ import annotations

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import (
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    Walked,
    by_first_uni,
    by_onu,
    make_and_model,
    reason_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, gpon_serial, level, light, moment, not_negative, number, real, text
from callcenter.words import Dbm, OnuAddress

ZTE: Oid = (1, 3, 6, 1, 4, 1, 3902)
STATE: Oid = (*ZTE, 1012, 3, 28, 2, 1)
ABOUT: Oid = (*ZTE, 1012, 3, 28, 1, 1)
OPTICS: Oid = (*ZTE, 1012, 3, 50, 12, 1, 1)
UNI: Oid = (*ZTE, 1012, 3, 50, 14, 1, 1)
NEW_UNI: Oid = (*ZTE, 1082, 500, 20, 2, 3, 2, 1)
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


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers. Why a dark one is dark is its phase, else its last reason."""
    phase = number(answers, "status")
    state, why, word = PHASES.get(-1 if phase is None else phase, (OnuState.UNKNOWN, None, ""))
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
    return LineDetails(
        temperature_c=real(answers, "temperature", 256, most=150),
        voltage_v=real(answers, "voltage", 50, least=0, most=15),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        last_down_at=moment(answers, "down_at"),
    )


DIALECT = Dialect(
    name="zte",
    prompt=r"[\w.-]+(\([\w/:-]+\))?[>#]",
    privileged="#",
    unpage=("terminal length 0",),
    pager=r"--More--",
    confirm={r"(?i)\[yes/no\]:?\s*$": "yes"},
)

DRIVER = OltDriver(
    name="zte_c3xx",
    title="ZTE GPON (C320, C300)",
    family="gpon",
    signs=Signs(
        (
            (*ZTE, 1082, 1001, 320), (*ZTE, 1082, 1001, 300), (*ZTE, 1015, 300),
        ),
        r"C3\d\d", ((*ZTE, 1012, 3, 28),),
    ),
    listing=Listing({"status": (*STATE, 4)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*STATE, 4), "reason": (*STATE, 7), "serial": (*ABOUT, 5),
                "olt_rx": (*ZTE, 1015, 1010, 11, 2, 1, 2), "distance": (*ZTE, 1012, 3, 11, 4, 1, 2),
                "vendor": (*ZTE, 1012, 3, 50, 11, 2, 1, 1), "model": (*ZTE, 1012, 3, 50, 11, 2, 1, 9),
            },
            by_onu,
        ),
        Read({"onu_rx": (*OPTICS, 10), "onu_tx": (*OPTICS, 14)}, by_optics),
        Read(
            {
                "uni_link": (*UNI, 6), "uni_speed": (*UNI, 7), "new_uni_link": (*NEW_UNI, 6),
                "new_uni_speed": (*NEW_UNI, 7),
            },
            by_first_uni,
        ),
    ),
    swept=frozenset({"status", "reason", "onu_rx", "olt_rx", "uni_link", "new_uni_link"}),
    decode=decode,
    details=(
        Read({"description": (*ABOUT, 3), "registered": (*STATE, 5), "down_at": (*STATE, 6)}, by_onu),
        Read({"temperature": (*OPTICS, 19), "voltage": (*OPTICS, 17)}, by_optics),
    ),
    decode_details=decode_details,
    dialect=DIALECT,
    absent=frozenset({"uptime_s", "macs", "vlan", "pon", "bias_ma", "firmware"}),
)  # fmt: skip
