"""C-Data's shell, as readers of FD12 and FD16 describe it: SSH that asks for the login twice, a pager with brackets,
PON cards as interfaces, ``Error:`` for what is not there, ``Unknown command:`` for what it does not know."""

from __future__ import annotations

from callcenter.words import PonFamily
from lab.clis.script import Answer, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

NOBODY = "Error: There is no ONT avaliable."
"""Its own spelling."""
SUFFIX = {"user": ">", "enable": "#", "config": "(config)#"}


def prompt(place: Place) -> str:
    return place.name + SUFFIX.get(place.mode, f"(config-interface-{place.at})#")


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case "user", ["enable"]:
            place.mode = "enable"
            return ""
        case _, ["exit" | "quit"]:
            place.leaving = place.mode in {"user", "enable"}
            place.mode = {"config": "enable"}.get(place.mode, "config")
            return ""
        case _, ["end"] if place.mode in {"config", "card"}:
            place.mode = "enable"
            return ""
        case "enable", ["config"]:
            place.mode = "config"
            return ""
        case "config", ["vty", "output", "show-all"]:
            place.paging = False
            return ""
        case "config", ["interface", family, "0/0"] if family == plant.family:
            place.mode, place.at = "card", f"{family}-0/0"
            return ""
        case "config", ["show", "mac-address", "ont", port, ont]:
            return _macs(plant, port, ont)
        case "config", ["show", "alarm", "history", "all"]:
            return _alarms(plant)
        case "card", ["show", "ont", "port", "state", port, ont, "eth", "all"]:
            onu = _ont(plant, f"0/0/{port}", ont)
            return NOBODY if onu is None else _port_state(onu)
        case "card", ["show", "ont", "optical-info" | "info" as what, port, ont]:
            onu = _ont(plant, f"0/0/{port}", ont)
            return NOBODY if onu is None else _optics(plant, onu) if what == "optical-info" else _info(plant, onu)
        case "card", ["ont", "description", port, ont, words]:
            onu = _ont(plant, f"0/0/{port}", ont)
            if onu is None:
                return NOBODY
            onu.description = words
            return ""
        case _:
            return f"Unknown command: {line}"


def _ont(plant: Plant, port: str, ont: str) -> Onu | None:
    return plant.onus.get(f"{plant.family.upper()}{port}:{ont}")


def _place(onu: Onu) -> str:
    return f"  F/S       : 0/0\n  Port      : {onu.address.port}\n  ONT-ID    : {onu.address.onu}\n"


def _optics(plant: Plant, onu: Onu) -> str:
    if onu.down is not None:
        return "Error: The ONT is not online."
    rx, tx, heard = (plant.light(onu, level) for level in (onu.rx, onu.tx, onu.olt_rx))
    return _place(onu) + "\n".join(
        (
            f"  Voltage(V)                     : {onu.voltage:.2f}",
            f"  Tx optical power(dBm)          : {tx:.2f}",
            f"  Rx optical power(dBm)          : {rx:.2f}",
            f"  Laser bias current(mA)         : {onu.bias:.2f}",
            f"  Temperature(C)                 : {onu.temperature:.2f}",
            f"  OLT Rx ONT optical power(dBm)  : {heard:.2f}",
        )
    )


def _info(plant: Plant, onu: Onu) -> str:
    fell = "--" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y-%m-%d %H:%M:%S}"
    why = {Down.POWER: "dying-gasp", Down.FIBRE: "LOS", None: "--"}[onu.last_down]
    return _place(onu) + "\n".join(
        (
            f"  Description          : {onu.description or '--'}",
            f"  Run state            : {'online' if onu.down is None else 'offline'}",
            f"  Last down cause      : {why}",
            f"  Last up time         : {plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}",
            f"  Last down time       : {fell}",
        )
    )


def _port_state(onu: Onu) -> str:
    link = f"{onu.uni_mbps:<12} full    up" if onu.uni_up and onu.down is None else f"{'-':<12} -       down"
    return (
        "  F/S  P  ONT  Port  Type  Speed(Mbps)  Duplex  Link-State  RingStatus\n"
        f"  0/0  {onu.address.port}  {onu.address.onu}    1     GE    {link}          noloop"
    )


def _macs(plant: Plant, port: str, ont: str) -> str:
    onu = _ont(plant, port, ont)
    if onu is None:
        return NOBODY
    rows = [f"  {mac.hex(':')}   {onu.vlan}   pon{port}   {ont}       dynamic" for mac in onu.behind]
    head = "  MAC                 VLAN  Port       ONT-Id  MAC-Type"
    return "\n".join([head, *rows]) if rows else "  There is not any MAC address record"


def _alarms(plant: Plant) -> str:
    words = {Down.POWER.value: "dying-gasp", Down.FIBRE.value: "LOSi", "up": "LOSi clear"}
    rows = [
        (at, f"PON {'/'.join(map(str, onu.address.path))} ONU {onu.address.onu} {words.get(what, what)}")
        for onu in plant.onus.values()
        for at, what in onu.log
    ]
    return "\n".join(f"{plant.wall(at):%Y-%m-%d %H:%M:%S} {text}" for at, text in sorted(rows))


def script(name: str, family: PonFamily) -> Script:
    return Script(
        name=name,
        answer=answer,
        prompt=prompt,
        model=lambda: build_plant(family, 2, 32, lambda: 0.0, 1, before=(0, 0)),
        unknown="Unknown command",
        user_prompt="User name:",
        password_prompt="User password:",
        wrong_login="  Username or password invalid.",
        login_twice=True,
        pager="--More ( Press 'Q' to quit )--",
    )
