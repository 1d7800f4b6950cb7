"""V-SOL's shell (oxidized vsololt.rb, stored files 55626536112 and 59190628635): a pager with NUL and backspaces, a PON
mode whose tables list every ONU, the ONU's own MAC among those behind it."""

from __future__ import annotations

from lab.clis.script import Answer, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

HEAD = "ONU-ID      Temperature(C)    Supply Voltage(V)   TX Bias Current(mA)   TX Power(dBm)   RX Power(dBm)"
SUFFIX = {"user": ">", "enable": "#", "config": "(config)#"}


def prompt(place: Place) -> str:
    return place.name + SUFFIX.get(place.mode, f"(config-pon-0/{place.at})#") + " "


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case _, ["exit"]:
            place.leaving = place.mode in {"user", "enable"}
            place.mode = {"pon": "config", "config": "enable"}.get(place.mode, place.mode)
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
        case "enable", ["configure", "terminal"]:
            place.mode = "config"
            return ""
        case "config" | "pon", ["interface", "epon", at] if f"EPON{at}" in plant.pons:
            place.mode, place.at = "pon", at.partition("/")[2]
            return ""
        case _, ["show", "onu", "status", "pon", which] if which.endswith(",all"):
            return "\n".join(_status(plant, onu) for onu in _of(plant, which.partition(",")[0]))
        case "pon", ["show", "onu", "opm-diag"]:
            return "\n".join([HEAD, *filter(None, (_optics(plant, onu) for onu in _of(plant, place.at)))])
        case "pon", ["show", "onu", number, "ctc", "eth", "1", "port_info"]:
            onu = plant.onus.get(f"EPON0/{place.at}:{number}")
            return None if onu is None else f"PortId    Link State\n1         {'UP' if onu.uni_up else 'DOWN'}"
        case "pon", ["show", "onu", number, "mac-address-table"]:
            onu = plant.onus.get(f"EPON0/{place.at}:{number}")
            if onu is None:
                return None
            return "\n".join(
                f"{row:<8}{onu.vlan}    {mac.hex(':').upper()}    EPON0/{place.at}   {number}      100"
                for row, mac in enumerate([onu.mac, *onu.behind], 1)
            )
        case _:
            return None


def _of(plant: Plant, port: str) -> list[Onu]:
    return [onu for onu in plant.onus.values() if str(onu.address.port) == port]


def _status(plant: Plant, onu: Onu) -> str:
    up = f"{plant.wall(onu.up_since):%Y/%m/%d %H:%M:%S}"
    fell = "N/A" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y/%m/%d %H:%M:%S}"
    why = {Down.POWER: "Power Off", Down.FIBRE: "Wire Down", None: "N/A"}[onu.last_down]
    state, distance = ("online", onu.distance) if onu.down is None else ("offline", 0)
    place = f"{onu.address}   {state}    {onu.mac.hex(':')}    {distance}    1365"
    return f"{place}    {up}    {fell}    {why}    6 19:16:07   N/A"


def _optics(plant: Plant, onu: Onu) -> str:
    rx, tx = plant.light(onu, onu.rx), plant.light(onu, onu.tx)
    if rx is None or tx is None:
        return ""
    return f"{onu.address}   {onu.temperature:.2f}   {onu.voltage:.2f}   {onu.bias:.2f}   {tx:.2f}   {rx:.2f}"


SCRIPT = Script(
    name="vsol_epon",
    answer=answer,
    prompt=prompt,
    model=lambda: build_plant("epon", 2, 32, lambda: 0.0, 1),
    user_prompt="Login: ",
    pager=" --More-- \0",
    pager_erased="\b" * 10 + " " * 10 + "\b" * 10,
)
