"""C-Data EPON OLTs FD12xx and their badges (Stels FD12).

Sources: switcher-core (oids/cdata, models/C-Data, Modules/CData), ABillS, LibreNMS recording "cdata" for the index
scheme (``pon0/0/1`` has ifIndex 16780544), a public reader of firmware V3.3 for its own; the bias current's unit (0.01
mA) from LibreNMS's reader of the same table. Not tried on our own devices.

Oddities: an ONU's index is its PON's ifIndex plus its number, on firmware V3.3 and newer
``0x480000 + ((port - 1) << 12) + onu``; the OLT's list says which. The optics stand under ``.0.0``, on newer firmware
under ``.1.<port>``, which is asked too. PON ports are numbered among all ports in their own tables: ``pon0/0/1`` of an
FD1208S is 13, as the third byte of its ifIndex says; newer firmware does not tell that number, nor the PON's optics.
MACs come without their VLAN over SNMP; no row of them tells nothing. FD16 answers with the same sysObjectID. The
command line is in ``_cdata.py``.
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.driver import (
    IF_DESCR,
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Under,
    Walked,
    by_onu,
    interface_name,
    make_and_model,
    state_of,
    uni_up,
)
from callcenter.diag.drivers import _cdata as cdata
from callcenter.diag.drivers import _lan as lan
from callcenter.diag.reading import LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, mac, not_negative, number, real, text
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 3)
ONU: Oid = (*ROOT, 4, 1, 1)
OPTICS: Oid = (*ROOT, 4, 2, 1)
REASON: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 12, 3, 1, 1)
MACS: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 13, 1, 1, 5)
PON_OPTICS: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3, 100, 2, 2, 1)
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


def by_optics_of_port(place: Place, _: Answers) -> Oid | None:
    """Newer firmware only: there the place of the PON is its number."""
    return (*place.onu, 1, *place.pon) if place.pon is not None and place.pon[0] < 256 else None


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers; levels come in 0.01 dBm, -1 and below -40 dBm are none while it is off."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = cdata.written_reason(answers)
    return OnuReading(
        state=state,
        onu_rx=cdata.light_of(answers, "onu_rx") if online else None,
        onu_tx=cdata.light_of(answers, "onu_tx") if online else None,
        olt_rx=cdata.light_of(answers, "olt_rx") if online else None,
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
        temperature_c=cdata.temperature_of(answers),
        voltage_v=cdata.voltage_of(answers),
        bias_ma=cdata.bias_of(answers),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        unis=lan.unis(place, walked, modes={1: "untagged", 2: "tagged"}),
        macs=cdata.macs_of(place.onu, walked, uni_at=1),
        pon=cdata.pon_of(
            onu,
            answers,
            temperature_c=real(answers, "pon_temperature", 100, most=150),
            voltage_v=real(answers, "pon_voltage", 100_000, least=0.1, most=15),
        ),
    )


OPTICS_COLUMNS = {"temperature": (*OPTICS, 8), "voltage": (*OPTICS, 7), "bias": (*OPTICS, 6)}

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
        Read({"onu_rx": (*OPTICS, 4), "onu_tx": (*OPTICS, 5)}, cdata.by_optics),
        Read({"onu_rx_of_port": (*OPTICS, 4), "onu_tx_of_port": (*OPTICS, 5)}, by_optics_of_port),
        Read({"uni_link": (*ROOT, 5, 1, 1, 5)}, cdata.by_uni),
    ),
    swept=frozenset({"status", "reason", "onu_rx", "onu_rx_of_port", "olt_rx", "uni_link"}),
    decode=decode,
    details=(
        Read({"firmware": (*ONU, 13), "description": (*ONU, 2)}, by_onu),
        Read(OPTICS_COLUMNS, cdata.by_optics),
        Read({f"{name}_of_port": column for name, column in OPTICS_COLUMNS.items()}, by_optics_of_port),
        Read(cdata.PON_STATE, cdata.by_numbered_port),
        Read(
            {"pon_temperature": (*PON_OPTICS, 4), "pon_voltage": (*PON_OPTICS, 5), "pon_tx": (*PON_OPTICS, 7)},
            cdata.by_numbered_port,
        ),
        Under(
            {
                "link": (*ROOT, 5, 1, 1, 5), "enabled": (*ROOT, 5, 1, 1, 4), "pvid": (*ROOT, 7, 3, 1, 1, 7),
                "vlan_mode": (*ROOT, 7, 3, 1, 1, 8),
            },
            by_onu,
        ),
        Under({"macs": MACS}, by_onu),
    ),
    decode_details=decode_details,
    dialect=cdata.DIALECT,
    questions_cli=cdata.QUESTIONS,
    writes={
        "reboot": SnmpWrite((*ONU, 17), by_onu, lambda value: 1),
        "describe": SnmpWrite((*ONU, 2), by_onu, lambda value: said.one_word(value).encode()),
    },
    absent=frozenset({"uni_mbps", "vlan"}),
)  # fmt: skip
