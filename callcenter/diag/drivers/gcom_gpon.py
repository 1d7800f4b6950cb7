"""GCOM GPON OLTs: GL5610-04P/08P/16P, and their badges (Intelbras G08/G16).

Sources: Ubilling (snmptemplates, api.pongcomgl5610), ABillS (Equipment/Gcom.pm), a public reader of Intelbras G08 for
the newer optics table. Not tried on our own devices.

Oddities: everything is text. The optics table is 2.4.1.4 on older software and 2.4.1.9 on newer, so it is an option, as
is the enterprise number of the badge. A distance may be ``<100``. SmartFiber's template swaps columns 11 and 12
(unverified): such a badge needs a driver of its own first.
"""

from __future__ import annotations

from collections.abc import Mapping

from callcenter.diag.driver import (
    Limits,
    Listing,
    OltDriver,
    Option,
    Place,
    Read,
    Signs,
    Walked,
    by_first_uni,
    by_onu,
    state_of,
)
from callcenter.diag.drivers.gcom_epon import BADGES, DIALECT
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState
from callcenter.diag.values import (
    Answers,
    Oid,
    gpon_serial,
    moment,
    not_negative,
    number,
    plain,
    real,
    text,
    written_level,
)
from callcenter.words import OnuAddress

STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[str, tuple[DownReason | None, str]] = {
    "": (None, ""),
    "0": (None, ""),
    "1": (DownReason.FIBRE, "wire-down"),
    "3": (DownReason.POWER, "power-off"),
    "LOS": (DownReason.FIBRE, "LOS"),
    "POWER_OFF": (DownReason.POWER, "POWER_OFF"),
    "ONT_RESET": (DownReason.RESET, "ONT_RESET"),
}


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by card (always 0), PON and ONT: ``GPON0/4:2`` is 0/4/2 of the command line."""
    if len(onu.path) != 2 or onu.path[0] != 0:
        return None
    return Place((0, onu.port, onu.onu), (0, onu.port))


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("gpon", (0, index[1]), index[2]): Place(index, index[:2])
        for index in walked.get("status", {})
        if len(index) == 3 and index[0] == 0
    }


def _reason(answers: Answers) -> tuple[DownReason | None, str]:
    code = number(answers, "reason")
    said = str(code) if code is not None else plain(answers, "reason").upper().rstrip(".")
    return REASONS.get(said, (DownReason.UNKNOWN, said[:30]))


def decode(answers: Answers) -> OnuReading:
    """One ONT from the OLT's answers; levels are text in dBm. An OLT rx of exactly 0 is no value (its command line)."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = _reason(answers)
    link = plain(answers, "uni_link").casefold()
    at_olt = written_level(answers, "olt_rx")
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx") if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        olt_rx=at_olt if online and at_olt else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=None if not online else False if "down" in link else True if link else None,
        model=" ".join(filter(None, (text(answers, "vendor"), text(answers, "model")))),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150),
        voltage_v=real(answers, "voltage", least=0, most=15),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        last_down_at=moment(answers, "down_at"),
    )


def build(settings: Mapping[str, str]) -> OltDriver:
    maker: Oid = (1, 3, 6, 1, 4, 1, int(settings["enterprise"]), 1)
    root = (*maker, 14)
    onu = (*root, 2, 4, 1, 1, 1)
    optics = (*root, 2, 4, 1, int(settings["optics_table"]), 1)
    older = ((*root, 2, 4),) if settings["optics_table"] == "4" else ()
    return OltDriver(
        name="gcom_gpon",
        title="GCOM GPON (GL5610, Intelbras G08/G16)",
        family="gpon",
        signs=Signs(((*maker, 10, 7),), "", ((*optics, 5), *older), others=((*maker, 3),)),
        listing=Listing({"status": (*onu, 6)}, listed),
        place_of=place_of,
        reads=(
            Read(
                {
                    "status": (*onu, 6), "onu_rx": (*optics, 5), "onu_tx": (*optics, 6), "olt_rx": (*optics, 11),
                    "distance": (*onu, 7), "reason": (*onu, 12), "serial": (*onu, 8), "model": (*onu, 5),
                    "vendor": (*onu, 9),
                },
                by_onu,
            ),
            Read({"uni_link": (*root, 2, 4, 2, 1, 1, 6)}, by_first_uni),
        ),
        decode=decode,
        details=(
            Read(
                {
                    "temperature": (*optics, 8), "voltage": (*optics, 4), "description": (*onu, 4),
                    "down_at": (*onu, 13), "firmware": (*root, 2, 4, 1, 2, 1, 7),
                },
                by_onu,
            ),
        ),
        decode_details=decode_details,
        dialect=DIALECT,
        absent=frozenset({"uptime_s", "uni_mbps", "pon", "macs", "vlan", "bias_ma", "registered_at"}),
        limits=Limits(bulk_rows=10, gap_s=0.03),
        options={
            "enterprise": Option("the badge's enterprise number", "13464"),
            "optics_table": Option("where the optics stand: 4 on older software, 9 on newer", "4", ("4", "9")),
        },
        with_options=build,
        badges=tuple(
            (("enterprise", number), ("optics_table", table))
            for number in ("13464", *BADGES)
            for table in ("4", "9")
            if (number, table) != ("13464", "4")
        ),
    )  # fmt: skip


DRIVER = build({"enterprise": "13464", "optics_table": "4"})
