"""GCOM's shell on a GPON OLT (4oker12/simnet-workbranch): the pager, the login and the modes are those of EPON."""

from __future__ import annotations

import re

from lab.clis import gcom_epon
from lab.clis.script import Answer, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

OFFLINE = "Error: The required ONT is offline."


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case "user", _:
            return gcom_epon.answer(place, line)
        case _, ["show", "ont", "optical-info", at]:
            return _optics(plant, _ont(plant, at))
        case _, ["show", "ont", "port-status", at, "port", "1"]:
            onu = _ont(plant, at)
            if onu is None or onu.down is not None:
                return OFFLINE
            return f"Port status is Enable, {f'{onu.uni_mbps}BaseT full duplex' if onu.uni_up else 'Linkdown'}"
        case _, ["show", "ont", "mac-address-table", at]:
            onu = _ont(plant, at)
            macs = [] if onu is None else [f"{mac.hex(':')} {onu.vlan} {at} XPON-0c8aaa68 1/280" for mac in onu.behind]
            return "\n".join(["MAC-Address VID ONT-ID SN ID/GEM", *macs, f"Total entries: {len(macs)}."])
        case _, ["show", "ont-logging", "buffer", at]:
            onu = _ont(plant, at)
            return OFFLINE if onu is None else _log(plant, onu)
        case "config", ["ont", "reboot", at]:
            onu = _ont(plant, at)
            if onu is None:
                return OFFLINE
            onu.log.append((plant.clock(), "reset"))
            return ""
        case _:
            return gcom_epon.answer(place, line)


def _ont(plant: Plant, at: str) -> Onu | None:
    found = re.fullmatch(r"0/(\d+)/(\d+)", at)
    return None if found is None else plant.onus.get(f"GPON0/{found[1]}:{found[2]}")


def _optics(plant: Plant, onu: Onu | None) -> str:
    if onu is None or onu.down is not None:
        return OFFLINE
    rx, tx, heard = (plant.light(onu, level) for level in (onu.rx, onu.tx, onu.olt_rx))
    return "\n".join(
        (
            f"RX Optical Power(dBm) : {rx:.3f} (OLT TX: 7.616)",
            f"TX Optical Power(dBm) : {tx:.3f} (OLT RX: {heard:.3f})",
            f"Temperature(C) : {onu.temperature:.2f}",
        )
    )


def _log(plant: Plant, onu: Onu) -> str:
    words = {
        Down.POWER.value: "offline, reason: POWER_OFF.",
        Down.FIBRE.value: "offline, reason: LOS.",
        "up": "online.",
    }
    return "\n".join(f"{plant.wall(at):%Y/%m/%d %H:%M:%S} OLT: {words.get(what, what)}" for at, what in onu.log)


SCRIPT = Script(
    name="gcom_gpon",
    answer=answer,
    prompt=gcom_epon.prompt,
    model=lambda: build_plant("gpon", 2, 32, lambda: 0.0, 1),
    unknown="% Unrecognized command, and error detected at '^' marker.",
    user_prompt="Username(1-32 chars):",
    password_prompt="Password(1-16 chars):",
    wrong_login="Username or password error",
    login_inside_ssh=True,
    pager=gcom_epon.PAGER,
    pager_erased="\x1b[73D\x1b[K",
    old_ssh=True,
)
