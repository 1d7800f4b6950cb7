"""Huawei GPON OLTs MA5608T, MA5603T, MA5680T, MA5683T, MA5801.

Sources: MIB HUAWEI-XPON, switcher-core, Ubilling (Huawei-MA58xx-Gpon), ABillS (Equipment/Huawei.pm), LibreNMS recording
"smartax" for indexes and sentinels. The command line is in ``_huawei_cli.py``. Not tried on our own devices.

Oddities: an index is above 2^31 and unsigned. 2147483647 is no value everywhere. Transmit power and temperature are
asked from the ONT one by one and slow: only a full diagnosis asks for them, last of all. Sources disagree on the scale
of a PON port's bias current (mA, or tenths): it is not told. The last ten falls stand in table 101. An MDU describes
itself with the same words and is no OLT. EPON cards (tables 53 to 57, 104) are not read: sources disagree on their
scale.
"""

from __future__ import annotations

from callcenter.diag.driver import (
    Limits,
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.drivers import _huawei_cli as cli
from callcenter.diag.drivers import _lan as lan
from callcenter.diag.reading import DownReason, LineDetails, LogLine, OnuReading, OnuState, PonPort
from callcenter.diag.values import (
    NO_VALUE,
    Answers,
    Oid,
    gpon_serial,
    level,
    light,
    moment,
    not_negative,
    number,
    real,
    text,
)
from callcenter.words import Dbm, OnuAddress

HUAWEI: Oid = (1, 3, 6, 1, 4, 1, 2011)
ROOT: Oid = (*HUAWEI, 6, 128, 1, 1, 2)
FIRST = 4194304000
STATES = {1: OnuState.ONLINE, 2: OnuState.OFFLINE}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    -1: (None, ""),
    1: (DownReason.FIBRE, "LOS"),
    2: (DownReason.FIBRE, "LOSi"),
    3: (DownReason.DEGRADED, "LOFi"),
    4: (DownReason.DEGRADED, "SFi"),
    5: (DownReason.DEGRADED, "LOAi"),
    6: (DownReason.DEGRADED, "LOAMi"),
    7: (DownReason.ADMIN, "deactive-fail"),
    8: (DownReason.ADMIN, "deactivated"),
    9: (DownReason.RESET, "reset"),
    10: (DownReason.RESET, "re-register"),
    11: (DownReason.UNKNOWN, "popup-fail"),
    13: (DownReason.POWER, "dying-gasp"),
    15: (DownReason.DEGRADED, "LOKi"),
    18: (DownReason.ADMIN, "ring"),
    30: (DownReason.ADMIN, "optical-shutdown"),
    31: (DownReason.RESET, "reset-by-command"),
    32: (DownReason.RESET, "reset-by-button"),
    33: (DownReason.RESET, "reset-by-software"),
    37: (DownReason.ADMIN, "rogue"),
}
FALLS = REASONS | {
    0: (None, ""),
    7: (DownReason.ADMIN, "disable-fail"),
    12: (DownReason.ADMIN, "auth-fail"),
    255: (None, ""),
}
"""Why in the history of falls: 0 is a deleted row, 255 no fault."""
DUPLEX = {1: False, 2: True, 4: False, 5: True}
SPEEDS = {1: 10, 2: 100, 3: 1000, 5: 10, 6: 100, 7: 1000}
NONE = 2147483647


def place_of(onu: OnuAddress) -> Place | None:
    """``GPON0/1/7:3`` (frame, slot, port) is 4194304000 + slot * 8192 + port * 256, then the ONT."""
    if len(onu.path) != 3 or onu.path[0] != 0 or not (onu.slot < 64 and onu.port < 32):
        return None
    pon = FIRST + onu.slot * 8192 + onu.port * 256
    return Place((pon, onu.onu), (pon,))


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    places: dict[OnuAddress, Place] = {}
    for index in walked.get("status", {}):
        if len(index) != 2 or not FIRST <= index[0] < FIRST + 64 * 8192 or (index[0] - FIRST) % 256:
            continue
        slot, rest = divmod(index[0] - FIRST, 8192)
        places[OnuAddress("gpon", (0, slot, rest // 256), index[1])] = Place(index, index[:1])
    return places


def at_olt(answers: Answers) -> Dbm | None:
    """The OLT's level of the ONT: (raw - 10000) / 100 dBm."""
    raw = number(answers, "olt_rx")
    return None if raw is None or raw == NONE else light(round((raw - 10_000) / 100, 2))


def decode(answers: Answers) -> OnuReading:
    """One ONT from the OLT's answers; its own levels come in 0.01 dBm."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = reason_of(answers, REASONS)
    up = uni_up(answers, online=online)
    speed = number(answers, "uni_speed")
    return OnuReading(
        state=state,
        onu_rx=level(answers, "onu_rx", per_dbm=100) if online else None,
        olt_rx=at_olt(answers) if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=text(answers, "model"),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Temperature in whole degrees, voltage in mV, bias in mA; 2147483647 is none."""
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150),
        voltage_v=real(answers, "voltage", 1000, least=0.1, most=15),
        bias_ma=real(answers, "bias", least=0, most=200),
        onu_tx=level(answers, "tx", per_dbm=100),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        last_down_at=moment(answers, "down_at"),
        unis=lan.unis(place, walked, speeds=SPEEDS, duplex=DUPLEX),
        pon=pon_of(onu, answers),
        log=falls_of(place, walked),
    )


def pon_of(onu: OnuAddress, answers: Answers) -> PonPort:
    """The PON's module: whole degrees, hundredths of a volt and of a dBm."""
    return PonPort(
        onu.pon,
        tx=level(answers, "pon_tx", per_dbm=100),
        temperature_c=real(answers, "pon_temperature", most=150),
        voltage_v=real(answers, "pon_voltage", 100, least=0.1, most=15),
        onus=not_negative(number(answers, "pon_onus")),
    )


def falls_of(place: Place, walked: Walked) -> tuple[LogLine, ...] | None:
    """The last ten falls, newest last; no row tells nothing: older firmwares lack the table."""
    found = []
    for index, raw in walked.get("fell_at", {}).items():
        at = moment({"at": raw}, "at")
        if at is None or index[: len(place.onu)] != place.onu:
            continue
        code = number({"why": walked.get("fell_why", {}).get(index, NO_VALUE)}, "why")
        why, word = (None, "") if code is None else FALLS.get(code, (DownReason.UNKNOWN, f"code {code}"))
        found.append(LogLine(f"{at} {word}".strip(), at, why or DownReason.UNKNOWN))
    return tuple(sorted(found, key=lambda each: str(each.at))) or None


def by_pon(place: Place, _: Answers) -> Oid | None:
    return place.pon


def by_onu_last(place: Place, answers: Answers) -> Oid | None:
    """In a request of its own, after all that is quick."""
    return place.onu if "description" in answers else None


DRIVER = OltDriver(
    name="huawei_ma56xx",
    title="Huawei GPON (MA5608T, MA5603T, MA5680T, MA5801)",
    family="gpon",
    signs=Signs(
        tuple((*HUAWEI, 2, model) for model in (248, 123, 115, 133, 381)),
        r"Integrated Access",
        ((*ROOT, 46),),
        others=((*HUAWEI, 2, 185),),  # an MDU, which describes itself alike
    ),
    listing=Listing({"status": (*ROOT, 46, 1, 15)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*ROOT, 46, 1, 15), "onu_rx": (*ROOT, 51, 1, 4), "olt_rx": (*ROOT, 51, 1, 6),
                "distance": (*ROOT, 46, 1, 20), "reason": (*ROOT, 46, 1, 24), "serial": (*ROOT, 43, 1, 3),
                "model": (*ROOT, 45, 1, 4),
            },
            by_onu,
        ),
        Read({"uni_link": (*ROOT, 62, 1, 22), "uni_speed": (*ROOT, 62, 1, 4)}, by_first_uni),
    ),
    decode=decode,
    details=(
        Read(
            {
                "description": (*ROOT, 43, 1, 9), "firmware": (*ROOT, 45, 1, 5), "registered": (*ROOT, 46, 1, 22),
                "down_at": (*ROOT, 46, 1, 23),
            },
            by_onu,
        ),
        Read(
            {
                "pon_temperature": (*ROOT, 23, 1, 1), "pon_voltage": (*ROOT, 23, 1, 2), "pon_tx": (*ROOT, 23, 1, 4),
                "pon_onus": (*ROOT, 21, 1, 16),
            },
            by_pon,
        ),
        Read(
            {
                "bias": (*ROOT, 51, 1, 2), "voltage": (*ROOT, 51, 1, 5), "tx": (*ROOT, 51, 1, 3),
                "temperature": (*ROOT, 51, 1, 1),
            },
            by_onu_last,
        ),
        Under(
            {
                "duplex": (*ROOT, 62, 1, 3), "speed": (*ROOT, 62, 1, 4), "enabled": (*ROOT, 62, 1, 5),
                "pvid": (*ROOT, 62, 1, 7), "link": (*ROOT, 62, 1, 22),
            },
            by_onu,
        ),
        Under({"fell_at": (*ROOT, 101, 1, 7), "fell_why": (*ROOT, 101, 1, 8)}, by_onu, most=32),
    ),
    decode_details=decode_details,
    dialect=cli.DIALECT,
    questions_cli=cli.QUESTIONS,
    writes={
        "reboot": SnmpWrite((*ROOT, 46, 1, 2), by_onu, lambda value: 1),
        "describe": cli.DESCRIBE,
        "vlan": cli.VLAN,
    },
    absent=frozenset({"onu_tx", "uptime_s"}),
    limits=Limits(bulk_rows=20),
)  # fmt: skip
