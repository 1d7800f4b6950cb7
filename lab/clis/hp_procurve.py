"""HP ProCurve as a small switch (oxidized procurve.rb, nocproject HP/ProCurve, ntc-templates).

A key is waited for before the first prompt, prompts come after cursor movements, ``logout`` asks twice, and deleting a
VLAN asks only when a port would be left without one.
"""

from __future__ import annotations

from lab.clis.script import Answer, Ask, Place, Script
from lab.switch import Port, SimulatedSwitch


def new(name: str = "switch") -> SimulatedSwitch:
    switch = SimulatedSwitch("hp_procurve", name)
    switch.vlans = {1: "DEFAULT_VLAN", 10: "office", 20: "guests"}
    for port in switch.ports.values():
        port.pvid = 1
    switch.ports[24].tagged = {10, 20}
    return switch


def prompt(place: Place) -> str:
    suffix = {"user": ">", "enable": "#", "config": "(config)#", "vlan": f"(vlan-{place.at})#"}[place.mode]
    return f"{place.name}{suffix} "


def answer(place: Place, line: str) -> Answer:
    switch: SimulatedSwitch = place.model
    words = line.split()
    match place.mode, words:
        case "user", ["enable"]:
            place.mode = "enable"
        case _, ["no", "page"]:
            place.paging = False
        case "user" | "enable", ["logout"]:
            return Ask("Do you want to log out [y/n]? ", lambda typed: _leave(place, typed))
        case _, ["exit"]:
            place.mode = {"vlan": "config", "config": "enable"}.get(place.mode, "user")
        case "config" | "vlan", ["end"]:
            place.mode = "enable"
        case "enable", ["configure", "terminal"]:
            place.mode = "config"
        case "enable", ["write", "memory"]:
            switch.saved += 1
        case _, ["show", "time"]:
            return switch.now.strftime("%a %b %d %H:%M:%S %Y")
        case _, ["show", "log", "-r"]:
            return "\n".join(_log(switch))
        case _, ["show", "mac-address"]:
            return "\n".join(_macs(switch))
        case "config" | "vlan", _:
            return _configure(place, switch, words)
        case _:
            return f"Invalid input: {words[-1]}"
    return ""


def _leave(place: Place, typed: str) -> Answer:
    if typed.strip().lower() != "y":
        return ""
    place.leaving = True
    return Ask("Do you want to save current configuration [y/n]? ", lambda _: "")


def _configure(place: Place, switch: SimulatedSwitch, words: list[str]) -> Answer:
    match place.mode, words:
        case _, ["vlan", number] if number.isdecimal() and 1 <= int(number) <= 4094:
            if int(number) not in switch.vlans and len(switch.vlans) >= switch.most_vlans:
                return f"Maximum number of VLANs ({switch.most_vlans}) has already been reached."
            switch.vlans.setdefault(int(number), f"VLAN{number}")
            place.mode, place.at = "vlan", number
        case _, ["no", "vlan", number] if number.isdecimal() and int(number) in switch.vlans:
            return _delete(switch, int(number))
        case "vlan", ["name", name]:
            switch.vlans[int(place.at)] = name.strip('"')
        case "vlan", [("tagged" | "untagged") as how, name]:
            port = _port(switch, name)
            if port is None:
                return f"Module not present for port or invalid port: {name}"
            _join(port, int(place.at), how)
        case "vlan", ["no", ("tagged" | "untagged") as how, name]:
            port = _port(switch, name)
            if port is None:
                return f"Module not present for port or invalid port: {name}"
            if how == "tagged":
                port.tagged.discard(int(place.at))
            elif port.pvid == int(place.at):
                port.pvid = 0 if port.tagged else 1
        case _:
            return f"Invalid input: {words[0]}"
    return ""


def _join(port: Port, vlan: int, how: str) -> None:
    if how == "tagged":
        port.tagged.add(vlan)
        port.pvid = 0 if port.pvid == vlan else port.pvid
    else:
        port.pvid = vlan
        port.tagged.discard(vlan)


def _delete(switch: SimulatedSwitch, vlan: int) -> Answer:
    orphans = [port for port in switch.ports.values() if port.pvid == vlan]

    def delete(typed: str) -> Answer:
        if typed.strip().lower() != "y":
            return ""
        del switch.vlans[vlan]
        for port in switch.ports.values():
            port.tagged.discard(vlan)
            port.pvid = 1 if port.pvid == vlan else port.pvid
        return ""

    if not orphans:
        return delete("y")
    listed = ",".join(str(port.number) for port in orphans)
    return Ask(
        f"The following ports will be moved to the default VLAN:\n{listed}\nDo you want to continue?\n[y/n] ", delete
    )


def _port(switch: SimulatedSwitch, name: str) -> Port | None:
    return switch.ports.get(int(name)) if name.isdecimal() else None


def _log(switch: SimulatedSwitch) -> list[str]:
    rows = [" Keys:   W=Warning   I=Information", "         M=Major     D=Debug E=Error"]
    rows.append("----  Reverse event Log listing: Events Since Boot  ----")
    for at, number, up in sorted(switch.log, reverse=True):
        code, state = ("00076", "on-line") if up else ("00077", "off-line")
        rows.append(f"I {at:%m/%d/%y %H:%M:%S} {code} ports: port {number} is now {state}")
    rows.append(f"I {switch.now:%m/%d/%y} 00:00:01 00179 mgr: SME SSH from 10.0.0.1 - MANAGER Mode")
    return [*rows, f"----  Bottom of Log : Events Listed = {len(rows) - 3}  ----"]


def _macs(switch: SimulatedSwitch) -> list[str]:
    rows = [" Status and Counters - Port Address Table", "", "  MAC Address       Port                            VLAN"]
    rows.append("  ----------------- ------------------------------- ----")
    for port in switch.ports.values():
        for vlan, macs in port.macs.items():
            rows += [f"  {mac.hex()[:6]}-{mac.hex()[6:]}     {port.number:<31} {vlan}" for mac in macs]
    return rows


SCRIPT = Script(
    name="hp_procurve",
    answer=answer,
    prompt=prompt,
    model=new,
    banner="ProCurve J9279A Switch 2510G-24\nSoftware revision Y.11.35\n\n",
    greet="Press any key to continue",
    user_prompt="Username: ",
    pager="-- MORE --, next page: Space, next line: Enter, quit: Control-C",
    pager_erased="\r\x1b[2K",
    before_prompt="\x1b[1;24r\x1b[24;1H\x1b[2K\x1b[24;1H",
)
