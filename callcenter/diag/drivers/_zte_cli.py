"""ZTE's command line, one shell for C3xx and C6xx, which name an ONU differently.

Sources: oxidized (zteolt.rb) and NOC (ZTE/ZXA10) for prompt and pager; a public blog's capture of C320
(ellychan18/next-markdown-blog) for states, attenuation and MACs; switcher-core (Modules/ZTE) for the history's rows,
the LAN port's keys and the restart; stored files 18049310025 (LAN port) and 8056202320 (``show onu running config``,
``vlan port eth_0/1 mode tag vlan``). ``detail-info`` shows the ONU's registration password too: nothing but
named fields and rows of moments is kept of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from callcenter.diag import said
from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import CliQuestion, CliWrite
from callcenter.diag.reading import LineDetails, LogLine, MacRow, OnuReading, PonPort, UniPort
from callcenter.words import OnuAddress

C3XX, C6XX = "gpon-onu_", "gpon_onu-"
"""How the two write an ONU: ``gpon-onu_1/1/1:5`` and ``gpon_onu-1/1/1:5``."""

DIALECT = Dialect(
    name="zte",
    prompt=r"[\w.-]+(\([\w/: -]+\))?[>#]",  # ``OLT(gpon-onu-mng 1/1/1:5)#`` has a blank
    privileged="#",
    unpage=("terminal length 0",),
    pager=r"--More--",
    save="write",
    errors=(r"^%\s?\S.*", r"(?i)^error\s?:.*", r"(?i)^unknown command.*", r"(?i)^invalid input.*"),
    confirm={r"(?i)\[yes/no\]\s*:?\s*$": "yes"},
)


def place(onu: OnuAddress) -> str:
    return f"{'/'.join(map(str, onu.path))}:{onu.onu}"


def _optics(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``up Rx :-20.241(dbm) Tx:2.423(dbm) 22.664(dB)``: heard at the OLT, sent by the ONU; ``down`` the other way."""
    told: dict[str, tuple[str, str]] = {}
    for line in said.lines(*outputs):
        found = re.match(r"(up|down)\b.*?(Rx|Tx)\s*:\s*(\S+?)\(dbm\).*?(Rx|Tx)\s*:\s*(\S+?)\(dbm\)", line, re.I | re.A)
        if found is not None:
            ways = {found[2].casefold(): found[3], found[4].casefold(): found[5]}
            told[found[1].casefold()] = (ways.get("rx", ""), ways.get("tx", ""))
    (olt_rx, onu_tx), (onu_rx, olt_tx) = told.get("up", ("", "")), told.get("down", ("", ""))
    sent = said.level(olt_tx)
    return LineDetails(
        olt_rx=said.level(olt_rx),
        onu_tx=said.level(onu_tx),
        onu_rx=said.level(onu_rx),
        pon=None if sent is None else PonPort(onu.pon, tx=sent),
    )


_ROW = re.compile(
    r"[0-9]{1,3}\s+([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8})\s+([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8})\s*(\S.*)?", re.ASCII
)


def _state(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """Ten rows ``1   2023-03-01 10:11:12    2023-03-05 01:02:03     DyingGasp``; zeros are a row that is not there."""
    rows = [row for line in said.lines(*outputs) if (row := _ROW.fullmatch(line)) is not None]
    log = tuple(
        LogLine(f"{row[2]} {(row[3] or '').strip()}".strip(), said.moment(row[2]), said.reason(row[3] or ""))
        for row in rows
        if said.moment(row[1]) is not None and said.moment(row[2]) is not None
    )
    ups = [at for row in rows if (at := said.moment(row[1])) is not None]
    last = max(log, key=lambda each: str(each.at), default=None)
    told = said.fields(*outputs)
    description = told.get("description", "")
    known = "phase state" in told
    return LineDetails(
        description=description[:60] if description.isprintable() and description not in {"-", "N/A"} else "",
        registered_at=max(ups, default=None),
        last_down_at=last.at if last else None,
        last_down_reason=last.down if last else None,
        last_down_word=last.text[20:50] if last else "",
        log=log if known else None,
    )


def _macs(outputs: tuple[str, ...], onu: OnuAddress) -> LineDetails:
    """``8cdc.0294.a5cd 88 Dynamic gpon-onu_1/1/1:1 vport 2``."""
    if not said.has_table(r"total mac address|mac\s+vlan|mac address", *outputs):
        return LineDetails()
    ours = re.compile(rf"gpon[-_]onu[-_]{re.escape(place(onu))}(?![0-9])", re.IGNORECASE | re.ASCII)
    rows = []
    for line in said.lines(*outputs):
        words = line.split()
        if len(words) >= 4 and ours.fullmatch(words[3]) and (mac := said.mac(words[0])):
            rows.append(MacRow(mac, said.vlan(words[1]), " ".join(words[4:6])))
    return LineDetails(macs=tuple(rows))


_SPEEDS = {"10": 10, "100": 100, "1000": 1000}


def _uni(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """Blocks of ``Interface : eth_0/1``, ``Speed status : full-100``, ``Operate status : enable``; then the VLANs set.

    A port whose speed is ``auto`` has no link, whatever its operation says (switcher-core).
    """
    ports: list[dict[str, str]] = []
    vlans: dict[int, tuple[str, int | None]] = {}
    for line in said.lines(*outputs):
        if (pair := re.fullmatch(r"([A-Za-z ]{3,30}?)\s*:\s*(\S+)", line)) is not None:
            if pair[1].casefold() == "interface":
                ports.append({})
            if ports:
                ports[-1].setdefault(pair[1].casefold(), pair[2].casefold())
        mode = re.match(
            r"vlan port eth_0/([0-9]{1,2}) mode (\S+)(?: vlan ([0-9]{1,4}))?", line, re.IGNORECASE | re.ASCII
        )
        if mode is not None:
            vlans[int(mode[1])] = (mode[2].casefold(), said.vlan(mode[3]))
    told = []
    for port in ports:
        found = re.fullmatch(r"eth_?0/([0-9]{1,2})", port.get("interface", ""), re.ASCII)
        if found is None:
            continue
        at = int(found[1])
        speed = re.fullmatch(r"(full|half)-([0-9]{2,5})", port.get("speed status", ""), re.ASCII)
        runs = {"enable": True, "disable": False}.get(port.get("operate status", ""))
        up = False if port.get("speed status") == "auto" else runs
        vlan_mode, vlan = vlans.get(at, ("", None))
        told.append(
            UniPort(
                at,
                up=up,
                enabled={"unlock": True, "lock": False}.get(port.get("admin status", "")),
                mbps=_SPEEDS.get(speed[2]) if up and speed else None,
                full_duplex=speed[1] == "full" if up and speed else None,
                vlan=vlan,
                vlan_mode=vlan_mode[:20],
            )
        )
    return LineDetails(unis=tuple(told))


def _vlan(outputs: tuple[str, ...], _: OnuAddress) -> LineDetails:
    """``service-port 1 vport 1 user-vlan 100 vlan 100``: the VLAN, where all service ports agree on one."""
    found = {
        vlan
        for line in said.lines(*outputs)
        if (row := re.match(r"service-port [0-9]+ .*?(?<!user-)\bvlan ([0-9]{1,4})\b", line, re.IGNORECASE | re.ASCII))
        and (vlan := said.vlan(row[1])) is not None
    }
    return LineDetails(vlan=next(iter(found)) if len(found) == 1 else None)


def questions(names: str) -> tuple[CliQuestion, ...]:
    """The questions of an OLT that names ONUs so."""

    def ask(*commands: str) -> Callable[[OnuAddress, OnuReading], tuple[str, ...]]:
        return lambda onu, reading: tuple(command.replace("*", names + place(onu)) for command in commands)

    return (
        CliQuestion("optics", ask("show pon power attenuation *"), _optics),
        CliQuestion("state", ask("show gpon onu detail-info *"), _state),
        CliQuestion("uni", ask("show gpon remote-onu interface eth *", "show onu running config *"), _uni),
        CliQuestion("macs", ask("show mac gpon onu *"), _macs),
        CliQuestion("vlan", ask("show running-config interface *"), _vlan),
    )


def reboot(names: str) -> CliWrite:
    return CliWrite(lambda onu, _: (f"pon-onu-mng {names}{place(onu)}", "reboot", "exit"))


def describe(names: str) -> CliWrite:
    return CliWrite(
        lambda onu, words: (f"interface {names}{place(onu)}", f"description {said.one_word(words)}", "exit")
    )


def vlan(names: str) -> CliWrite:
    """The first LAN port's tag; the ONU's service port is left as it is."""
    return CliWrite(
        lambda onu, words: (
            f"pon-onu-mng {names}{place(onu)}",
            f"vlan port eth_0/1 mode tag vlan {said.vlan_asked(words)}",
            "exit",
        )
    )
