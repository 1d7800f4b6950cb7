"""Cisco IOS as a small switch: VLANs and ports whose configuration really changes (oxidized ios.rb, ntc-templates).

As on the real one, a trunk's list without ``add`` replaces it, and a new trunk lets every VLAN through.
"""

from __future__ import annotations

import re
from datetime import timedelta

from lab.clis.script import Answer, Place, Script
from lab.switch import Port, SimulatedSwitch

INVALID = "                ^\n% Invalid input detected at '^' marker."
SUFFIX = {"user": ">", "enable": "#", "config": "(config)#", "vlan": "(config-vlan)#", "config-if": "(config-if)#"}


def new(name: str = "switch") -> SimulatedSwitch:
    switch = SimulatedSwitch("cisco_ios", name)
    switch.vlans = {1: "default", 10: "office", 20: "guests"}
    for port in switch.ports.values():
        port.mode, port.pvid = "access", 1
    switch.ports[24].mode, switch.ports[24].tagged = "trunk", {10, 20}
    return switch


def prompt(place: Place) -> str:
    return place.name + SUFFIX[place.mode]


def answer(place: Place, line: str) -> Answer:
    switch: SimulatedSwitch = place.model
    words = line.split()
    match place.mode, words:
        case "user" | "enable", ["exit"]:
            place.leaving = True
            return ""
        case _, ["exit"]:
            place.mode = "enable" if place.mode == "config" else "config"
            return ""
        case "config" | "vlan" | "config-if", ["end"]:
            place.mode = "enable"
            return ""
        case "user" | "enable", ["enable"]:
            place.mode = "enable"
            return ""
        case "user" | "enable", ["terminal", "length", rows]:
            place.paging = rows != "0"
            return ""
        case "user" | "enable", ["terminal", "width", _]:
            return ""
        case "enable", ["configure", "terminal"]:
            place.mode = "config"
            return "Enter configuration commands, one per line.  End with CNTL/Z."
        case "enable", ["write", "memory"]:
            switch.saved += 1
            return "Building configuration...\n[OK]"
        case "enable", ["show", "vlan", "brief"]:
            return "\n".join(_vlans(switch))
        case "enable", ["show", "running-config", "interface", port]:
            found = _port(switch, port)
            return INVALID if found is None else _configuration(found)
        case "user" | "enable", ["show", "clock"]:
            return switch.now.strftime("*%H:%M:%S.347 UTC %a %b %d %Y")
        case "user" | "enable", ["show", "logging", "|", "include", words_]:
            return "\n".join(line for line in _log(switch) if words_ in line)
        case "user" | "enable", ["show", "mac", "address-table", "interface", port]:
            found = _port(switch, port)
            return INVALID if found is None else "\n".join(_macs(found))
        case "user" | "enable", ["show", "interfaces", port, "transceiver"]:
            found = _port(switch, port)
            return INVALID if found is None else "\n".join(_optics(found))
        case "config" | "vlan" | "config-if", _:
            return _configure(place, switch, words)
        case _:
            return INVALID


def _configure(place: Place, switch: SimulatedSwitch, words: list[str]) -> Answer:
    port = switch.ports.get(int(place.at) if place.at.isdecimal() else 0, Port(0))
    match place.mode, words:
        case _, ["vlan", number] if number.isdecimal():
            if not 1 <= int(number) <= 4094:
                return INVALID
            if int(number) not in switch.vlans and len(switch.vlans) >= switch.most_vlans:
                return "VTP VLAN configuration not allowed when device is in CLIENT mode."
            switch.vlans.setdefault(int(number), f"VLAN{int(number):04}")
            place.mode, place.at = "vlan", number
        case _, ["no", "vlan", number] if number.isdecimal():
            switch.vlans.pop(int(number), None)
        case "vlan", ["name", name]:
            switch.vlans[int(place.at)] = name
        case _, ["interface", name]:
            found = _port(switch, name)
            if found is None:
                return INVALID
            place.mode, place.at = "config-if", str(found.number)
        case "config-if", ["switchport", "access", "vlan", number] if number.isdecimal():
            port.pvid = int(number)
            if int(number) not in switch.vlans:
                switch.vlans[int(number)] = f"VLAN{int(number):04}"
                return f"% Access VLAN does not exist. Creating vlan {number}"
        case "config-if", ["no", "switchport", "access", "vlan"]:
            port.pvid = 1
        case "config-if", ["switchport", "mode", "trunk"]:
            port.mode, port.tagged = "trunk", port.tagged or set(range(2, 4095))
        case "config-if", ["switchport", "mode", *mode]:
            port.mode = " ".join(mode)
        case "config-if", ["switchport", "trunk", "allowed", "vlan", "add", number] if number.isdecimal():
            if port.mode != "trunk":
                return "Command rejected: port is not a trunk."
            port.tagged.add(int(number))
        case "config-if", ["switchport", "trunk", "allowed", "vlan", "remove", number] if number.isdecimal():
            port.tagged.discard(int(number))
        case "config-if", ["switchport", "trunk", "allowed", "vlan", number] if number.isdecimal():
            port.tagged = {int(number)}
        case _:
            return INVALID
    return ""


def _port(switch: SimulatedSwitch, name: str) -> Port | None:
    full = re.fullmatch(r"Gi(?:gabitEthernet)?1/0/(\d+)", name)
    return switch.ports.get(int(full[1])) if full else None


def _long(port: Port) -> str:
    return f"GigabitEthernet1/0/{port.number}"


def _short(port: Port) -> str:
    return f"Gi1/0/{port.number}"


def _vlans(switch: SimulatedSwitch) -> list[str]:
    rows = ["VLAN Name                             Status    Ports", f"{'-' * 4} {'-' * 32} {'-' * 9} {'-' * 31}"]
    for number, name in sorted(switch.vlans.items()):
        ports = [_short(port) for port in switch.ports.values() if not port.is_trunk and port.pvid == number]
        rows.append(f"{number:<4} {name:<32} active    {', '.join(ports[:4])}")
        rows += [f"{'':48}{', '.join(ports[at : at + 4])}" for at in range(4, len(ports), 4)]
    return rows


def _log(switch: SimulatedSwitch) -> list[str]:
    """The line protocol follows its link by a second."""
    rows = ["Syslog logging: enabled (0 messages dropped, 34 messages rate-limited)", ""]
    for at, number, up in sorted(switch.log):
        name, state = f"GigabitEthernet1/0/{number}", "up" if up else "down"
        link = at.strftime("*%b %d %H:%M:%S.123")
        line = (at + timedelta(seconds=1)).strftime("*%b %d %H:%M:%S.123")
        rows.append(f"{link}: %LINK-3-UPDOWN: Interface {name}, changed state to {state}")
        rows.append(f"{line}: %LINEPROTO-5-UPDOWN: Line protocol on Interface {name}, changed state to {state}")
    return rows


def _macs(port: Port) -> list[str]:
    rows = ["          Mac Address Table", "-" * 43, "", "Vlan    Mac Address       Type        Ports"]
    rows.append("----    -----------       --------    -----")
    for vlan, macs in port.macs.items():
        for mac in macs:
            dotted = ".".join(mac.hex()[at : at + 4] for at in (0, 4, 8))
            rows.append(f"{vlan:>4}    {dotted}    DYNAMIC     {_short(port)}")
    return rows


def _optics(port: Port) -> list[str]:
    if port.sfp is None:
        return []
    return [
        "                                 Optical   Optical",
        "           Temperature  Voltage  Tx Power  Rx Power",
        "Port       (Celsius)    (Volts)  (dBm)     (dBm)",
        "---------  -----------  -------  --------  --------",
        f"{_short(port):<12} 23.1       3.29      {port.sfp[0]:<8.1f}  {port.sfp[1]:.1f}",
    ]


def _configuration(port: Port) -> str:
    lines = [f"interface {_long(port)}"]
    if port.mode == "trunk":
        allowed = ",".join(map(str, sorted(port.tagged)))
        lines += [f" switchport trunk allowed vlan {allowed}", " switchport mode trunk"]
    elif port.pvid != 1:
        lines += [f" switchport access vlan {port.pvid}", " switchport mode access"]
    return "\n".join(["Building configuration...", "", "Current configuration : 99 bytes", "!", *lines, "end"])


SCRIPT = Script(
    name="cisco_ios",
    answer=answer,
    prompt=prompt,
    model=new,
    unknown=INVALID,
    user_prompt="Username: ",
    wrong_login="% Login invalid\n",
    pager=" --More-- ",
    pager_erased="\b" * 9 + " " * 8 + "\b" * 9,
)
