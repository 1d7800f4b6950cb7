"""C-Data EPON OLTs FD1104, FD1108 and their badges (Stels FD11).

Sources: switcher-core (fd-1100), Ubilling (api.ponstels11, snmptemplates), ABillS. Not tried on our own devices.

Oddities: light is linear, in tenths of a microwatt; 0 and 65535 are none. There is no level at the OLT for one ONU. The
temperature's scale is unverified (1/256 C).
"""

from __future__ import annotations

from callcenter.diag.driver import (
    Listing,
    OltDriver,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Walked,
    by_first_uni,
    by_onu,
    state_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, linear_level, mac, not_negative, number, plain, real, text
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 34592, 1, 3)
ONU: Oid = (*ROOT, 4, 1, 1)
UNI: Oid = (*ROOT, 4, 3, 1)
STATES = {1: OnuState.OFFLINE, 2: OnuState.OFFLINE, 3: OnuState.ONLINE, 4: OnuState.ONLINE}
"""1 not present, 2 offline, 3 online, 4 normal; 5 is "abnormal", which does not tell."""
SPEEDS = {1: 10, 2: 100, 3: 1000}


def written_reason(answers: Answers) -> tuple[DownReason | None, str]:
    """C-Data's last down cause is text: ``dying-gasp``, ``LOS``, ``losi``; ``--`` and nothing are none."""
    word = plain(answers, "reason").casefold()
    match word:
        case "" | "--" | "none":
            return None, ""
        case "dying-gasp":
            return DownReason.POWER, word
        case "los" | "losi" | "lobi":
            return DownReason.FIBRE, word
    return DownReason.UNKNOWN, word[:30] if word.isprintable() else ""


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
    reason, word = written_reason(answers)
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
    return LineDetails(
        temperature_c=real(answers, "temperature", 256, most=150),
        voltage_v=real(answers, "voltage", 10_000, least=0, most=15),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
    )


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
    ),
    decode_details=decode_details,
    writes={"reboot": SnmpWrite((*ONU, 32), by_onu, lambda value: 2)},
    absent=frozenset(
        {"olt_rx", "uptime_s", "macs", "vlan", "pon", "bias_ma", "registered_at", "last_down_at"}
    ),
)  # fmt: skip
