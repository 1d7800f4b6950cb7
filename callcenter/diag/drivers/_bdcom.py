"""BDCOM's command line, one shell for EPON and GPON, and the MAC table that both have.

Sources of prompts, pager and errors: oxidized (bdcom.rb), NOC (BDCOM/xPON). Of outputs: the unit test of a Ukrainian
provider's terminal reader (4oker12/simnet-workbranch) and two public readers of ``optical-transceiver-diagnosis``,
``inactive-onu`` and GPON's ``basic-info`` history. ``epon onu port 1 ctc vlan mode`` and its question about
``absent-config-mode`` are from published configurations. The form of ``show logging`` is not known: its lines are shown
as they are, and only words that BDCOM uses for reasons conclude anything.
"""

from __future__ import annotations

import re

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import CliQuestion, Place, Walked
from callcenter.diag.reading import DownReason, LineDetails, LogLine, MacRow, OnuReading, OnuState, UniPort
from callcenter.diag.values import Oid
from callcenter.words import OnuAddress

OWN_VLANS = frozenset({4093, 4094})
"""VLANs in which the ONU's own MAC shows up: nothing of the subscriber's."""
DOT1Q_FDB: Oid = (1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1, 2)
MAC_TABLES = ("bridge", "cli")
"""Where MACs are read: the whole bridge table over SNMP, or on the command line only."""

DIALECT = Dialect(
    name="bdcom",
    prompt=r"[\w./():-]+[>#]\s?",
    privileged="#",
    unpage=("terminal length 0", "terminal width 0"),
    pager=r"--\s?More\s?--",
    configure="config",
    leave_configure="end",
    save="write all",
    errors=(r"^%\s?\S.*", r"(?i)^(unknown|incomplete|ambiguous) command.*", r"(?i)^invalid input.*", r"(?i)^error:.*"),
    confirm={r"(?i)are you sure[^\n]*\(y/n\)\s*\??\s*$": "y"},
    default_protocol="telnet",
)


def spaced(onu: OnuAddress, *, pon: bool = False) -> str:
    """``epon 0/4:8``, as ``interface`` takes it."""
    return f"{onu.family} {'/'.join(map(str, onu.path))}{'' if pon else f':{onu.onu}'}"


def bound(onu: OnuAddress, reading: OnuReading) -> tuple[str, ...]:
    """Its row among those that are on; and among those that are off, where the last reading had it there."""
    row = f"interface {onu.pon} {onu.onu}"
    on = f"show {onu.family} active-onu {row}"
    return (on,) if reading.state is OnuState.ONLINE else (on, f"show {onu.family} inactive-onu {row}")


# --- macs ---


def _mac_commands(onu: OnuAddress, _: OnuReading) -> tuple[str, ...]:
    return (f"show mac address-table interface {onu}",)


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``341 088a.f17f.ff11 DYNAMIC gpon0/11:1-1``: VLAN, MAC, kind, port with the virtual port behind it."""
    if not said.has_table(r"mac address", *outputs):
        return LineDetails()
    rows = []
    for line in said.lines(*outputs):
        row = re.fullmatch(r"([0-9]{1,4})\s+(\S+)\s+(\w+)\s+(\S+?)(-[0-9]+)?", line, re.ASCII)
        if row is None or row[4].upper() != str(onu):
            continue
        mac, vlan = said.mac(row[2]), said.vlan(row[1])
        if mac and vlan not in OWN_VLANS:
            rows.append(MacRow(mac, vlan, row[4] + (row[5] or "")))
    return LineDetails(macs=tuple(rows))


MACS = CliQuestion("macs", _mac_commands, _macs)


def macs_of(place: Place, walked: Walked, own: str) -> tuple[MacRow, ...] | None:
    """The ONU's rows of the bridge table (VLAN and MAC in the index, ifIndex the value), without its own MAC.

    A bridge table without any row at all is one that the firmware does not give: it tells nothing of this ONU.
    """
    if not walked.get("fdb"):
        return None
    rows = (
        MacRow(bytes(index[1:]).hex(":"), index[0])
        for index, port in sorted(walked["fdb"].items())
        if (port,) == place.onu and len(index) == 7 and 0 < index[0] < 4095 and max(index[1:]) < 256
    )
    return tuple(row for row in rows if row.vlan not in OWN_VLANS and row.mac != own)


# --- the log ---


def _log_commands(_: OnuAddress, __: OnuReading) -> tuple[str, ...]:
    return ("show logging",)


def _log(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    found = tuple(
        LogLine(line, said.moment(line), why_down(line)) for line in said.lines(*outputs) if said.is_about(onu, line)
    )
    told = any(output.strip() for output in outputs) and not said.is_refusal(*outputs)
    return LineDetails(log=found if told else None)


def why_down(line: str) -> DownReason | None:
    """The reason that a line names in BDCOM's words, if it does."""
    word = re.search(
        r"\b(power-off|wire-down|mpcp-down|oam-down|dying-gasp|pon-los|omcc-down|losi?|dying gasp|reboot)\b",
        line,
        re.IGNORECASE,
    )
    return None if word is None else said.reason(word[1])


LOG = CliQuestion("log", _log_commands, _log)


# --- the LAN port ---

_SPEED = re.compile(r"(?<![\w/])(10|100|1000|1G|2\.5G)(?:M?bps)?\s+(Full|Half)-?Duplex", re.IGNORECASE | re.ASCII)
_MBPS = {"10": 10, "100": 100, "1000": 1000, "1G": 1000, "2.5G": 2500}


def uni_of(onu: OnuAddress, output: str) -> UniPort | None:
    """EPON's ``Hardware state is Link-Up``; GPON's ``GPON0/8:29 uni-port 1 up`` with ``(1Gbps Full-Duplex)``."""
    text = "\n".join(said.lines(output))
    epon = re.search(r"Hardware state is Link-?(Up|Down)", text, re.IGNORECASE)
    gpon = re.search(rf"{re.escape(str(onu))}\s+uni-port\s+1\s+(up|down)\b", text, re.IGNORECASE)
    found = epon or gpon
    if found is None:
        return None
    up, speed = found[1].casefold() == "up", _SPEED.search(text)
    return UniPort(
        1,
        up=up,
        mbps=_MBPS[speed[1].upper()] if up and speed else None,
        full_duplex=speed[2].casefold() == "full" if up and speed else None,
    )


# --- levels ---


def columns_of(onu: OnuAddress, output: str, count: int) -> list[str] | None:
    """The ``count`` words after the ONU's name in its row of a table."""
    words = said.row_of(str(onu), output).split()
    return words[1:] if len(words) == count + 1 and words[0].upper() == str(onu) else None
