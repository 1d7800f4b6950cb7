"""C-Data GPON OLTs FD16xx and their badges (Stels FD16).

Sources: switcher-core (oids/cdata/fd-gpon-series, Modules/CData/FD16xxV3), ABillS, two public full-walk descriptions of
FD1608S-B1 (whose level is among our documented values); the bias current's unit (0.01 mA) from LibreNMS's reader of the
same table. The command line is in ``_cdata.py``. Not tried on our own devices.

Oddities: indexes differ by firmware, so PON and ONU come from the **name**, ``gpon 0/0/1 onu 5 label``, which may be
padded with NULs; older firmware writes the label only, and its indexes begin with the PON's ifIndex as those of FD12.
The optics stand under ``.0.0`` or under ``.0.<port>``: both are asked. Rx -1 and tx -3000 are an offline ONU; FD17xx
says -40 dBm, 0 for the OLT's own. FD12 answers with the same sysObjectID. Columns 13 and 14 of table 4.3.1 hold
subscribers' WAN passwords and are never read. MACs are asked on the command line only.
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.driver import (
    IF_DESCR,
    NAME,
    CliWrite,
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
from callcenter.diag.values import (
    NO_VALUE,
    Answers,
    Oid,
    SnmpValue,
    gpon_serial,
    moment,
    not_negative,
    number,
    real,
    text,
    written_level,
)
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 8)
ONU: Oid = (*ROOT, 4, 1, 1)
OPTICS: Oid = (*ROOT, 4, 4, 1)
STATES = {1: OnuState.ONLINE, 2: OnuState.OFFLINE}
MODULE: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 5, 1, 1, 2, 17, 2, 1)
UNI_VLAN: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 5, 1, 1, 2, 19, 1, 1, 2)
_PON = re.compile(r"G?PON(\d+)/(\d+)/(\d+)", re.ASCII)
_LABEL = re.compile(r"^gpon\s*[0-9/]+\s+onu\s+[0-9]+\s*", re.IGNORECASE | re.ASCII)
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
    """By name; where a name tells no place, by the PON whose ifIndex the index begins with."""
    pons: dict[int, tuple[int, ...]] = {}
    for index, name in walked.get("names", {}).items():
        if (found := _PON.fullmatch(interface_name(name))) is not None and len(index) == 1:
            pons[index[0]] = tuple(int(part) for part in found.groups())
    places: dict[OnuAddress, Place] = {}
    for index, name in walked.get(NAME, {}).items():
        if len(index) != 1:
            continue
        onu, base = named(name), index[0] & ~0xFF
        if onu is None and base in pons and index[0] & 0xFF:
            onu = OnuAddress("gpon", pons[base], index[0] & 0xFF)
        if onu is not None:
            places.setdefault(onu, Place(index, (onu.port,)))
    return places


def is_still(onu: OnuAddress, answers: Answers) -> bool:
    """The name says so, or says no place at all: then the index itself is the ONU's."""
    name = answers.get(NAME, NO_VALUE)
    return name is not NO_VALUE and named(name) in {onu, None}


def by_optics_of_port(place: Place, _: Answers) -> Oid | None:
    return None if place.pon is None else (*place.onu, 0, *place.pon)


def by_pon_module(place: Place, _: Answers) -> Oid | None:
    """Firmware V3, whose PON ports have the ifIndexes 0x140000 + port: device 1, card 0, ifIndex."""
    new = place.onu[0] >> 20 == 4 and place.pon is not None
    return (1, 0, 0x140000 + place.pon[0]) if new and place.pon is not None else None


def decode(answers: Answers) -> OnuReading:
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = cdata.written_reason(answers)
    return OnuReading(
        state=state,
        onu_rx=cdata.light_of(answers, "onu_rx") if online else None,
        onu_tx=cdata.light_of(answers, "onu_tx") if online else None,
        olt_rx=cdata.light_of(answers, "olt_rx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        uptime_s=not_negative(number(answers, "uptime")) if online else None,
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online),
        model=make_and_model(answers),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Optics as FD12's; the PON port's module is told as text, ``-`` for none."""
    return LineDetails(
        temperature_c=cdata.temperature_of(answers),
        voltage_v=cdata.voltage_of(answers),
        bias_ma=cdata.bias_of(answers),
        firmware=text(answers, "firmware"),
        description=_LABEL.sub("", text(answers, NAME)),
        last_down_at=moment(answers, "down_at"),
        unis=lan.unis(place, walked),
        pon=cdata.pon_of(
            onu,
            answers,
            tx=written_level(answers, "module_tx"),
            temperature_c=real(answers, "module_temperature", most=150),
            voltage_v=real(answers, "module_voltage", least=0.1, most=15),
            bias_ma=real(answers, "module_bias", least=0, most=200),
        ),
    )


OPTICS_COLUMNS = {"temperature": (*OPTICS, 8), "voltage": (*OPTICS, 7), "bias": (*OPTICS, 6)}


def _describe(onu: OnuAddress, words: str) -> tuple[str, ...]:
    _, enter, asked, leave, _ = cdata.inside(onu, "ont description")
    return enter, f"{asked} {said.one_word(words)}", leave


DRIVER = OltDriver(
    name="cdata_fd16",
    title="C-Data GPON (FD16xx, Stels FD16)",
    family="gpon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 17409),), r"FD16|FD17|Gigabit-PON|GPON", ((*ROOT, 4, 1),)),
    listing=Listing({NAME: (*ONU, 2), "names": IF_DESCR}, listed),
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
        Read({"onu_rx": (*OPTICS, 4), "onu_tx": (*OPTICS, 5)}, cdata.by_optics),
        Read({"onu_rx_of_port": (*OPTICS, 4), "onu_tx_of_port": (*OPTICS, 5)}, by_optics_of_port),
        Read({"uni_link": (*ROOT, 5, 1, 1, 5)}, cdata.by_uni),
    ),
    swept=frozenset({NAME, "status", "reason", "onu_rx", "onu_rx_of_port", "olt_rx", "uni_link"}),
    decode=decode,
    details=(
        Read({"firmware": (*ROOT, 4, 2, 1, 6), "down_at": (*ONU, 102)}, by_onu),
        Read(OPTICS_COLUMNS, cdata.by_optics),
        Read({f"{name}_of_port": column for name, column in OPTICS_COLUMNS.items()}, by_optics_of_port),
        Read(cdata.PON_STATE, cdata.by_numbered_port),
        Read(
            {
                "module_temperature": (*MODULE, 1), "module_voltage": (*MODULE, 2), "module_bias": (*MODULE, 3),
                "module_tx": (*MODULE, 4),
            },
            by_pon_module,
        ),
        Under({"link": (*ROOT, 5, 1, 1, 5), "enabled": (*ROOT, 5, 1, 1, 4), "pvid": UNI_VLAN}, by_onu),
    ),
    decode_details=decode_details,
    dialect=cdata.DIALECT,
    questions_cli=cdata.QUESTIONS,
    writes={"reboot": SnmpWrite((*ONU, 10), by_onu, lambda value: 1), "describe": CliWrite(_describe)},
    absent=frozenset({"uni_mbps", "vlan"}),
)  # fmt: skip
