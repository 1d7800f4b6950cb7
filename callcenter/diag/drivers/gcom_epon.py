"""GCOM EPON OLTs: EL5610-04P/08P/16P, and their badges (Intelbras 4840E, SmartFiber, QTECH).

Sources: switcher-core (configs/models/gcom.yml and its OIDs), Ubilling (snmptemplates, api.pongcomel5610), ABillS
(Equipment/Gcom.pm, Smartfiber.pm). Not tried on our own devices.

Oddities: the enterprise number is the badge's (the SDK's MIB calls 13464 a sample to be replaced), so it is an option.
Levels are text in dBm; SmartFiber writes what it receives without its sign (unverified). There is no level at the OLT
for one ONU. The agent falls silent under a burst: requests of a walk are 30 ms apart. Plain ``reboot`` on its command
line, even ``reboot ?``, asks to restart the OLT: it is never sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import (
    Limits,
    Listing,
    OltDriver,
    Option,
    Place,
    Read,
    Signs,
    SnmpWrite,
    Under,
    Walked,
    by_first_uni,
    by_onu,
    make_and_model,
    reason_of,
    state_of,
    uni_up,
)
from callcenter.diag.reading import DownReason, LineDetails, MacRow, OnuReading, OnuState
from callcenter.diag.values import Answers, Oid, mac, moment, not_negative, number, real, text, written_level
from callcenter.words import OnuAddress

BADGES = ("27514", "8888")
"""Enterprise numbers of QTECH and SmartFiber (ABillS, AXIOSTV)."""
STATES = {0: OnuState.OFFLINE, 1: OnuState.ONLINE}
REASONS: dict[int, tuple[DownReason | None, str]] = {
    0: (None, ""),
    1: (DownReason.FIBRE, "mpcp-timeout"),
    2: (DownReason.DEGRADED, "rtt-drift"),
    3: (DownReason.POWER, "power-off"),
    4: (DownReason.ADMIN, "auth-failed"),
    5: (DownReason.ADMIN, "blacklist"),
    6: (DownReason.UNKNOWN, "get-sn-failed"),
    7: (DownReason.UNKNOWN, "capability-failed"),
}


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by card (always 0), PON and ONU, as the command line writes them: ``EPON0/4:6``."""
    if len(onu.path) != 2 or onu.path[0] != 0:
        return None
    return Place((0, onu.port, onu.onu), (0, onu.port))


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("epon", (0, index[1]), index[2]): Place(index, index[:2])
        for index in walked.get("status", {})
        if len(index) == 3 and index[0] == 0
    }


def decode(answers: Answers) -> OnuReading:
    """One ONU from the OLT's answers; levels are text in dBm, empty or ``Offline`` while it is down."""
    state = state_of(answers, STATES)
    online = state is OnuState.ONLINE
    reason, word = reason_of(answers, REASONS)
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx", received=True) if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=uni_up(answers, online=online, codes={1: True, 0: False}),
        model=make_and_model(answers),
        serial=mac(answers, "mac"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Rows of the ONU's own MAC table are numbered; the VLAN column has the same numbers."""
    vlans, macs = walked.get("fdb_vlan", {}), walked.get("fdb_mac", {})
    rows = (
        MacRow(found, number({"vlan": vlans[row]}, "vlan") if row in vlans else None)
        for row, value in sorted(macs.items())
        if (found := mac({"mac": value}, "mac"))
    )
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150),
        voltage_v=real(answers, "voltage", least=0, most=15),
        bias_ma=real(answers, "bias", least=0, most=200),
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        registered_at=moment(answers, "registered"),
        vlan=not_negative(number(answers, "c_vlan"), zero_is_unknown=True),
        macs=tuple(rows) if "fdb_mac" in walked else None,
    )


DIALECT = Dialect(
    name="gcom",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    login_user=r"(?i)username(\(1-32 chars\))?\s?:\s*$",
    login_password=r"(?i)password(\(1-16 chars\))?\s?:\s*$",  # noqa: S106 - a pattern
    pager=r"\.\.\.\.press ENTER to next line, CTRL_C to quit, other key to next page\.\.\.\.",
    confirm={r"\(y/n\)\?\[n\]\s*$": "n"},
    forbidden=(r"^\s*reboot\b",),
    old_ssh=True,
)


def build(settings: Mapping[str, str]) -> OltDriver:
    maker: Oid = (1, 3, 6, 1, 4, 1, int(settings["enterprise"]), 1)
    root = (*maker, 13)
    onu, optics = (*root, 3, 1, 1), (*root, 3, 3, 1)
    return OltDriver(
        name="gcom_epon",
        title="GCOM EPON (EL5610, Intelbras 4840E)",
        family="epon",
        signs=Signs((( *maker, 10, 5),), "", ((*root, 3, 1),), others=((*maker, 3),)),
        listing=Listing({"status": (*onu, 4)}, listed),
        place_of=place_of,
        reads=(
            Read(
                {
                    "status": (*onu, 4), "onu_rx": (*optics, 8), "onu_tx": (*optics, 7), "distance": (*onu, 18),
                    "reason": (*onu, 23), "vendor": (*onu, 7), "model": (*onu, 8), "mac": (*onu, 9),
                },
                by_onu,
            ),
            Read({"uni_link": (*root, 4, 1, 1, 6)}, by_first_uni),
        ),
        decode=decode,
        details=(
            Read(
                {
                    "temperature": (*optics, 4), "voltage": (*optics, 5), "bias": (*optics, 6),
                    "firmware": (*onu, 10), "description": (*onu, 5), "registered": (*onu, 19),
                    "c_vlan": (*root, 3, 2, 1, 7),
                },
                by_onu,
            ),
            Under({"fdb_vlan": (*root, 3, 16, 1, 7), "fdb_mac": (*root, 3, 16, 1, 5)}, by_onu),
        ),
        decode_details=decode_details,
        dialect=DIALECT,
        writes={"reboot": SnmpWrite((*onu, 17), by_onu, lambda value: 1)},
        absent=frozenset({"olt_rx", "uptime_s", "uni_mbps", "pon", "last_down_at"}),
        limits=Limits(bulk_rows=10, gap_s=0.03),
        options={"enterprise": Option("the badge's enterprise number", "13464")},
        with_options=build,
        badges=tuple((("enterprise", number),) for number in BADGES),
    )  # fmt: skip


DRIVER = build({"enterprise": "13464"})
