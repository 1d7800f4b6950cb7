"""BDCOM GPON OLTs: GP3600-04, GP3600-08, GP3600-16, with and without B.

Sources: NMS-GPON-MIB; switcher-core (configs/oids, BDcom), Ubilling (snmptemplates), ABillS (Equipment/Bdcom.pm);
LibreNMS recording "bdcom" for the index scheme. Not tried on our own devices.

Oddities: the MIB's text lists EPON's states for the GPON column, the devices do not follow it. Reason codes from 10 up
differ between the sources, so they are shown as a number and conclude nothing.
"""

from __future__ import annotations

from callcenter.diag.driver import (
    IF_DESCR,
    INTERFACES,
    NAME,
    OltDriver,
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
from callcenter.diag.values import Answers, Oid, level, not_negative, number, text

GPON: Oid = (1, 3, 6, 1, 4, 1, 3320, 10)
ONU: Oid = (*GPON, 3, 1, 1)
ONU_STATUS: Oid = (*GPON, 3, 3, 1)
ONU_OPTICS: Oid = (*GPON, 3, 4, 1)

SIGNS = Signs(((1, 3, 6, 1, 4, 1, 3320),), r"GP3600", ((*GPON, 3),))

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


DRIVER = OltDriver(
    name="bdcom_gpon",
    title="BDCOM GPON (GP3600)",
    family="gpon",
    signs=SIGNS,
    listing=INTERFACES,
    is_still=is_named,
    reads=(
        Read(
            {
                NAME: IF_DESCR,
                "status": (*ONU_STATUS, 4),
                "onu_rx": (*ONU_OPTICS, 2),
                "onu_tx": (*ONU_OPTICS, 3),
                "olt_rx": (*GPON, 2, 3, 1, 3),
                "distance": (*ONU, 33),
                "reason": (*ONU, 35),
                "uptime": (*ONU, 19),
                "serial": (*ONU_STATUS, 2),
                "vendor": (*ONU, 2),
                "model": (*ONU, 9),
            },
            by_onu,
        ),
        Read({"uni_link": (*GPON, 4, 1, 1, 4)}, by_first_uni),
    ),
    decode=decode,
)
