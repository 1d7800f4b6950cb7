"""Cisco IOS as a small switch: VLANs and ports whose configuration really changes (oxidized ios.rb, ntc-templates)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.clis.script import Answer, Place, Script

INVALID = "                ^\n% Invalid input detected at '^' marker."
SUFFIX = {"user": ">", "enable": "#", "config": "(config)#", "vlan": "(config-vlan)#", "config-if": "(config-if)#"}


@dataclass(slots=True)
class Port:
    trunk: bool = False
    access: int = 1
    allowed: set[int] = field(default_factory=set)
    up: bool = True


@dataclass(slots=True)
class Switch:
    ports: dict[str, Port]
    vlans: dict[int, str] = field(default_factory=lambda: {1: "default"})
    saved: int = 0
    """How often the configuration was written to its memory."""


def new() -> Switch:
    ports = {f"GigabitEthernet1/0/{number}": Port() for number in range(1, 25)}
    ports["GigabitEthernet1/0/24"] = Port(trunk=True, allowed={10, 20})
    return Switch(ports, {1: "default", 10: "office", 20: "guests"})


def prompt(place: Place) -> str:
    return place.name + SUFFIX[place.mode]


def answer(place: Place, line: str) -> Answer:
    switch: Switch = place.model
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
            return INVALID if found is None else _configuration(found, switch.ports[found])
        case "config" | "vlan" | "config-if", _:
            return _configure(place, switch, words)
        case _:
            return INVALID


def _configure(place: Place, switch: Switch, words: list[str]) -> Answer:
    port = switch.ports.get(place.at, Port())
    match place.mode, words:
        case _, ["vlan", number] if number.isdecimal():
            if not 1 <= int(number) <= 4094:
                return INVALID
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
            place.mode, place.at = "config-if", found
        case "config-if", ["switchport", "access", "vlan", number] if number.isdecimal():
            port.access = int(number)
        case "config-if", ["no", "switchport", "access", "vlan"]:
            port.access = 1
        case "config-if", ["switchport", "mode", ("trunk" | "access") as mode]:
            port.trunk = mode == "trunk"
        case "config-if", ["switchport", "trunk", "allowed", "vlan", "add", number] if number.isdecimal():
            if not port.trunk:
                return "Command rejected: port is not a trunk."
            port.allowed.add(int(number))
        case "config-if", ["switchport", "trunk", "allowed", "vlan", "remove", number] if number.isdecimal():
            port.allowed.discard(int(number))
        case _:
            return INVALID
    return ""


def _port(switch: Switch, name: str) -> str | None:
    full = re.sub(r"^Gi(?:gabitEthernet)?(?=\d)", "GigabitEthernet", name)
    return full if full in switch.ports else None


def _vlans(switch: Switch) -> list[str]:
    rows = ["VLAN Name                             Status    Ports", f"{'-' * 4} {'-' * 32} {'-' * 9} {'-' * 31}"]
    for number, name in sorted(switch.vlans.items()):
        ports = [_short(each) for each, port in switch.ports.items() if not port.trunk and port.access == number]
        rows.append(f"{number:<4} {name:<32} active    {', '.join(ports[:4])}")
        rows += [f"{'':48}{', '.join(ports[at : at + 4])}" for at in range(4, len(ports), 4)]
    return rows


def _short(port: str) -> str:
    return port.replace("GigabitEthernet", "Gi")


def _configuration(name: str, port: Port) -> str:
    lines = [f"interface {name}"]
    if port.trunk:
        allowed = ",".join(map(str, sorted(port.allowed)))
        lines += [f" switchport trunk allowed vlan {allowed}", " switchport mode trunk"]
    elif port.access != 1:
        lines += [f" switchport access vlan {port.access}", " switchport mode access"]
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
