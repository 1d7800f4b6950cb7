"""C-Data GPON OLTs FD16xx and their badges (Stels FD16).

Sources: switcher-core (configs/oids), ABillS, two public full-walk descriptions of FD1608S-B1 (whose level is among our
documented values). Not tried on our own devices.

Oddities: indexes differ by firmware, so PON and ONU come from the **name**, ``gpon 0/0/1 onu 5 label``, which may be
padded with NULs. The optics stand under ``.0.0`` or under ``.0.<port>``: both are asked. Rx -1 and tx -3000 are an
offline ONU; FD17xx says -40 dBm, 0 for the OLT's own. FD12 answers with the same sysObjectID. Columns 13 and 14 of
table 4.3.1 hold subscribers' WAN passwords and are never read.
"""

from __future__ import annotations

import re

from callcenter.diag.driver import (
    NAME,
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Walked,
    by_onu,
    make_and_model,
    state_of,
    uni_up,
)
from callcenter.diag.drivers.cdata_fd11 import written_reason
from callcenter.diag.reading import LineDetails, OnuReading, OnuState
from callcenter.diag.values import (
    NO_VALUE,
    Answers,
    Oid,
    SnmpValue,
    gpon_serial,
    level,
    not_negative,
    number,
    real,
    text,
)
from callcenter.words import Dbm, OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 8)
ONU: Oid = (*ROOT, 4, 1, 1)
OPTICS: Oid = (*ROOT, 4, 4, 1)
STATES = {1: OnuState.ONLINE, 2: OnuState.OFFLINE}
_NAMED = re.compile(r"GPON\s*(\d{1,3})/(\d{1,3})/(\d{1,3})\s+ONU\s+(\d{1,5})\b", re.ASCII)


def named(raw: SnmpValue) -> OnuAddress | None:
    """``gpon 0/0/1 onu 5 flat 7`` is ``GPON0/0/1:5``."""
    words = raw.decode("utf-8", "replace").strip(" \0").upper() if isinstance(raw, bytes) else ""
    found = _NAMED.match(words)
    if found is None:
        return None
    frame, slot, port, onu = (int(part) for part in found.groups())
    return OnuAddress("gpon", (frame, slot, port), onu)


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    places: dict[OnuAddress, Place] = {}
    for index, name in walked.get(NAME, {}).items():
        if (onu := named(name)) is not None and len(index) == 1:
            places.setdefault(onu, Place(index, (onu.port,)))
    return places


def is_still(onu: OnuAddress, answers: Answers) -> bool:
    return named(answers.get(NAME, NO_VALUE)) == onu


def by_optics(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 0)


def by_optics_of_port(place: Place, _: Answers) -> Oid | None:
    return None if place.pon is None else (*place.onu, 0, *place.pon)


def by_uni(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 1)


def _light(answers: Answers, name: str) -> Dbm | None:
    """Hundredths of a dBm from whichever tail answers; -1 is an offline ONU's and no level of 0.01 dBm either."""
    for each in (name, f"{name}_of_port"):
        if number(answers, each) not in {None, -1, 0}:
            return level(answers, each, per_dbm=100)
    return None


def decode(answers: Answers) -> OnuReading:
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = written_reason(answers)
    return OnuReading(
        state=state,
        onu_rx=_light(answers, "onu_rx") if online else None,
        onu_tx=_light(answers, "onu_tx") if online else None,
        olt_rx=_light(answers, "olt_rx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=not_negative(number(answers, "uptime")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online),
        model=make_and_model(answers),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    return LineDetails(
        temperature_c=real(answers, "temperature", 100, most=150, least=-50),
        voltage_v=real(answers, "voltage", 100_000, least=0, most=15),
        firmware=text(answers, "firmware"),
    )


DRIVER = OltDriver(
    name="cdata_fd16",
    title="C-Data GPON (FD16xx, Stels FD16)",
    family="gpon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 17409),), r"FD16|FD17|Gigabit-PON|GPON", ((*ROOT, 4, 1),)),
    listing=Listing({NAME: (*ONU, 2)}, listed),
    is_still=is_still,
    reads=(
        Read(
            {
                NAME: (*ONU, 2), "status": (*ONU, 7), "serial": (*ONU, 3), "vendor": (*ONU, 5), "model": (*ONU, 6),
                "distance": (*ONU, 9), "uptime": (*ONU, 13), "reason": (*ONU, 103),
                "olt_rx": (1, 3, 6, 1, 4, 1, 17409, 2, 3, 3, 6, 1, 2),
            },
            by_onu,
        ),
        Read({"onu_rx": (*OPTICS, 4), "onu_tx": (*OPTICS, 5)}, by_optics),
        Read({"onu_rx_of_port": (*OPTICS, 4), "onu_tx_of_port": (*OPTICS, 5)}, by_optics_of_port),
        Read({"uni_link": (*ROOT, 5, 1, 1, 5)}, by_uni),
    ),
    swept=frozenset({NAME, "status", "reason", "onu_rx", "onu_rx_of_port", "olt_rx", "uni_link"}),
    decode=decode,
    details=(
        Read({"firmware": (*ONU, 14)}, by_onu),
        Read({"temperature": (*OPTICS, 8), "voltage": (*OPTICS, 7)}, by_optics),
    ),
    decode_details=decode_details,
    writes={"reboot": SnmpWrite((*ONU, 10), by_onu, lambda value: 1)},
    absent=frozenset({"uni_mbps", "macs", "vlan", "pon", "bias_ma", "registered_at", "last_down_at", "description"}),
)  # fmt: skip
