"""Huawei MA5608T's shell (oxidized smartax.rb, NOC, ntc-templates): ``>>User name:``, a question ``{ <cr>||<K> }:``
before many answers, a pager that is wiped with cursor movements, blanks inside the numbers of a place."""

from __future__ import annotations

from lab.clis.script import Answer, Ask, Place, Script
from lab.plant import Down, Onu, Plant, build_plant

NOBODY = "  Failure: The ONT does not exist"
MODES = {"user": ">", "enable": "#", "config": "(config)#"}


def prompt(place: Place) -> str:
    return place.name + MODES.get(place.mode, f"(config-if-{place.at})#")


def asked(text: str) -> Ask:
    """As with ``undo smart`` not given: every ``display`` first asks for more words."""
    return Ask("{ <cr>||<K> }:", lambda _: text)


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case "user", ["enable"]:
            place.mode = "enable"
            return ""
        case _, ["scroll"] | ["undo", "smart" | "interactive"]:
            return ""
        case _, ["quit"]:
            place.leaving = place.mode in {"user", "enable"}
            place.mode = {"config": "enable"}.get(place.mode, "config")
            return ""
        case "enable", ["config"]:
            place.mode = "config"
            return ""
        case "enable" | "config", ["save"]:
            return Ask("{ <cr>|configuration<K>|data<K> }:", lambda _: "  It will take several minutes to save")
        case "config", ["interface", "gpon", "0/1"]:
            place.mode, place.at = "card", "gpon-0/1"
            return ""
        case "config", ["display", "ont", "info", "0", "1", port, ont]:
            onu = _ont(plant, port, ont)
            return asked(NOBODY if onu is None else _info(plant, onu))
        case "config", ["display", "mac-address", "ont", at, ont]:
            onu = _ont(plant, at.removeprefix("0/1/"), ont)
            return asked(NOBODY if onu is None else _macs(onu))
        case "config", ["display", "service-port", "port", at, "ont", ont]:
            onu = _ont(plant, at.removeprefix("0/1/"), ont)
            return asked(NOBODY if onu is None else _service_ports(onu))
        case "card", ["display", "ont", "optical-info" | "register-info" as what, port, ont]:
            onu = _ont(plant, port, ont)
            if onu is None:
                return NOBODY
            return _optics(plant, onu) if what == "optical-info" else _falls(plant, onu)
        case "card", ["display", "ont", "port", "state", port, ont, "eth-port", "all"]:
            onu = _ont(plant, port, ont)
            return NOBODY if onu is None else _port_state(onu)
        case "card", ["ont", "modify", port, ont, "desc", words]:
            onu = _ont(plant, port, ont)
            if onu is None:
                return NOBODY
            onu.description = words
            return ""
        case "card", ["ont", "port", "native-vlan", port, ont, "eth", "1", "vlan", vlan] if vlan.isdecimal():
            onu = _ont(plant, port, ont)
            if onu is None:
                return NOBODY
            onu.vlan = int(vlan)
            return asked("")
        case _:
            return None


def _ont(plant: Plant, port: str, ont: str) -> Onu | None:
    return plant.onus.get(f"GPON0/1/{port}:{ont}")


def _place(onu: Onu) -> str:
    frame, slot, port = onu.address.path
    return f"{frame}/{slot:>2}/{port}"


def _optics(plant: Plant, onu: Onu) -> str:
    if onu.down is not None:
        return "  Failure: The ONT is not online"
    rx, tx, heard = (plant.light(onu, level) for level in (onu.rx, onu.tx, onu.olt_rx))
    return "\n".join(
        (
            f"  Rx optical power(dBm)                  : {rx:.2f}",
            "  Rx power current alarm threshold(dBm)  : [-29.0,-7.0]",
            f"  Tx optical power(dBm)                  : {tx:.2f}",
            f"  Laser bias current(mA)                 : {onu.bias:.0f}",
            f"  Temperature(C)                         : {onu.temperature:.0f}",
            f"  Voltage(V)                             : {onu.voltage:.3f}",
            f"  OLT Rx ONT optical power(dBm)          : {heard:.2f}",
            "  CATV Rx optical power(dBm)             : -",
        )
    )


def _info(plant: Plant, onu: Onu) -> str:
    fell = "-" if onu.down_since is None else f"{plant.wall(onu.down_since):%Y-%m-%d %H:%M:%S}+03:00"
    why = {Down.POWER: "dying-gasp", Down.FIBRE: "LOSi/LOBi alarm", None: "-"}[onu.last_down]
    filler = "\n".join(f"  Row {number:<20}: -" for number in range(30))
    return "\n".join(
        (
            f"  F/S/P                   : {'/'.join(map(str, onu.address.path))}",
            f"  ONT-ID                  : {onu.address.onu}",
            f"  Run state               : {'online' if onu.down is None else 'offline'}",
            filler,
            f"  Description             : {onu.description or '-'}",
            f"  Last down cause         : {why}",
            f"  Last up time            : {plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}+03:00",
            f"  Last down time          : {fell}",
        )
    )


def _falls(plant: Plant, onu: Onu) -> str:
    words = {Down.POWER.value: "dying-gasp", Down.FIBRE.value: "LOSi/LOBi alarm"}
    falls = [(f"{plant.wall(at):%Y-%m-%d %H:%M:%S}+03:00", words[what]) for at, what in onu.log if what in words]
    up = f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}+03:00"
    return "\n".join(
        f"  Index          : {number}\n  UpTime         : {up}\n  DownTime       : {fell}\n  DownCause      : {why}"
        for number, (fell, why) in enumerate(falls or [("-", "-")], 1)
    )


def _macs(onu: Onu) -> str:
    if not onu.behind:
        return "  Failure: MAC address does not exist"
    head = "  F/S/P    ONT-ID  ONT-port-type  ONT-port-ID  MAC              VLAN ID"
    dashed = ["-".join(mac[at : at + 2].hex() for at in range(0, 6, 2)) for mac in onu.behind]
    return "\n".join(
        [head, *(f"   {_place(onu)}     {onu.address.onu}    ETH   1   {mac}   {onu.vlan}" for mac in dashed)]
    )


def _port_state(onu: Onu) -> str:
    link = f"{onu.uni_mbps}   full   up" if onu.uni_up and onu.down is None else "-   -   down"
    head = "  ONT-ID  ONT port-ID  Type  Speed(Mbps)  Duplex  LinkState  RingStatus"
    return f"{head}\n  {onu.address.onu}   1   GE   {link}   noloop"


def _service_ports(onu: Onu) -> str:
    frame, slot, port = onu.address.path
    place = f"{frame}/{slot} /{port}  {onu.address.onu}"
    return f"     27  {onu.vlan} common   gpon {place}    2     vlan  {onu.vlan}   86   86   up"


SCRIPT = Script(
    name="huawei_ma56xx",
    answer=answer,
    prompt=prompt,
    model=lambda: build_plant("gpon", 2, 32, lambda: 0.0, 1, before=(0, 1)),
    unknown="                                     ^\n% Unknown command, the error locates at '^'",
    user_prompt=">>User name:",
    password_prompt=">>User password:",
    wrong_login="  Username or password invalid.",
    pager="---- More ( Press 'Q' to break ) ----",
    pager_erased="\x1b[37D" + " " * 37 + "\x1b[37D",
)
