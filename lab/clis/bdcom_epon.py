"""BDCOM's shell (oxidized bdcom.rb, NOC BDCOM/xPON): a pager that goes off, ``config``, PON interfaces."""

from __future__ import annotations

import re

from lab.clis.script import Answer, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

MODES = {"user": ">", "enable": "#", "config": "_config#"}

HEAD = "IntfName   VendorID  ModelID   MAC Address        BindType Status            Dereg Reason"


def prompt(place: Place) -> str:
    return place.name + MODES.get(place.mode, f"_config_{place.at}#")


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case _, ["exit" | "quit"]:
            if place.mode in {"user", "enable"}:
                place.leaving = True
            place.mode = {"config": "enable"}.get(place.mode, "config")
            return ""
        case _, ["end"] if place.mode not in {"user", "enable"}:
            place.mode = "enable"
            return ""
        case "user", ["enable"]:
            place.mode = "enable"
            return ""
        case "user", _:
            return None
        case _, ["terminal", "length", rows]:
            place.paging = rows != "0"
            return ""
        case _, ["terminal", "width", _]:
            return ""
        case "enable", ["config"]:
            place.mode = "config"
            return ""
        case "enable", ["write", "all"]:
            return "Saving current configuration...\nOK!"
        case _, ["interface", *where] if place.mode not in {"user", "enable"}:
            at = "".join(where).casefold().removeprefix("epon")
            if not _is_there(plant, at):
                return "% Invalid input"
            place.mode, place.at = "config-if", f"epon{at}"
            return ""
        case "config-if", ["epon", "onu", "description", *said] if said:
            plant.onus[place.at.upper()].description = " ".join(said)
            return ""
        case "config-if", ["epon", "onu", "port", "1", "ctc", "vlan", "mode", "tag", vlan] if vlan.isdecimal():
            plant.onus[place.at.upper()].vlan = int(vlan)
            return ""
        case _, ["show", "epon", "onu-information"]:
            return "\n".join([HEAD, "-" * len(HEAD), *(_row(onu) for onu in plant.onus.values())])
        case _, ["show", "epon", "interface", at, "onu", "port", "1", "state"] if at.upper() in plant.onus:
            return f"Hardware state is Link-{'Up' if plant.onus[at.upper()].uni_up else 'Down'}"
        case _, ["show", "epon", "interface", at, "onu", "ctc", "optical-transceiver-diagnosis"] if at in plant.onus:
            return _optics(plant, plant.onus[at])
        case _, ["show", "epon", "optical-transceiver-diagnosis", "interface", "epon", at] if f"EPON{at}" in plant.onus:
            heard = plant.light(plant.onus[f"EPON{at}"], plant.onus[f"EPON{at}"].olt_rx)
            row = [] if heard is None else [f" epon{at:<10}{heard:.1f}"]
            return "\n".join([" interface     RxPower(dBm)", " -----------   --------------", *row])
        case _, ["show", "epon", "active-onu" | "inactive-onu" as which, "interface", pon, number]:
            return _bound(plant, plant.onus.get(f"{pon}:{number}"), pon, which)
        case _, ["show", "logging"]:
            return "\n".join(["Syslog logging: enabled", *_log(plant)])
        case _, ["show", "mac", "address-table", "interface", at]:
            onu = plant.onus.get(at.upper())
            if onu is None:
                return "% Invalid input"
            macs = [f"{onu.vlan:<8}{_dotted(mac)}      DYNAMIC  {at.lower()}" for mac in onu.behind]
            return "\n".join(["Vlan    Mac Address       Type     Ports", *macs])
        case _, ["show", "running-config", "interface", "epon", at]:
            onu = plant.onus.get(f"EPON{at}".upper())
            return "% Invalid input" if onu is None else _configuration(onu)
        case _:
            return None


def _is_there(plant: Plant, at: str) -> bool:
    return f"EPON{at}" in plant.onus or f"EPON{at}" in plant.pons


def _optics(plant: Plant, onu: Onu) -> str:
    rx, tx = plant.light(onu, onu.rx), plant.light(onu, onu.tx)
    warm = "-65535" if rx is None else f"{onu.temperature:.0f}"
    return "\n".join(
        (
            f"operating temperature(degree): {warm}",
            f"transmitted power(DBm): {-6553.5 if tx is None else tx:.1f}",
            f"received power(DBm): {-6553.5 if rx is None else rx:.1f}",
        )
    )


def _bound(plant: Plant, onu: Onu | None, pon: str, which: str) -> str:
    is_on = which == "active-onu"
    if onu is None or (onu.down is None) is not is_on:
        return f"Interface {pon} has bound 0 {which.replace('-onu', '')} ONUs:"
    up = f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}"
    fell = "N/A" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y-%m-%d %H:%M:%S}"
    why = {Down.POWER: "power-off", Down.FIBRE: "wire-down", None: "unknown"}[onu.last_down]
    middle = f"auto-configured ctc-oam-oper {onu.distance} 2130" if is_on else "deregistered"
    return f"{onu.address} {_dotted(onu.mac)} {middle} {up} {fell} {why} 10 .19:33:23"


def _log(plant: Plant) -> list[str]:
    words = {"power": "deregistered, reason power-off", "fibre": "deregistered, reason wire-down", "up": "registered"}
    lines = [
        (at, f"{plant.wall(at):%Y-%m-%d %H:%M:%S} ONU {_dotted(onu.mac)} on {onu.address} is {words.get(what, what)}")
        for onu in plant.onus.values()
        for at, what in onu.log
    ]
    return [line for _, line in sorted(lines)]


def _row(onu: Onu) -> str:
    state = "auto-configured" if onu.down is None else "lost"
    return f"{onu.address!s:<11}BDCM      1501      {_dotted(onu.mac)}     static   {state:<18}N/A"


def _configuration(onu: Onu) -> str:
    words = [f"interface EPON{str(onu.address)[4:]}"]
    if onu.description:
        words.append(f" epon onu description {onu.description}")
    words.append(f" epon onu port 1 ctc vlan mode tag {onu.vlan}")
    return "\n".join(["Building configuration...", "", "Current configuration:", "!", *words, "!"])


def _dotted(mac: bytes) -> str:
    return ".".join(re.findall("....", mac.hex()))


SCRIPT = Script(
    name="bdcom_epon",
    answer=answer,
    prompt=prompt,
    model=lambda: build_plant("epon", 2, 32, lambda: 0.0, 1),
    pager=" --More-- ",
    pager_erased="\b" * 10 + " " * 10 + "\b" * 10,
    wrong_login="Authentication failed!",
)
