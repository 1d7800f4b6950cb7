"""C-Data EPON OLTs FD1104, FD1108 and their badges (Stels FD11).

Sources: switcher-core (oids/cdata/fd-1100-series, Modules/CData/FD11XX), Ubilling (api.ponstels11, snmptemplates),
ABillS. Not tried on our own devices.

Oddities: light is linear, in tenths of a microwatt; 0 and 65535 are none. There is no level at the OLT for one ONU. The
temperature's scale is unverified (1/256 C). Sources write the PON port's optics with and without the slot in the
index: both are asked. MACs come without their VLAN, and some firmwares have them elsewhere: no row tells nothing. The
command line is not known well enough to be read: what SNMP does not tell is absent.
"""

from __future__ import annotations

from callcenter.diag import said
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
from callcenter.diag.drivers import _cdata as cdata
from callcenter.diag.drivers import _lan as lan
from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PonPort
from callcenter.diag.values import Answers, Oid, level, linear_level, mac, not_negative, number, real, text
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3)
ONU: Oid = (*ROOT, 4, 1, 1)
UNI: Oid = (*ROOT, 4, 3, 1)
MACS: Oid = (*ROOT, 4, 10, 2, 1, 2)
PON: Oid = (*ROOT, 3, 1, 1)
PON_OPTICS: Oid = (*ROOT, 3, 4, 5, 1)
STATES = {1: OnuState.OFFLINE, 2: OnuState.OFFLINE, 3: OnuState.ONLINE, 4: OnuState.ONLINE}
"""1 not present, 2 offline, 3 online, 4 normal; 5 is "abnormal", which does not tell."""
SPEEDS = {1: 10, 2: 100, 3: 1000}


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by slot (always 1), PON and ONU: ``EPON0/1:5`` is 1.1.5."""
    return Place((1, onu.port, onu.onu), (1, onu.port)) if len(onu.path) == 2 and onu.path[0] == 0 else None


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("epon", (0, index[1]), index[2]): Place(index, index[:2])
        for index in walked.get("status", {})
        if len(index) == 3 and index[0] == 1
    }


def decode(answers: Answers) -> OnuReading:
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = cdata.written_reason(answers)
    up = uni_up(answers, online=online)
    speed = number(answers, "uni_speed")
    return OnuReading(
        state=state,
        onu_rx=linear_level(answers, "onu_rx") if online else None,
        onu_tx=linear_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=text(answers, "vendor"),
        serial=mac(answers, "mac"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Temperature in 1/256 degree, voltage in 0.1 mV; the PON port's optics in hundredths."""
    return LineDetails(
        temperature_c=real(answers, "temperature", 256, most=150),
        voltage_v=real(answers, "voltage", 10_000, least=0.1, most=15),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        unis=lan.unis(place, walked, speeds=SPEEDS, duplex={1: True, 2: False}),
        macs=cdata.macs_of(place.onu, walked, uni_at=0),
        pon=pon_of(onu, answers),
    )


def pon_of(onu: OnuAddress, answers: Answers) -> PonPort:
    """From whichever of the two indexes answers."""

    def either(name: str) -> str:
        return name if number(answers, name) is not None else f"{name}_slot"

    link = number(answers, either("pon_link"))
    return PonPort(
        onu.pon,
        up=None if link is None else {2: False, 3: True}.get(link),
        tx=level(answers, either("pon_tx"), per_dbm=100),
        temperature_c=real(answers, either("pon_temperature"), 100, most=150),
        voltage_v=real(answers, either("pon_voltage"), 100, least=0.1, most=15),
        bias_ma=real(answers, either("pon_bias"), 100, least=0, most=200),
        onus=not_negative(number(answers, either("pon_onus"))),
    )


def by_port(place: Place, _: Answers) -> Oid | None:
    return None if place.pon is None else place.pon[-1:]


def by_slot_and_port(place: Place, _: Answers) -> Oid | None:
    return place.pon


PON_COLUMNS = {
    "pon_link": (*PON, 3), "pon_onus": (*PON, 6), "pon_temperature": (*PON_OPTICS, 1),
    "pon_voltage": (*PON_OPTICS, 2), "pon_bias": (*PON_OPTICS, 3), "pon_tx": (*PON_OPTICS, 4),
}  # fmt: skip

DRIVER = OltDriver(
    name="cdata_fd11",
    title="C-Data EPON (FD11xx, Stels FD11)",
    family="epon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 34592),), "", ((*ROOT, 4, 1),)),
    listing=Listing({"status": (*ONU, 11)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*ONU, 11), "onu_rx": (*ONU, 36), "onu_tx": (*ONU, 37), "distance": (*ONU, 13),
                "reason": (*ONU, 45), "mac": (*ONU, 7), "vendor": (*ONU, 41),
            },
            by_onu,
        ),
        Read({"uni_link": (*UNI, 3), "uni_speed": (*UNI, 5)}, by_first_uni),
    ),
    decode=decode,
    details=(
        Read(
            {
                "temperature": (*ONU, 40), "voltage": (*ONU, 38), "firmware": (*ONU, 6), "description": (*ONU, 4),
            },
            by_onu,
        ),
        Read(PON_COLUMNS, by_port),
        Read({f"{name}_slot": column for name, column in PON_COLUMNS.items()}, by_slot_and_port),
        Under({"link": (*UNI, 3), "speed": (*UNI, 5), "duplex": (*UNI, 6), "enabled": (*UNI, 11)}, by_onu),
        Under({"macs": MACS}, by_onu),
    ),
    decode_details=decode_details,
    writes={
        "reboot": SnmpWrite((*ONU, 32), by_onu, lambda value: 2),
        "describe": SnmpWrite((*ONU, 4), by_onu, lambda value: said.one_word(value).encode()),
    },
    absent=frozenset({"olt_rx", "uptime_s", "vlan", "bias_ma", "registered_at", "last_down_at", "log"}),
)  # fmt: skip
