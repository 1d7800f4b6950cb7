"""Eltex GPON OLTs LTP-8X and LTP-4X.

Sources: MIB ELTEX-LTP8X, ABillS (eltex.snmp, the description among it), Ubilling, nocproject. Not tried on our own
devices. LTP-N and LTE have trees of their own and are not read here.

Oddities: tables are indexed by slot (always 1) and the eight bytes of the serial number; channel and ONT id are
columns. There is no reason of a fall in the MIB. The ONT's own levels are "only for NTP-2C" by the MIB; ABillS reads
them for all. The table of MACs behind an ONT is very slow by the MIB's own words and not read; how the command line
shows anything of one ONT is not documented, so it is not asked. What a LAN port's duplex is coded as is not known.
"""

from __future__ import annotations

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import (
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
    state_of,
    uni_up,
)
from callcenter.diag.drivers import _lan as lan
from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PonPort
from callcenter.diag.values import Answers, Oid, gpon_serial, level, not_negative, number, real, text
from callcenter.words import OnuAddress

ELTEX: Oid = (1, 3, 6, 1, 4, 1, 35265)
ONT: Oid = (*ELTEX, 1, 22, 3, 1, 1)
UNI: Oid = (*ELTEX, 1, 22, 3, 2, 1)
DESCRIPTION: Oid = (*ELTEX, 1, 22, 3, 4, 1, 8)
CHANNEL: Oid = (*ELTEX, 1, 22, 2, 1, 1)
STATES = {
    0: OnuState.OFFLINE,
    1: OnuState.STARTING,
    2: OnuState.STARTING,
    3: OnuState.OFFLINE,
    4: OnuState.STARTING,
    5: OnuState.STARTING,
    6: OnuState.STARTING,
    7: OnuState.ONLINE,
    8: OnuState.OFFLINE,
    9: OnuState.DISABLED,
    10: OnuState.STARTING,
    11: OnuState.STARTING,
    12: OnuState.STARTING,
    13: OnuState.OFFLINE,
    15: OnuState.DISABLED,
}
"""7 is "ok"; 0 free, 3 auth failed, 8 failed, 9 blocked, 13 unactivated, 15 disabled; the others are on the way up."""
SPEEDS = {1: 10, 2: 100, 3: 1000}


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    """``GPON0/2:14`` is channel 2, ONT id 14."""
    ids = walked.get("id", {})
    places: dict[OnuAddress, Place] = {}
    for index, channel in walked.get("channel", {}).items():
        ont = ids.get(index)
        if isinstance(channel, int) and isinstance(ont, int) and 0 <= channel < 1000 and 0 <= ont < 10_000:
            places[OnuAddress("gpon", (0, channel), ont)] = Place(index, (1, channel))
    return places


def is_still(onu: OnuAddress, answers: Answers) -> bool:
    return (number(answers, "channel"), number(answers, "id")) == (onu.port, onu.onu)


def decode(answers: Answers) -> OnuReading:
    """One ONT from the OLT's answers: the OLT's level in 0.1 dBm (65535 none), the ONT's own in 0.001 dBm."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    up = uni_up(answers, online=online)
    speed = number(answers, "uni_speed")
    return OnuReading(
        state=state,
        onu_rx=(level(answers, "onu_rx", per_dbm=1000) or None) if online else None,
        onu_tx=(level(answers, "onu_tx", per_dbm=1000) or None) if online else None,
        olt_rx=level(answers, "olt_rx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=text(answers, "model"),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    return LineDetails(
        temperature_c=real(answers, "temperature", 10, most=150),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        unis=lan.unis(place, walked, speeds=SPEEDS),
        pon=pon_of(onu, answers),
    )


def pon_of(onu: OnuAddress, answers: Answers) -> PonPort:
    """The channel: 4 is "ok"; its transmitter in 0.001 dBm, microvolts, microamperes."""
    state = number(answers, "pon_state")
    return PonPort(
        onu.pon,
        up=None if state is None else state == 4,
        tx=level(answers, "pon_tx", per_dbm=1000) or None,
        temperature_c=real(answers, "pon_temperature", most=150),
        voltage_v=real(answers, "pon_voltage", 1_000_000, least=0.1, most=15),
        bias_ma=real(answers, "pon_bias", 1000, least=0.01, most=200),
        onus=not_negative(number(answers, "pon_onus")),
    )


def by_channel(place: Place, _: Answers) -> Oid | None:
    return place.pon


DIALECT = Dialect(
    name="eltex_ltp",
    prompt=r"[^\s>#]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    enable="",
    pager=r"--More--\s?",
    newline="\r",
)

DRIVER = OltDriver(
    name="eltex_ltp",
    title="Eltex GPON (LTP-8X, LTP-4X)",
    family="gpon",
    signs=Signs(((*ELTEX, 1, 22), (*ELTEX, 1, 70)), r"LTP-?[48]X", ((*ELTEX, 1, 22, 3),)),
    listing=Listing({"channel": (*ONT, 3), "id": (*ONT, 4)}, listed),
    is_still=is_still,
    reads=(
        Read(
            {
                "channel": (*ONT, 3), "id": (*ONT, 4), "status": (*ONT, 5), "distance": (*ONT, 10),
                "olt_rx": (*ONT, 11), "model": (*ONT, 12), "onu_tx": (*ONT, 13), "onu_rx": (*ONT, 14),
                "serial": (*ONT, 2),
            },
            by_onu,
        ),
        Read({"uni_link": (*UNI, 5), "uni_speed": (*UNI, 6)}, by_first_uni),
    ),
    swept=frozenset({"channel", "id", "status", "onu_rx", "olt_rx", "uni_link"}),
    decode=decode,
    details=(
        Read({"temperature": (*ONT, 15), "firmware": (*ONT, 17), "description": DESCRIPTION}, by_onu),
        Read(
            {
                "pon_state": (*CHANNEL, 3), "pon_onus": (*CHANNEL, 4), "pon_tx": (*CHANNEL, 9),
                "pon_temperature": (*CHANNEL, 10), "pon_voltage": (*CHANNEL, 11), "pon_bias": (*CHANNEL, 12),
            },
            by_channel,
        ),
        Under({"link": (*UNI, 5), "speed": (*UNI, 6)}, by_onu),
    ),
    decode_details=decode_details,
    dialect=DIALECT,
    writes={"reboot": SnmpWrite((*ONT, 22), by_onu, lambda value: 1)},
    absent=frozenset(
        {
            "last_down_reason", "last_down_word", "uptime_s", "macs", "vlan", "bias_ma", "voltage_v", "registered_at",
            "last_down_at", "log",
        }
    ),
)  # fmt: skip
