"""CEL rows for tests: recorded tapes, and stories written as a table."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callcenter.calls.rows import Line, Row, read_rows

TAPES = Path(__file__).parents[1] / "tapes" / "cel"
NAMES = sorted(path.stem for path in TAPES.glob("*.journal"))
BEGIN = 1_795_000_000.0
_CHANNELS = {
    "caller": ("PJSIP/trunk-skynet-00000001", "pbx1-1795000000.1"),
    "second": ("PJSIP/trunk-skynet-00000002", "pbx1-1795000000.2"),
    "anna": ("PJSIP/agent-101-0000000a", "pbx1-1795000000.10"),
    "borys": ("PJSIP/agent-102-0000000b", "pbx1-1795000000.11"),
    "local1": ("Local/102@from-agent-00000001;1", "pbx1-1795000000.20"),
    "local2": ("Local/102@from-agent-00000001;2", "pbx1-1795000000.21"),
    "boot": ("Local/boot@cc-boot-00000000;2", "pbx1-1795000900.1"),
}


def tape(name: str) -> bytes:
    return (TAPES / f"{name}.journal").read_bytes()


def expected(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((TAPES / f"{name}.json").read_text("utf-8"))
    return found


def rows_of(data: bytes) -> list[Row]:
    return read_rows(Line(0, raw) for raw in data.split(b"\n"))[0]


def id_of(who: str) -> str:
    return _CHANNELS[who][1]


def journal(table: str, *, number: str = "0631234567", linked: dict[str, str] | None = None) -> bytes:
    """Lines ``seconds event who value``; ``linked`` says whose linkedid a channel has, if not the caller's."""
    lines = [_line(line.split(None, 3), number, linked or {}) for line in table.splitlines() if line.strip()]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _line(words: list[str], number: str, linked: dict[str, str]) -> str:
    seconds, event, who, value = (*words, "")[:4]
    channel, uniqueid = _CHANNELS[who]
    own = {"caller", "second", "boot"}
    linkedid = id_of(linked.get(who, who if who in own else "caller"))
    exten, app, app_data, extra = "s", "", "", ""
    match event:
        case "CHAN_START":
            exten = value or ("380441110001" if who in {"caller", "second"} else "s")
        case "HANGUP":
            source, _, cause = value.partition(" ")
            by = _CHANNELS[source][0] if source in _CHANNELS else ("" if source == "-" else source)
            extra = json.dumps({"hangupcause": int(cause or 16), "hangupsource": by, "dialstatus": ""})
        case "BRIDGE_ENTER" | "BRIDGE_EXIT":
            extra = json.dumps({"bridge_id": f"bridge-{value}", "bridge_technology": "simple_bridge"})
        case "APP_START":
            app, _, app_data = value.partition(" ")
        case _ if value:
            extra = json.dumps({"extra": value})
    at = f"{BEGIN + float(seconds):.6f}"
    caller = (number, "Olena", exten, quote(channel, safe=""), linkedid, uniqueid)
    return "|".join((event, at, *caller, quote(extra, safe=""), app, quote(app_data, safe=""), ""))


def nth_call(number_of_call: int, at: float, table: str, *, number: str, agents_own: bool = False) -> bytes:
    """The story of one of many calls: channels and bridges of its own, ``at`` seconds after the beginning."""
    linked = {"anna": "anna", "caller": "anna"} if agents_own else None
    text = journal(table, number=number, linked=linked).decode("ascii")
    text = re.sub(
        r"pbx1-1795000000\.(\d+)", lambda found: f"pbx1-1795000000.{number_of_call * 100 + int(found[1])}", text
    )
    text = re.sub(r"bridge-[A-Z]", lambda found: f"{found[0]}-{number_of_call}", text)
    return re.sub(
        r"^([A-Z_]+)\|(\d+\.\d+)", lambda found: f"{found[1]}|{float(found[2]) + at:.6f}", text, flags=re.MULTILINE
    ).encode("ascii")


TALK = """
    0.0 CHAN_START   caller
    0.1 ANSWER       caller
    0.6 APP_START    caller Queue
    0.7 CHAN_START   anna
    2.0 ANSWER       anna
    2.1 BRIDGE_ENTER anna A
    2.1 BRIDGE_ENTER caller A
    8.0 BRIDGE_EXIT  caller A
    8.0 BRIDGE_EXIT  anna A
    8.1 HANGUP       caller caller
    8.1 CHAN_END     caller
    8.1 HANGUP       anna caller
    8.1 CHAN_END     anna
"""
MISS = """
    0.0 CHAN_START caller
    0.1 ANSWER     caller
    0.6 APP_START  caller Queue
    5.0 HANGUP     caller caller
    5.0 CHAN_END   caller
"""
CALL_BACK = """
    0.0 CHAN_START   anna
    1.0 ANSWER       anna
    1.1 CC_OUT       anna {callback}~skynet~{number}
    1.2 CHAN_START   caller
    3.0 BRIDGE_ENTER anna A
    3.0 BRIDGE_ENTER caller A
    9.0 BRIDGE_EXIT  anna A
    9.0 HANGUP       caller caller
    9.0 CHAN_END     caller
    9.0 HANGUP       anna caller
    9.0 CHAN_END     anna
"""
