"""Huawei's command line of MA56xx and MA58xx.

Sources: oxidized (smartax.rb) and NOC for prompts, pager and the question ``{ <cr>||<K> }:``; ntc-templates
(huawei_smartax) for tables; stored files 28451806404 (``display ont optical-info``, as a device showed it), 61781373997
and 48207931170 (``register-info``, the keys of ``display ont info``), 53111817226 (rows of ``display service-port``);
published configurations, 69271651434 among them, for ``ont port native-vlan``; switcher-core (``ont modify ... desc``).
Blanks stand inside numbers of places (``0/ 2/6``, ``0/2 /1``).
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import CliQuestion, CliWrite
from callcenter.diag.reading import DownReason, LineDetails, LogLine, MacRow, UniPort
from callcenter.words import OnuAddress

DIALECT = Dialect(
    name="huawei",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]",
    privileged="#",
    login_user=r"(?i)user name:\s*$",
    login_password=r"(?i)user password:\s*$",  # noqa: S106 - a pattern
    unpage=("scroll", "undo smart", "undo interactive"),
    pager=r"---- More \( Press 'Q' to break \) ----",
    configure="config",
    leave_configure="quit",
    save="save",
    errors=(r"^%\s?\S.*", r"(?i)^\s*error\s?:.*", r"(?i)^\s*failure\s?:.*", r"(?i)^\s*unknown command.*"),
    confirm={r"\{ <cr>.*\}:\s*$": "", r"\(y/n\)\s?\[n\]:\s*$": "y"},
    leave=("quit",),
)


def _place(onu: OnuAddress) -> str:
    return "/".join(map(str, onu.path))


def inside(onu: OnuAddress, command: str, *more: str) -> tuple[str, ...]:
    """A command of the PON card's interface; ``GPON0/1/7:3`` is port 7, ONT 3 of ``gpon 0/1``."""
    frame, slot, port = onu.path
    asked = " ".join((command, str(port), str(onu.onu), *more))
    return "config", f"interface gpon {frame}/{slot}", asked, "quit", "quit"


def _optics(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """``Rx optical power(dBm)                  : -18.18``; ``-`` is none."""
    told = said.fields(*outputs)
    return LineDetails(
        onu_rx=said.level(told.get("rx optical power(dbm)")),
        onu_tx=said.level(told.get("tx optical power(dbm)")),
        olt_rx=said.level(told.get("olt rx ont optical power(dbm)")),
        temperature_c=said.temperature(told.get("temperature(c)")),
        voltage_v=said.voltage(told.get("voltage(v)")),
        bias_ma=said.bias(told.get("laser bias current(ma)")),
    )


def reason_in(words: str) -> tuple[DownReason | None, str]:
    """``LOSi/LOBi alarm``, ``dying-gasp``: the first of the words that means something; ``-`` is none."""
    word = words.strip()
    if not word.strip("-"):
        return None, ""
    found = re.search(
        r"dying-?\s?gasp|lo[sfba]m?i?\b|sfi|loki|deactiv\w*|reset|re-?register|reboot", word, re.IGNORECASE
    )
    reason = DownReason.UNKNOWN if found is None else said.reason(found[0].replace(" ", "-"))
    if found is not None and reason is DownReason.UNKNOWN:
        reason = DownReason.ADMIN if found[0].casefold().startswith("deactiv") else DownReason.RESET
    return reason, word[:30] if word.isprintable() else ""


def _state(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``Last down cause : dying-gasp``, ``Last up time : 2026-07-15 14:06:12+03:00``; another ONT's are not ours."""
    told = said.fields(*outputs)
    if told.get("ont-id", str(onu.onu)) != str(onu.onu):
        return LineDetails()
    reason, word = reason_in(told.get("last down cause", "-"))
    description = told.get("description", "")
    return LineDetails(
        description=description[:60] if description.isprintable() and description.strip("-") else "",
        registered_at=said.moment(told.get("last up time", "")),
        last_down_at=said.moment(told.get("last down time", "")),
        last_down_reason=reason,
        last_down_word=word,
    )


_DOWN = re.compile(r"(deregister|down)\s?time")


def _log(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """Blocks that begin with ``Index : 1``: when it came, when it went, ``DownCause``."""
    blocks: list[dict[str, str]] = []
    for line in said.lines(*outputs):
        pair = re.fullmatch(r"([A-Za-z /-]{2,30}?)\s*:\s*(.*)", line)
        if pair is None:
            continue
        key = pair[1].casefold()
        if key == "index":
            blocks.append({})
        if not blocks:
            continue
        if _DOWN.fullmatch(key):
            blocks[-1].setdefault("down", pair[2])
        elif key.replace(" ", "") == "downcause":
            blocks[-1].setdefault("cause", pair[2])
    found = []
    for block in blocks:
        at = said.moment(block.get("down", ""))
        if at is not None:
            reason, word = reason_in(block.get("cause", "-"))
            found.append(LogLine(f"{at} {word}".strip(), at, reason or DownReason.UNKNOWN))
    return LineDetails(log=tuple(found) if blocks else None)


_MAC_ROW = re.compile(
    r"([0-9]+)/\s*([0-9]+)\s*/\s*([0-9]+)\s+([0-9]+)\s+(\S+)\s+([0-9]+)\s+(\S{14})\s+([0-9]{1,4})\b.*", re.ASCII
)


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``0/ 2/6     2    ETH     1   805e-0c5c-4277   80``: place, ONT, kind and number of its port, MAC, VLAN."""
    rows = []
    for line in said.lines(*outputs):
        row = _MAC_ROW.fullmatch(line)
        if row is None or (int(row[1]), int(row[2]), int(row[3])) != onu.path or int(row[4]) != onu.onu:
            continue
        if mac := said.mac(row[7]):
            rows.append(MacRow(mac, said.vlan(row[8]), f"{row[5].casefold()[:10]} {row[6]}"))
    known = bool(rows) or said.has_table(r"f\s?/s\s?/p.*mac|mac address does not exist", *outputs)
    return LineDetails(macs=tuple(rows) if known else None)


_PORT_ROW = re.compile(
    r"([0-9]+)\s+([0-9]+)\s+([FGX]?E|10GE|ETH)\s+(\S+)\s+(\S+)\s+(up|down)\b.*", re.IGNORECASE | re.ASCII
)


def _uni(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``1 1 GE 1000 full up noloop``: ONT, port, kind, speed, duplex, link."""
    ports = []
    for line in said.lines(*outputs):
        row = _PORT_ROW.fullmatch(line)
        number = said.whole(row[2], 1, 255) if row is not None else None
        if row is None or number is None or said.whole(row[1]) != onu.onu:
            continue
        up = row[6].casefold() == "up"
        ports.append(
            UniPort(
                number,
                up=up,
                mbps=said.whole(row[4], 10, 100_000) if up else None,
                full_duplex={"full": True, "half": False}.get(row[5].casefold()) if up else None,
            )
        )
    return LineDetails(unis=tuple(ports))


_SERVICE = re.compile(r"[0-9]+\s+([0-9]{1,4})\s+\S+\s+gpon\s+([0-9]+)\s?/([0-9]+)\s*/([0-9]+)\s+([0-9]+)\s.*", re.ASCII)


def _vlan(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``27  201 common   gpon 0/2 /1  0    2     vlan  201  86   86   up``: the VLAN, where all rows agree on one."""
    found = set()
    for line in said.lines(*outputs):
        row = _SERVICE.fullmatch(line)
        if row is not None and (int(row[2]), int(row[3]), int(row[4])) == onu.path and int(row[5]) == onu.onu:
            found.add(said.vlan(row[1]))
    return LineDetails(vlan=next(iter(found)) if len(found) == 1 else None)


def _in_config(command: str) -> tuple[str, ...]:
    return "config", command, "quit"


QUESTIONS = (
    CliQuestion("optics", lambda onu, _: inside(onu, "display ont optical-info"), _optics),
    CliQuestion(
        "state",
        lambda onu, _: _in_config(f"display ont info {' '.join(map(str, onu.path))} {onu.onu}"),
        _state,
    ),
    CliQuestion("uni", lambda onu, _: inside(onu, "display ont port state", "eth-port", "all"), _uni),
    CliQuestion("macs", lambda onu, _: _in_config(f"display mac-address ont {_place(onu)} {onu.onu}"), _macs),
    CliQuestion("vlan", lambda onu, _: _in_config(f"display service-port port {_place(onu)} ont {onu.onu}"), _vlan),
    CliQuestion("log", lambda onu, _: inside(onu, "display ont register-info"), _log),
)


def _write(onu: OnuAddress, command: str, *more: str) -> tuple[str, ...]:
    return inside(onu, command, *more)[1:4]


DESCRIBE = CliWrite(lambda onu, words: _write(onu, "ont modify", "desc", said.one_word(words)))
VLAN = CliWrite(lambda onu, words: _write(onu, "ont port native-vlan", "eth", "1", "vlan", str(said.vlan_asked(words))))
"""The VLAN of the first LAN port's untagged frames; service ports are left as they are."""
