"""BDCOM EPON OLTs: P3310B/C/D, P3608, P3608B, P3612-2TE, P3616-2TE (and their badges: Extralink OLT 4GE, UA.PON).

Sources: MIBs NMS-EPON-*; switcher-core (configs/oids, BDcom), Ubilling (snmptemplates, api.ponbdcom), ABillS
(Equipment/Bdcom.pm); levels checked against the CLI in the nag.ru wiki, pageId 38764878. Not tried on our own devices.

Oddities: ifIndexes are dealt anew when ONUs are re-bound. The OLT's own level of an ONU (101.108.1.3) hangs the OLT
when walked: GET only. P3310B keeps it elsewhere (9.183.1.1.5) and gives no deregistration reason over SNMP.
"""

from __future__ import annotations

from callcenter.diag.driver import (
    IF_DESCR,
    INTERFACES,
    NAME,
    OltDriver,
    Place,
    Read,
    Signs,
    by_first_uni,
    by_onu,
    is_named,
    make_and_model,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, level, not_negative, number, octets

BDCOM: Oid = (1, 3, 6, 1, 4, 1, 3320)
ONU: Oid = (*BDCOM, 101, 10, 1, 1)
ONU_OPTICS: Oid = (*BDCOM, 101, 10, 5, 1)
BINDING: Oid = (*BDCOM, 101, 11, 1, 1)
UNI: Oid = (*BDCOM, 101, 12, 1, 1)

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


DRIVER = OltDriver(
    name="bdcom_epon",
    title="BDCOM EPON (P3310, P3608, P3612, P3616)",
    family="epon",
    signs=SIGNS,
    listing=INTERFACES,
    is_still=is_named,
    reads=(
        Read(
            {
                NAME: IF_DESCR,
                "status": (*ONU, 26),
                "onu_rx": (*ONU_OPTICS, 5),
                "onu_tx": (*ONU_OPTICS, 6),
                "distance": (*ONU, 27),
                "alive": (*ONU, 80),
                "mac": (*ONU, 3),
                "vendor": (*ONU, 1),
                "model": (*ONU, 2),
            },
            by_onu,
        ),
        Read({"olt_rx": (*BDCOM, 101, 108, 1, 3), "olt_rx_p3310b": (*BDCOM, 9, 183, 1, 1, 5)}, by_onu, walkable=False),
        Read({"uni_link": (*UNI, 8), "uni_speed": (*UNI, 10)}, by_first_uni),
        Read({"reason": (*BINDING, 11)}, by_binding),
    ),
    decode=decode,
)
