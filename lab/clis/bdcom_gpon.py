"""BDCOM's shell on a GPON OLT (4oker12/simnet-workbranch, stored file 55814154016): the same modes, other tables."""

from __future__ import annotations

from lab.clis import bdcom_epon
from lab.clis.script import Answer, Place, Script
from lab.plant import Down, Onu, Plant, build_plant


def answer(place: Place, line: str) -> Answer:
    plant: Plant = place.model
    match place.mode, line.split():
        case "user", _:
            return bdcom_epon.answer(place, line)
        case _, ["show", "gpon", "interface", at, "onu", "optical-transceiver-diagnosis"] if at in plant.onus:
            return _optics(plant, plant.onus[at])
        case _, ["show", "gpon", "optical-transceiver-diagnosis", "interface", "gpon", at] if f"GPON{at}" in plant.onus:
            onu = plant.onus[f"GPON{at}"]
            heard = plant.light(onu, onu.olt_rx)
            row = [] if heard is None else [f"gpon{at:<10}{heard:.1f}"]
            return "\n".join(["interface    RxPower(dBm)", "-----------  --------------", *row])
        case _, ["show", "gpon", "active-onu", "interface", pon, number]:
            return _active(plant, plant.onus.get(f"{pon}:{number}"), pon)
        case _, ["show", "gpon", "interface", at, "onu", "basic-info"] if at in plant.onus:
            return _basic(plant, plant.onus[at])
        case _, ["show", "gpon", "interface", at, "onu", "port", "1", "state"] if at in plant.onus:
            onu = plant.onus[at]
            if not onu.uni_up:
                return f"{at} uni-port 1 down"
            speed = {10: "10Mbps", 100: "100Mbps", 1000: "1Gbps"}[onu.uni_mbps]
            return f"{at} uni-port 1 up\n10/100/1000 BASE-T({speed} Full-Duplex)"
        case _, ["show", "mac", "address-table", "interface", at] if at in plant.onus:
            onu = plant.onus[at]
            macs = [f"{onu.vlan:<8}{bdcom_epon._dotted(mac)}      DYNAMIC  {at.lower()}-1" for mac in onu.behind]
            return "\n".join([f"Mac Address Table (Total {len(macs)})", *macs])
        case _:
            return bdcom_epon.answer(place, line)


def _optics(plant: Plant, onu: Onu) -> str:
    head = "interface    Temperature(degree)    Voltage(V)    Current(mA)    RxPower(dBm)    TxPower(dBm)"
    rx, tx = plant.light(onu, onu.rx), plant.light(onu, onu.tx)
    if rx is None or tx is None:
        return head
    row = f"{str(onu.address).lower()}  {onu.temperature:.1f}  {onu.voltage:.1f}  {onu.bias:.1f}  {rx:.1f}  {tx:.1f}"
    return f"{head}\n{row}"


def _active(plant: Plant, onu: Onu | None, pon: str) -> str:
    if onu is None or onu.down is not None:
        return ""
    up = f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}"
    row = f"{onu.address} BDCM:{onu.mac[2:].hex().upper()} N/A {up} 0005d:12:28:57 {onu.distance:.1f}"
    return f"Interface {pon} has bound 1 active ONUs:\n{row}"


def _basic(plant: Plant, onu: Onu) -> str:
    words = {Down.POWER.value: "Dying Gasp", Down.FIBRE.value: "Losi"}
    falls = [(at, words[what]) for at, what in onu.log if what in words]
    up = f"{plant.wall(onu.up_since):%Y-%m-%d %H:%M:%S}"
    rows = [f"{n}    {up}  {plant.wall(at):%Y-%m-%d %H:%M:%S}  {why}" for n, (at, why) in enumerate(falls, 1)]
    return "\n".join(
        [f"Serial number  : BDCM:{onu.mac[2:].hex().upper()}", "The current time: 2026-07-26 08:34:10", *rows]
    )


SCRIPT = Script(
    name="bdcom_gpon",
    answer=answer,
    prompt=bdcom_epon.prompt,
    model=lambda: build_plant("gpon", 2, 32, lambda: 0.0, 1),
    pager=" --More-- ",
    pager_erased="\b" * 10 + " " * 10 + "\b" * 10,
    wrong_login="Authentication failed!",
)
