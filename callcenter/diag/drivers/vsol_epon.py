"""V-SOL EPON OLTs: V1600D.

Sources: switcher-core (configs/oids), Ubilling (snmptemplates), MIB V1600D, LibreNMS recording "vsolution_v1600d" with
16 ONUs, whose levels are among our documented values. Not tried on our own devices.

Oddities: levels are text such as ``0.00 mW (-28.24 dBm)``, where only the bracket counts. No level at the OLT for one
ONU was found. Its command line prints log lines into the session at any time.
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
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, mac, moment, not_negative, number, real, text, written_level
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 5)
ONU: Oid = (*ROOT, 12, 1, 29, 1)
OPTICS: Oid = (*ROOT, 12, 2, 1, 8, 1)
STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (DownReason.FIBRE, "wire-down"),
    1: (DownReason.POWER, "power-off"),
}


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by PON and ONU: ``EPON0/1:7`` of its command line is 1.7."""
    return Place((onu.port, onu.onu), (onu.port,)) if len(onu.path) == 2 and onu.path[0] == 0 else None


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("epon", (0, index[0]), index[1]): Place(index, index[:1])
        for index in walked.get("status", {})
        if len(index) == 2
    }


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers. An ONU that never went down has reason 0 too, so it counts only when offline."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = (None, "") if online else reason_of(answers, REASONS)
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx") if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online, codes={1: True, 0: False, 2: False}),
        model=text(answers, "model"),
        serial=mac(answers, "mac"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150),
        voltage_v=real(answers, "voltage", least=0, most=15),
        bias_ma=real(answers, "bias", least=0, most=200),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        last_down_at=moment(answers, "down_at"),
    )


DIALECT = Dialect(
    name="vsol",
    prompt=r"[\w.|-]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    login_user=r"(?i)login:\s*$",
    unpage=("terminal length 0",),
    pager=r"--More--\s?\x00?",
    default_protocol="telnet",
)

DRIVER = OltDriver(
    name="vsol_epon",
    title="V-SOL EPON (V1600D)",
    family="epon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 37950, 1, 1, 5),), r"V1600D|EPON", ((*ROOT, 12),)),
    listing=Listing({"status": (*ONU, 4)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*ONU, 4), "onu_rx": (*OPTICS, 7), "onu_tx": (*OPTICS, 6), "distance": (*ONU, 17),
                "reason": (*ONU, 15), "mac": (*ONU, 5), "model": (*ONU, 6),
            },
            by_onu,
        ),
        Read({"uni_link": (*ROOT, 12, 5, 1, 13, 1, 4)}, by_first_uni),
    ),
    decode=decode,
    details=(
        Read(
            {
                "temperature": (*OPTICS, 3), "voltage": (*OPTICS, 4), "bias": (*OPTICS, 5),
                "firmware": (*ROOT, 12, 2, 1, 2, 1, 7), "description": (*ROOT, 12, 1, 25, 1, 9),
                "registered": (*ONU, 18), "down_at": (*ONU, 19),
            },
            by_onu,
        ),
    ),
    decode_details=decode_details,
    dialect=DIALECT,
    absent=frozenset({"olt_rx", "uptime_s", "uni_mbps", "macs", "vlan", "pon"}),
)  # fmt: skip
