"""C-Data EPON OLTs FD12xx and their badges (Stels FD12).

Sources: switcher-core (configs/oids), ABillS, LibreNMS recording "cdata" for the index scheme (``pon0/0/1`` has ifIndex
16780544), a public reader of firmware V3.3 for its own. Not tried on our own devices.

Oddities: an ONU's index is its PON's ifIndex plus its number, on firmware V3.3 and newer
``0x480000 + ((port - 1) << 12) + onu``; the OLT's list says which. Newer firmware may keep the optics under another
tail than ``.0.0`` (unverified): no levels are shown there, and none invented. FD16 answers with the same sysObjectID.
"""

from __future__ import annotations

import re

from callcenter.diag.driver import (
    IF_DESCR,
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Walked,
    by_onu,
    interface_name,
    make_and_model,
    state_of,
    uni_up,
)
from callcenter.diag.drivers.cdata_fd11 import written_reason
from callcenter.diag.reading import LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, level, mac, not_negative, number, real, text
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 3)
ONU: Oid = (*ROOT, 4, 1, 1)
OPTICS: Oid = (*ROOT, 4, 2, 1)
REASON: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 12, 3, 1, 1)
STATES = {1: OnuState.ONLINE, 2: OnuState.OFFLINE}
NEW_BASE = 0x480000
_PON = re.compile(r"PON(\d+)/(\d+)/(\d+)", re.ASCII)


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    """ONUs by the PON whose ifIndex theirs begins with; ``EPON0/0/1:5`` is ONU 5 of ``pon0/0/1``."""
    pons: dict[int, tuple[int, ...]] = {}
    for index, name in walked.get("names", {}).items():
        if (found := _PON.fullmatch(interface_name(name))) is not None and len(index) == 1:
            pons[index[0]] = tuple(int(part) for part in found.groups())
    places: dict[OnuAddress, Place] = {}
    for index in walked.get("status", {}):
        if len(index) != 1:
            continue
        pon, number_ = index[0] & ~0xFF, index[0] & 0xFF
        if pon in pons and number_:
            places[OnuAddress("epon", pons[pon], number_)] = Place(index, (pon,))
        elif NEW_BASE < index[0] < NEW_BASE + (64 << 12):
            port, number_ = ((index[0] - NEW_BASE) >> 12) + 1, (index[0] - NEW_BASE) & 0xFFF
            places[OnuAddress("epon", (0, 0, port), number_)] = Place(index, (port,))
    return places


def by_optics(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 0)


def by_uni(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 1)


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers; levels come in 0.01 dBm, -1 and below -40 dBm are none while it is off."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = written_reason(answers)
    return OnuReading(
        state=state,
        onu_rx=level(answers, "onu_rx", per_dbm=100) if online else None,
        onu_tx=level(answers, "onu_tx", per_dbm=100) if online else None,
        olt_rx=(level(answers, "olt_rx", per_dbm=100) or None) if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=not_negative(number(answers, "since")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online),
        model=make_and_model(answers),
        serial=mac(answers, "mac"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    return LineDetails(
        temperature_c=real(answers, "temperature", 100, most=150),
        voltage_v=real(answers, "voltage", 100_000, least=0, most=15),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        vlan=not_negative(number(answers, "vlan"), zero_is_unknown=True),
    )


DRIVER = OltDriver(
    name="cdata_fd12",
    title="C-Data EPON (FD12xx, Stels FD12)",
    family="epon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 17409),), r"FD12|Ethernet-PON", ((*ROOT, 4, 1),)),
    listing=Listing({"names": IF_DESCR, "status": (*ONU, 8)}, listed),
    derived=True,
    reads=(
        Read(
            {
                "status": (*ONU, 8), "distance": (*ONU, 15), "since": (*ONU, 18), "mac": (*ONU, 7),
                "vendor": (*ONU, 25), "model": (*ONU, 26), "olt_rx": (*ROOT, 3, 6, 1, 2), "reason": (*REASON, 7),
            },
            by_onu,
        ),
        Read({"onu_rx": (*OPTICS, 4), "onu_tx": (*OPTICS, 5)}, by_optics),
        Read({"uni_link": (*ROOT, 5, 1, 1, 5)}, by_uni),
    ),
    decode=decode,
    details=(
        Read({"firmware": (*ONU, 13), "description": (*ONU, 2)}, by_onu),
        Read({"temperature": (*OPTICS, 8), "voltage": (*OPTICS, 7)}, by_optics),
        Read({"vlan": (*ROOT, 7, 3, 1, 1, 7)}, by_uni),
    ),
    decode_details=decode_details,
    writes={"reboot": SnmpWrite((*ONU, 17), by_onu, lambda value: 1)},
    absent=frozenset({"uni_mbps", "macs", "pon", "bias_ma", "registered_at", "last_down_at"}),
)  # fmt: skip
