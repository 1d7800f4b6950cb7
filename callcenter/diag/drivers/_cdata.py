"""What C-Data's OLTs share: the last reason in words, the tables of FD12 and FD16, and their one command line.

Sources: switcher-core (oids/cdata, Modules/CData: ``show ont port state``, MAC rows); stored file 71324708288, a reader
of FD16xx tested against real outputs of firmwares V1 and V3 (keys of ``show ont info`` and ``optical-info``, alarms,
what refuses a command); stored files 56081819572 and 69439107166 (``show mac-address ont`` in configuration mode, its
rows) and 30285513806 (what it says of none); 30762275922 and others (``vty output show-all``).
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import CliQuestion, Place, Walked
from callcenter.diag.reading import DownReason, LineDetails, LogLine, MacRow, OnuReading, PonPort, UniPort
from callcenter.diag.values import Answers, Oid, level, not_negative, number, plain, real
from callcenter.words import Dbm, OnuAddress

PON: Oid = (1, 3, 6, 1, 4, 1, 17409, 2, 3, 3, 1, 1)
PON_STATE = {"pon_link": (*PON, 5), "pon_onus": (*PON, 8)}


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


def either(answers: Answers, name: str) -> str:
    """The column of whichever of the two tails answers; -1 is an offline ONU's and no value."""
    return name if number(answers, name) not in {None, -1} else f"{name}_of_port"


def light_of(answers: Answers, name: str) -> Dbm | None:
    """Hundredths of a dBm; -1 is no level of 0.01 dBm below one milliwatt, and 0 is none either."""
    each = either(answers, name)
    return None if number(answers, each) in {-1, 0} else level(answers, each, per_dbm=100)


def temperature_of(answers: Answers) -> float | None:
    """Hundredths of a degree; FD17xx says -99 degrees for none."""
    return real(answers, either(answers, "temperature"), 100, least=-50, most=150)


def voltage_of(answers: Answers) -> float | None:
    return real(answers, either(answers, "voltage"), 100_000, least=0.1, most=15)


def bias_of(answers: Answers) -> float | None:
    return real(answers, either(answers, "bias"), 100, least=0.01, most=200)


def by_optics(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 0)


def by_uni(place: Place, _: Answers) -> Oid | None:
    return (*place.onu, 0, 1)


def port_number(place: Place) -> int | None:
    """The PON's number among all the OLT's ports: the third byte of an index that begins with its device."""
    return place.onu[0] >> 8 & 0xFF if place.onu[0] >> 24 else None


def by_numbered_port(place: Place, _: Answers) -> Oid | None:
    """Tables of PON ports: device 1, card 0, port."""
    port = port_number(place)
    return None if port is None else (1, 0, port)


def pon_of(
    onu: OnuAddress,
    answers: Answers,
    *,
    tx: Dbm | None = None,
    temperature_c: float | None = None,
    voltage_v: float | None = None,
    bias_ma: float | None = None,
) -> PonPort | None:
    """The PON port; its transmitter in 0.01 dBm unless told otherwise; ``None`` where nothing is told of it."""
    link = number(answers, "pon_link")
    port = PonPort(
        onu.pon,
        up=None if link is None else {1: True, 2: False}.get(link),
        tx=tx if tx is not None else level(answers, "pon_tx", per_dbm=100),
        temperature_c=temperature_c,
        voltage_v=voltage_v,
        bias_ma=bias_ma,
        onus=not_negative(number(answers, "pon_onus")),
    )
    return None if port == PonPort(onu.pon) else port


def macs_of(prefix: Oid, walked: Walked, *, uni_at: int) -> tuple[MacRow, ...] | None:
    """MACs as values of six bytes under the ONU's index; ``uni_at`` arcs behind it stands the LAN port.

    Firmwares that have no such table answer nothing, as do ONUs without a MAC: no row tells nothing.
    """
    at = len(prefix) + uni_at
    found = sorted(
        (index[at], value)
        for index, value in walked.get("macs", {}).items()
        if isinstance(value, bytes) and len(value) == 6 and len(index) > at and index[: len(prefix)] == prefix
    )
    return tuple(MacRow(value.hex(":"), None, f"eth {port}") for port, value in found) or None


# --- the command line ---

DIALECT = Dialect(
    name="cdata",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    unpage=("vty output show-all",),
    pager=r"--\s?More\s?(\( Press 'Q' to quit \)\s?)?--",
    configure="config",
    leave_configure="end",
    errors=(r"^%\s?\S.*", r"(?i)^\s*error\s*:.*", r"(?i)^\s*unknown command.*"),
)


def inside(onu: OnuAddress, command: str) -> tuple[str, ...]:
    """A command of the PON card's interface: ``EPON0/0/1:5`` is port 1, ONT 5 of ``epon 0/0``."""
    card = "/".join(map(str, onu.path[:-1]))
    return "config", f"interface {onu.family} {card}", f"{command} {onu.port} {onu.onu}", "exit", "exit"


def _optics_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return inside(onu, "show ont optical-info")


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``Rx optical power(dBm) : -21.94``; another ONT's answer is not ours."""
    told = _of(onu, outputs)
    return LineDetails(
        onu_rx=said.level(told.get("rx optical power(dbm)")),
        onu_tx=said.level(told.get("tx optical power(dbm)")),
        olt_rx=said.level(told.get("olt rx ont optical power(dbm)") or told.get("olt rx optical power(dbm)")),
        temperature_c=said.temperature(told.get("temperature(c)")),
        voltage_v=said.voltage(told.get("voltage(v)")),
        bias_ma=said.bias(told.get("laser bias current(ma)")),
    )


def _of(onu: OnuAddress, outputs: tuple[str, ...]) -> dict[str, str]:
    told = said.fields(*outputs)
    return told if told.get("ont-id", str(onu.onu)) == str(onu.onu) else {}


def _state_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return inside(onu, "show ont info")


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``Last down cause : dying-gasp``, ``Last up time``, ``Last down time``; ``--`` is none."""
    told = _of(onu, outputs)
    word = told.get("last down cause", "--").strip("- ")
    description = told.get("description", "--")
    return LineDetails(
        description="" if description in {"--", "-"} or not description.isprintable() else description[:60],
        registered_at=said.moment(told.get("last up time", "")),
        last_down_at=said.moment(told.get("last down time", "")),
        last_down_reason=said.reason(word) if word else None,
        last_down_word=word[:30] if word.isprintable() else "",
    )


def _uni_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    command, enter, asked, *leave = inside(onu, "show ont port state")
    return command, enter, f"{asked} eth all", *leave


def _uni(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """A table whose head names its columns: ``Port``, ``Speed(Mbps)``, ``Duplex``, ``Link-State``."""
    head: list[str] = []
    ports: list[UniPort] = []
    for line in said.lines(*outputs):
        words = line.split()
        if "Link-State" in words and "Type" in words:
            head = words
        elif head and len(words) >= len(head):
            row = dict(zip(head, words, strict=False))
            number_, link = said.whole(words[head.index("Type") - 1], 1, 255), row["Link-State"].casefold()
            if number_ is None or link not in {"up", "down"}:
                continue
            up, duplex = link == "up", row.get("Duplex", "").casefold()
            ports.append(
                UniPort(
                    number_,
                    up=up,
                    mbps=said.whole(row.get("Speed(Mbps)"), 10, 100_000) if up else None,
                    full_duplex={"full": True, "half": False}.get(duplex) if up else None,
                )
            )
    return LineDetails(unis=tuple(ports))


def _mac_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return "config", f"show mac-address ont {'/'.join(map(str, onu.path))} {onu.onu}", "exit"


_MAC_ROW = re.compile(r"([0-9a-f]{2}(?::[0-9a-f]{2}){5})\s+([0-9]{1,4})\s+(.+)", re.IGNORECASE | re.ASCII)
_MAC_TABLE = r"mac\b.*\bvlan|there is not any mac address"


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``11:22:33:44:55:66 100 pon0/0/1 1 dynamic``: firmwares put the ONT in different columns, after the port's name.

    Rows that name another port are not ours.
    """
    port = re.compile(rf"\b(?:[eg]?pon)\s?{re.escape('/'.join(map(str, onu.path)))}(?![0-9/])\s+([0-9]+)", re.I | re.A)
    rows = []
    for line in said.lines(*outputs):
        if (row := _MAC_ROW.match(line)) is None or (at := port.search(row[3])) is None or at[1] != str(onu.onu):
            continue
        if mac := said.mac(row[1]):
            rows.append(MacRow(mac, said.vlan(row[2])))
    return LineDetails(macs=tuple(rows) if said.has_table(_MAC_TABLE, *outputs) else None)


def _log_commands(_: OnuAddress, __: OnuReading) -> tuple[str, ...]:
    return "config", "show alarm history all", "exit"


def _log(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """Alarms: ``2026-10-02 13:27:53 PON 0/0/8 ONU 7 ...`` (V1), ``1000501 2026-10-02 ... PON 0/0/2 ONU: 18`` (V3)."""
    place = "/".join(map(str, onu.path))
    about = re.compile(rf"\bPON\s+{re.escape(place)}\s+ONU:?\s*{onu.onu}(?![0-9])", re.IGNORECASE | re.ASCII)
    found = tuple(
        LogLine(line, said.moment(line), _why_down(line)) for line in said.lines(*outputs) if about.search(line)
    )
    told = any(output.strip() for output in outputs) and not said.is_refusal(*outputs)
    return LineDetails(log=found if told else None)


def _why_down(line: str) -> DownReason | None:
    """What an alarm means for the ONU; one that is cleared, or of a LAN port, took nothing down."""
    if re.search(r"\bclear\b|\bUNI\b", line, re.IGNORECASE):
        return None
    word = re.search(r"\b(dying[- ]?gasp|losi?|lofi|sfi)\b", line, re.IGNORECASE)
    return None if word is None else said.reason(word[1].replace(" ", "-"))


QUESTIONS = (
    CliQuestion("optics", _optics_commands, _optics),
    CliQuestion("state", _state_commands, _state),
    CliQuestion("uni", _uni_commands, _uni),
    CliQuestion("macs", _mac_commands, _macs),
    CliQuestion("log", _log_commands, _log),
)
