"""HP and H3C Comware as a small switch (oxidized comware.rb, ntc-templates, H3C's command references).

Angle brackets look, square ones configure; a NUL stands before every prompt; a port's link type changes through
``access`` only.
"""

from __future__ import annotations

import re
from datetime import timedelta

from lab.clis.script import Answer, Place, Script
from lab.switch import Port, SimulatedSwitch

UNKNOWN = "           ^\n % Unrecognized command found at '^' position."
WRONG = "           ^\n % Wrong parameter found at '^' position."
NO_VLAN = " Error: The VLAN does not exist."


def new(name: str = "switch") -> SimulatedSwitch:
    switch = SimulatedSwitch("hp_comware", name)
    switch.vlans = {1: "VLAN 0001", 10: "office", 20: "guests", 30: "tv"}
    for port in switch.ports.values():
        port.mode, port.pvid = "access", 1
    switch.ports[24].mode, switch.ports[24].tagged = "trunk", {10, 20}
    switch.ports[23].mode, switch.ports[23].tagged = "hybrid", {10}
    return switch


def prompt(place: Place) -> str:
    inside = {"config": "", "vlan": f"-vlan{place.at}", "config-if": f"-GigabitEthernet1/0/{place.at}"}
    return f"<{place.name}>" if place.mode == "user" else f"[{place.name}{inside[place.mode]}]"


def answer(place: Place, line: str) -> Answer:
    switch: SimulatedSwitch = place.model
    words = line.split()
    match place.mode, words:
        case "user", ["screen-length", "disable"]:
            place.paging = False
        case "user", ["system-view"]:
            place.mode = "config"
            return "System View: return to User View with Ctrl+Z."
        case "user", ["quit"]:
            place.leaving = True
        case _, ["quit"]:
            place.mode = "user" if place.mode == "config" else "config"
        case _, ["return"]:
            place.mode = "user"
        case _, ["save", "force"]:
            switch.saved += 1
            return "Validating file. Please wait....\nThe current configuration is saved to the active main board."
        case _, ["display", "clock"]:
            return switch.now.strftime("%H:%M:%S UTC %a %m/%d/%Y")
        case _, ["display", "logbuffer", "|", "include", part]:
            return "\n".join(each for each in _log(switch) if part in each)
        case _, ["display", "mac-address", "interface", name]:
            port = _port(switch, name)
            return WRONG if port is None else "\n".join(_macs(port))
        case _, ["display", "transceiver", "diagnosis", "interface", name]:
            port = _port(switch, name)
            return WRONG if port is None else "\n".join(_optics(port))
        case "config" | "vlan" | "config-if", _:
            return _configure(place, switch, words)
        case _:
            return UNKNOWN
    return ""


def _configure(place: Place, switch: SimulatedSwitch, words: list[str]) -> Answer:
    port = switch.ports.get(int(place.at) if place.at.isdecimal() else 0, Port(0))
    match place.mode, words:
        case _, ["vlan", number] if number.isdecimal():
            if not 1 <= int(number) <= 4094:
                return WRONG
            if int(number) not in switch.vlans and len(switch.vlans) >= switch.most_vlans:
                return " Error: The number of VLANs has reached the upper limit."
            switch.vlans.setdefault(int(number), f"VLAN {int(number):04}")
            place.mode, place.at = "vlan", number
        case _, ["undo", "vlan", number] if number.isdecimal():
            if int(number) not in switch.vlans:
                return NO_VLAN
            del switch.vlans[int(number)]
            for each in switch.ports.values():
                each.pvid = 1 if each.pvid == int(number) else each.pvid
        case "vlan", ["name", name]:
            switch.vlans[int(place.at)] = name
        case _, ["interface", *name]:
            found = _port(switch, "".join(name))
            if found is None:
                return WRONG
            place.mode, place.at = "config-if", str(found.number)
        case "config-if", ["port", *rest]:
            return _set(switch, port, rest)
        case "config-if", ["undo", "port", *rest]:
            return _unset(port, rest)
        case _:
            return UNKNOWN
    return ""


def _set(switch: SimulatedSwitch, port: Port, words: list[str]) -> Answer:
    vlan = next((int(each) for each in words if each.isdecimal()), 0)
    if vlan and vlan not in switch.vlans:
        return NO_VLAN
    match words:
        case ["link-type", ("access" | "trunk" | "hybrid") as mode]:
            if "access" not in {mode, port.mode} and mode != port.mode:
                return " Please set the link type to access first."
            if mode == "access":
                port.tagged = set()
            port.mode = mode
        case ["access", "vlan", _] if port.mode == "access":
            port.pvid = vlan
        case ["trunk", "permit", "vlan", _] if port.mode == "trunk":
            port.tagged.add(vlan)
        case ["hybrid", "vlan", _, ("tagged" | "untagged") as how] if port.mode == "hybrid":
            (port.tagged.add if how == "tagged" else port.tagged.discard)(vlan)
        case ["hybrid", "pvid", "vlan", _] if port.mode == "hybrid":
            port.pvid = vlan
        case ["access" | "trunk" | "hybrid", *_]:
            return " Error: The link type of the port does not allow this."
        case _:
            return UNKNOWN
    return ""


def _unset(port: Port, words: list[str]) -> Answer:
    match words:
        case ["access", "vlan"]:
            port.pvid = 1
        case ["trunk", "permit", "vlan", vlan] | ["hybrid", "vlan", vlan] if vlan.isdecimal():
            port.tagged.discard(int(vlan))
        case ["link-type"]:
            port.mode, port.tagged = "access", set()
        case _:
            return UNKNOWN
    return ""


def _port(switch: SimulatedSwitch, name: str) -> Port | None:
    full = re.fullmatch(r"(?:GE|GigabitEthernet)1/0/([0-9]+)", name, re.IGNORECASE)
    return switch.ports.get(int(full[1])) if full else None


def _log(switch: SimulatedSwitch) -> list[str]:
    rows = ["Logging buffer configuration and contents:enabled", "Allowed max buffer size : 1024"]
    for at, number, up in sorted(switch.log):
        port, state = f"GigabitEthernet1/0/{number}", "up" if up else "down"
        link, line = (f"%{moment:%b %d %H:%M:%S}:123 {moment:%Y} {switch.name}"
                      for moment in (at, at + timedelta(seconds=1)))  # fmt: skip
        rows.append(f"{link} IFNET/3/PHY_UPDOWN: Physical state on the interface {port} changed to {state}.")
        rows.append(f"{line} IFNET/5/LINK_UPDOWN: Line protocol state on the interface {port} changed to {state}.")
    return rows


def _macs(port: Port) -> list[str]:
    rows = ["MAC ADDR       VLAN ID  STATE          PORT INDEX               AGING TIME(s)"]
    for vlan, macs in port.macs.items():
        for mac in macs:
            dashed = "-".join(mac.hex()[at : at + 4] for at in (0, 4, 8))
            rows.append(f"{dashed} {vlan:<8} Learned        GigabitEthernet1/0/{port.number:<6} AGING")
    return [*rows, f"  ---  {len(rows) - 1} mac address(es) found on port GigabitEthernet1/0/{port.number}  ---"]


def _optics(port: Port) -> list[str]:
    if port.sfp is None:
        return ["Error: The transceiver is absent."]
    return [
        f"GigabitEthernet1/0/{port.number} transceiver diagnostic information:",
        "  Current diagnostic parameters:",
        "    Temp(C)   Voltage(V)  Bias(mA)  RX power(dBm)  TX power(dBm)",
        f"    36        3.31        6.13      {port.sfp[1]:.2f}          {port.sfp[0]:.2f}",
    ]


SCRIPT = Script(
    name="hp_comware",
    answer=answer,
    prompt=prompt,
    model=new,
    unknown=UNKNOWN,
    banner="*" * 60 + "\n* Copyright (c) 2010-2017 Hewlett Packard Enterprise Development LP *\n" + "*" * 60 + "\n",
    user_prompt="Username:",
    password_prompt="Password:",
    enable="",
    pager="  ---- More ----",
    pager_erased="\x1b[16D                \x1b[16D",
    before_prompt="\x00",
)
