"""GCOM's shell with every oddity (Intelbras 4840E captures, oxidized gcombnps.rb): SSH lets everybody in and the shell
asks, the pager cannot be switched off and is wiped with cursor movements, ``reboot`` asks to restart the OLT, old
algorithms only."""

from __future__ import annotations

import re

from lab.clis.script import Answer, Ask, Place, Script
from lab.plant import Onu, Plant, build_plant

PAGER = "....press ENTER to next line, CTRL_C to quit, other key to next page...."
WRONG = "% Invalid parameter, and error detected at '^' marker."
SUFFIX = {"user": ">", "enable": "#", "config": "(config)#"}


def prompt(place: Place) -> str:
    return place.name + SUFFIX.get(place.mode, f"({place.at})#")


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case _, ["reboot"]:
            return Ask("This command will restart the OLT. Are you sure(y/n)?[n]", lambda typed: _restart(plant, typed))
        case "user", ["enable"]:
            place.mode = "enable"
            return ""
        case _, ["exit" | "quit"]:
            place.leaving = place.mode in {"user", "enable"}
            place.mode = {"config": "enable", "enable": "user", "uni": "onu"}.get(place.mode, "config")
            return ""
        case _, ["end"] if place.mode not in {"user", "enable"}:
            place.mode = "enable"
            return ""
        case "user", _:
            return None
        case "enable", ["copy", "running-config", "startup-config"]:
            return Ask("Startup config in flash will be updated, are you sure(y/n)?[n]", _saved)
        case "enable", ["configure", "terminal"]:
            place.mode = "config"
            return ""
        case _, ["onu", at] if place.mode not in {"user", "enable"}:
            if _onu(plant, at) is None:
                return "            ^\n" + WRONG
            place.mode, place.at = "onu", f"onu-{at}"
            return ""
        case "onu", ["show", "onu-opm-diagnosis"]:
            return _optics(plant, _there(place))
        case "onu", ["onu-reboot"]:
            onu = _there(place)
            return Ask("  Reboot onu(y/n)?[n]", lambda typed: _reboot(onu, typed))
        case "onu", ["onu-description", description]:
            _there(place).description = description
            return ""
        case "onu", ["interface", "ethernet", "0/1"]:
            place.mode = "uni"
            return ""
        case "uni", ["onu-vlan-mode", "tag", "vlan", vlan] if vlan.isdecimal():
            _there(place).vlan = int(vlan)
            return ""
        case _, ["show", "onu-status", "mac", mac]:
            head = "ONU      Mac Address       Dis(m) RegisterTime      Type  Software State"
            return "\n".join([head, *(_row(onu) for onu in plant.onus.values() if onu.mac.hex(":") == mac)])
        case _, ["show", "onu-status"]:
            head = "ONU      Mac Address       Dis(m) RegisterTime      Type  Software State"
            return "\n".join([head, *(_row(onu) for onu in plant.onus.values())])
        case _, ["show", "mac-address-table", "onu", at]:
            onu_at = _onu(plant, at)
            if onu_at is None:
                return "            ^\n" + WRONG
            macs = [f"{mac.hex(':')} {onu_at.vlan:>4} {at} Active" for mac in onu_at.behind]
            return "\n".join(["MAC Address        VLAN   ONU      Status", *macs, f"Total: {len(macs)}"])
        case _:
            return None


def _restart(plant: Plant, typed: str) -> str:
    if typed.casefold() == "y":
        plant.onus.clear()
        return "Restarting..."
    return ""


def _saved(typed: str) -> str:
    return "Building, please wait...\nUpdate startup config successfully." if typed.casefold() == "y" else ""


def _reboot(onu: Onu, typed: str) -> str:
    if typed.casefold() != "y":
        return ""
    onu.log.append((0.0, "reset"))
    return "Reboot onu OK."


def _onu(plant: Plant, at: str) -> Onu | None:
    found = re.fullmatch(r"0/(\d+)/(\d+)", at)
    return None if found is None else plant.onus.get(f"EPON0/{found[1]}:{found[2]}")


def _there(place: Place) -> Onu:
    onu = _onu(place.model, place.at.removeprefix("onu-"))
    assert onu is not None
    return onu


def _row(onu: Onu) -> str:
    at = f"0/{onu.address.port}/{onu.address.onu}"
    if onu.down is not None:
        return f"{at:<8} {onu.mac.hex(':')} -      -                 other -        Down"
    return f"{at:<8} {onu.mac.hex(':')} {onu.distance:<6} 26/07/29 06:09:43 other 1.3      Up"


def _optics(plant: Plant, onu: Onu) -> str:
    rx, tx = plant.light(onu, onu.rx), plant.light(onu, onu.tx)
    if rx is None or tx is None:
        return "% The ONU is offline."
    return "\n".join(
        (
            f"Work Temperature      : {onu.temperature:.2f} C",
            f"Supply Voltage(Vcc)   : {onu.voltage:.2f} V",
            f"TX Bias Current       : {onu.bias:.2f} mA",
            f"TX Power(Output)      : {10 ** (tx / 10):.3f} mW ({tx:.2f} dBm)",
            f"RX Power(Input)       : {10 ** (rx / 10):.3f} mW ({rx:.2f} dBm)",
        )
    )


SCRIPT = Script(
    name="gcom_epon",
    answer=answer,
    prompt=prompt,
    model=lambda: build_plant("epon", 2, 32, lambda: 0.0, 1),
    unknown="% Unrecognized command, and error detected at '^' marker.",
    user_prompt="Username(1-32 chars):",
    password_prompt="Password(1-16 chars):",
    wrong_login="Username or password error",
    login_inside_ssh=True,
    pager=PAGER,
    pager_erased="\x1b[73D\x1b[K",
    old_ssh=True,
)
