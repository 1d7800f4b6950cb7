"""V-SOL GPON OLTs: V1600G.

Sources: switcher-core (v1600g.yml). Not tried on our own devices; the number of arcs after the ONU in the table of LAN
ports is unverified (one port, ``.1``, is asked).

Oddities: a LAN port is **0 when up** and 1 when down. Why an ONU is dark is part of its state; there is no reason of an
earlier fall. The unit of its uptime column is not documented, so it is not told. Nothing of its command line's outputs
is known but EPON's, so it is not asked. A restart takes three objects that must be set together: it is not written.
"""

from __future__ import annotations

from callcenter.diag.driver import Listing, OltDriver, Place, Read, Signs, Under, Walked, by_first_uni, by_onu, uni_up
from callcenter.diag.drivers.vsol_epon import DIALECT
from callcenter.diag.reading import DownReason, LineDetails, OnuReading, OnuState, UniPort
from callcenter.diag.values import NO_VALUE, Answers, Oid, gpon_serial, not_negative, number, real, text, written_level
from callcenter.words import OnuAddress

ROOT: Oid = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 6, 1, 1)
STATES: dict[int, tuple[OnuState, DownReason | None, str]] = {
    0: (OnuState.STARTING, None, "logging"),
    1: (OnuState.OFFLINE, DownReason.FIBRE, "los"),
    2: (OnuState.STARTING, None, "sync-mib"),
    3: (OnuState.ONLINE, None, ""),
    4: (OnuState.OFFLINE, DownReason.POWER, "dying-gasp"),
    5: (OnuState.OFFLINE, DownReason.ADMIN, "auth-fail"),
    6: (OnuState.OFFLINE, DownReason.UNKNOWN, "offline"),
    7: (OnuState.DISABLED, DownReason.ADMIN, "deactivated"),
    8: (OnuState.STARTING, DownReason.UNKNOWN, "config-fail"),
}
SPEEDS = {2: 10, 3: 10, 4: 100, 5: 100, 6: 1000, 7: 1000}
"""Mbit/s; 1 is "auto", which says nothing."""
FULL = {2: False, 3: True, 4: False, 5: True, 6: True, 7: False}


def place_of(onu: OnuAddress) -> Place | None:
    return Place((onu.port, onu.onu), (onu.port,)) if len(onu.path) == 2 and onu.path[0] == 0 else None


def listed(walked: Walked) -> dict[OnuAddress, Place]:
    return {
        OnuAddress("gpon", (0, index[0]), index[1]): Place(index, index[:1])
        for index in walked.get("status", {})
        if len(index) == 2
    }


def decode(answers: Answers) -> OnuReading:
    status = number(answers, "status")
    state, reason, word = STATES.get(-1 if status is None else status, (OnuState.UNKNOWN, None, ""))
    online = state is OnuState.ONLINE
    up = uni_up(answers, online=online, codes={0: True, 1: False})
    speed = number(answers, "uni_speed")
    return OnuReading(
        state=state,
        onu_rx=written_level(answers, "onu_rx") if online else None,
        onu_tx=written_level(answers, "onu_tx") if online else None,
        distance_m=not_negative(number(answers, "distance"), zero_is_unknown=True),
        last_down_reason=reason,
        last_down_word=word,
        uni_up=up,
        uni_mbps=SPEEDS.get(speed) if up and speed is not None else None,
        model=" ".join(filter(None, (text(answers, "vendor"), text(answers, "model")))),
        serial=gpon_serial(answers, "serial"),
    )


def decode_details(onu: OnuAddress, place: Place, answers: Answers, walked: Walked) -> LineDetails:
    """Of an ONU that is away only what does not pass."""
    online = number(answers, "status") == 3
    links, speeds = walked.get("link", {}), walked.get("speed", {})
    return LineDetails(
        temperature_c=real(answers, "temperature", most=150) if online else None,
        voltage_v=real(answers, "voltage", least=0.1, most=15) if online else None,
        bias_ma=real(answers, "bias", least=0, most=200) if online else None,
        firmware=text(answers, "firmware"),
        description=text(answers, "description"),
        unis=tuple(
            _uni(index[-1], {"link": link, "speed": speeds.get(index, NO_VALUE)})
            for index, link in sorted(links.items())
            if index[:-1] == place.onu
        ),
    )


def _uni(port: int, answers: Answers) -> UniPort:
    link, speed = number(answers, "link"), number(answers, "speed")
    up = None if link is None else {0: True, 1: False}.get(link)
    running = up and speed is not None
    return UniPort(
        port,
        up=up,
        mbps=SPEEDS.get(speed) if running and speed is not None else None,
        full_duplex=FULL.get(speed) if running and speed is not None else None,
    )


DRIVER = OltDriver(
    name="vsol_gpon",
    title="V-SOL GPON (V1600G)",
    family="gpon",
    signs=Signs(((1, 3, 6, 1, 4, 1, 37950, 1, 1, 5), (1, 3, 6, 1, 4, 1, 37950, 1, 1, 6)), r"V1600G|GPON", (ROOT[:-2],)),
    listing=Listing({"status": (*ROOT, 1, 1, 5)}, listed),
    place_of=place_of,
    reads=(
        Read(
            {
                "status": (*ROOT, 1, 1, 5), "onu_rx": (*ROOT, 3, 1, 7), "onu_tx": (*ROOT, 3, 1, 6),
                "distance": (*ROOT, 12, 1, 3), "serial": (*ROOT, 2, 1, 5), "vendor": (*ROOT, 4, 1, 3),
                "model": (*ROOT, 4, 1, 14),
            },
            by_onu,
        ),
        Read({"uni_link": (*ROOT, 8, 15, 1, 4), "uni_speed": (*ROOT, 8, 15, 1, 6)}, by_first_uni),
    ),
    decode=decode,
    details=(
        Read(
            {
                "temperature": (*ROOT, 3, 1, 3), "voltage": (*ROOT, 3, 1, 4), "bias": (*ROOT, 3, 1, 5),
                "firmware": (*ROOT, 4, 1, 25), "description": (*ROOT, 4, 1, 24),
            },
            by_onu,
        ),
        Under({"link": (*ROOT, 8, 15, 1, 4), "speed": (*ROOT, 8, 15, 1, 6)}, by_onu, most=24),
    ),
    decode_details=decode_details,
    dialect=DIALECT,
    absent=frozenset({"olt_rx", "uptime_s", "macs", "vlan", "pon", "registered_at", "last_down_at", "log"}),
)  # fmt: skip
