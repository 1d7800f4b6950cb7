"""ZTE C320's shell (oxidized zteolt.rb, NOC ZTE/ZXA10, a public blog's capture): ``--More--``, ``%Error`` and
``%Code`` for what it refuses, a question before an ONU is restarted."""

from __future__ import annotations

import re

from lab.clis.script import Answer, Ask, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

NOBODY = "%Code 32310-GPONSRV : No related information to show."
MODES = {"user": ">", "enable": "#", "config": "(config)#", "onu": "(config-if)#"}


def prompt(place: Place) -> str:
    where = place.at.removeprefix("gpon-onu_")
    return place.name + (f"(gpon-onu-mng {where})#" if place.mode == "manage" else MODES[place.mode])


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    *_, last = line.split()
    onu = _onu(plant, last)
    match place.mode, line.split():
        case "user", ["enable"]:
            place.mode = "enable"
            return ""
        case "user", _:
            return None
        case _, ["exit"]:
            place.leaving = place.mode == "enable"
            place.mode = {"config": "enable"}.get(place.mode, "config")
            return ""
        case _, ["end"] if place.mode != "enable":
            place.mode = "enable"
            return ""
        case _, ["terminal", "length", rows]:
            place.paging = rows != "0"
            return ""
        case "enable", ["configure", "terminal"]:
            place.mode = "config"
            return "Enter configuration commands, one per line.  End with CTRL/Z."
        case "enable", ["write"]:
            return "Building configuration...\n[OK]"
        case _, ["interface" | "pon-onu-mng" as into, at] if place.mode not in {"user", "enable"}:
            if onu is None:
                return NOBODY
            place.mode, place.at = ("onu" if into == "interface" else "manage"), at
            return ""
        case "onu", ["description", words]:
            _there(place).description = words
            return ""
        case "manage", ["vlan", "port", "eth_0/1", "mode", "tag", "vlan", vlan] if vlan.isdecimal():
            _there(place).vlan = int(vlan)
            return ""
        case "manage", ["reboot"]:
            there = _there(place)
            return Ask("Confirm to reboot? [yes/no]:", lambda typed: _reboot(plant, there, typed))
        case _, ["show", "pon", "power", "attenuation", _]:
            return NOBODY if onu is None else _attenuation(plant, onu)
        case _, ["show", "gpon", "onu", "detail-info", _]:
            return NOBODY if onu is None else _detail(plant, onu)
        case _, ["show", "gpon", "remote-onu", "interface", "eth", _]:
            return "%Code 32314-GPONSRV : The ONU is offline." if onu is None or onu.down is not None else _eth(onu)
        case _, ["show", "onu", "running", "config", at]:
            return NOBODY if onu is None else f"pon-onu-mng {at}\n  vlan port eth_0/1 mode tag vlan {onu.vlan}\n!"
        case _, ["show", "running-config", "interface", at]:
            if onu is None:
                return NOBODY
            service = f"service-port 1 vport 1 user-vlan 35 vlan {onu.vlan}"
            return f"interface {at}\n  description {onu.description}\n  {service}\n!"
        case _, ["show", "mac", "gpon", "onu", at]:
            behind = onu.behind if onu is not None else []
            macs = [f"{_dotted(mac)}   {onu.vlan if onu else 0}   Dynamic   {at}   vport 1" for mac in behind]
            return "\n".join([f"Total mac address : {len(macs)}", "Mac address  Vlan  Type  Port  Vc", *macs])
        case _:
            return None


def _onu(plant: Plant, at: str) -> Onu | None:
    found = re.fullmatch(r"gpon-onu_([0-9]+/[0-9]+/[0-9]+):([0-9]+)", at)
    return None if found is None else plant.onus.get(f"GPON{found[1]}:{found[2]}")


def _there(place: Place) -> Onu:
    onu = _onu(place.model, place.at)
    assert onu is not None
    return onu


def _dotted(mac: bytes) -> str:
    return ".".join(mac[at : at + 2].hex() for at in range(0, 6, 2))


def _reboot(plant: Plant, onu: Onu, typed: str) -> str:
    if typed.casefold() == "yes":
        onu.log.append((plant.clock(), "reset"))
    return ""


def _attenuation(plant: Plant, onu: Onu) -> str:
    if onu.down is not None:
        up = down = "Rx :N/A(dbm)   Tx:N/A(dbm)   N/A(dB)"
    else:
        rx, tx, heard = (plant.light(onu, level) or 0.0 for level in (onu.rx, onu.tx, onu.olt_rx))
        up = f"Rx :{heard:.3f}(dbm)   Tx:{tx:.3f}(dbm)   {tx - heard:.3f}(dB)"
        down = f"Tx :4.500(dbm)   Rx:{rx:.3f}(dbm)   {4.5 - rx:.3f}(dB)"
    return f"           OLT                  ONU              Attenuation\n up      {up}\n\n down    {down}"


def _detail(plant: Plant, onu: Onu) -> str:
    words = {Down.POWER.value: "DyingGasp", Down.FIBRE.value: "LOS"}
    falls = [(at, words[what]) for at, what in onu.log if what in words]
    rows = [
        f"{plant.wall(at - 86400):%Y-%m-%d %H:%M:%S}    {plant.wall(at):%Y-%m-%d %H:%M:%S}    {why}"
        for at, why in falls
    ]
    if onu.down is None:
        rows.append(f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}    0000-00-00 00:00:00")
    rows += ["0000-00-00 00:00:00    0000-00-00 00:00:00"] * (10 - len(rows))
    return "\n".join(
        (
            f"ONU interface:         {onu.address}",
            f"  Phase state:         {'working' if onu.down is None else 'LOS'}",
            "  Password:            of-the-onu",
            f"  Description:         {onu.description}",
            f"  ONU Distance:        {onu.distance}m",
            "------------------------------------------",
            "       Authpass Time          OfflineTime             Cause",
            *(f"   {number}   {row}" for number, row in enumerate(rows, 1)),
        )
    )


def _eth(onu: Onu) -> str:
    speed = f"full-{onu.uni_mbps}" if onu.uni_up else "auto"
    return f"Interface       : eth_0/1\nSpeed status    : {speed}\nOperate status  : enable\nAdmin status    : unlock"


SCRIPT = Script(
    name="zte_c3xx",
    answer=answer,
    prompt=prompt,
    model=lambda: build_plant("gpon", 2, 32, lambda: 0.0, 1, before=(1, 1)),
    unknown="%Error 20203: Invalid input detected at '^' marker.",
    wrong_login="%Error 20209: No username or bad password.",
    pager="--More--",
    pager_erased="\b" * 8 + " " * 8 + "\b" * 8,
)
