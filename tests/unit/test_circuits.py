"""L2 circuits as rules: which hop breaks and why, what is ordered, and what is never ordered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.circuits import (
    Builds,
    Circuit,
    Fault,
    Hop,
    HopFacts,
    as_before,
    judge_circuit,
    plan,
    rest_after,
)
from callcenter.diag.drivers import SWITCHES
from callcenter.diag.reading import MacRow, PortReading
from callcenter.errors import RuleBroken
from callcenter.words import DeviceId, Missing

A, B, MID = DeviceId(1), DeviceId(3), DeviceId(2)
MAC_A, MAC_B = "64:ee:b7:00:00:0a", "64:ee:b7:00:00:0b"
HOPS = (
    Hop(A, "sw-a", "5", 300, tagged=False),
    Hop(A, "sw-a", "24", 300, tagged=True),
    Hop(MID, "sw-m", "1", 300, tagged=True),
    Hop(MID, "sw-m", "2", 300, tagged=True),
    Hop(B, "sw-b", "24", 300, tagged=True),
    Hop(B, "sw-b", "5", 300, tagged=False),
)
CIRCUIT = Circuit("School 5", 300, HOPS, mac_a=MAC_A, mac_b=MAC_B)
ACCESS = PortReading("5", up=True, enabled=True, pvid=300, tagged=(), mode="access", macs=())
TRUNK = PortReading("24", up=True, enabled=True, pvid=1, tagged=(10, 300), mode="trunk", macs=())


def sees(port: PortReading, *macs: str) -> HopFacts:
    return HopFacts(replace(port, macs=tuple(MacRow(mac, 300, port.name) for mac in macs)), vlan_exists=True)


def whole() -> list[HopFacts]:
    """Each device sees A's MAC on the side of A and B's on the side of B."""
    return [
        sees(ACCESS, MAC_A), sees(TRUNK, MAC_B), sees(TRUNK, MAC_A), sees(TRUNK, MAC_B), sees(TRUNK, MAC_A),
        sees(ACCESS, MAC_B),
    ]  # fmt: skip


def broken(at: int, **changed: object) -> list[HopFacts]:
    facts = whole()
    port = facts[at].port
    assert isinstance(port, PortReading)
    facts[at] = replace(facts[at], port=replace(port, **changed))  # type: ignore[arg-type]
    return facts


def test_a_whole_circuit_is_sound() -> None:
    judged = judge_circuit(CIRCUIT, whole(), loss=0.0)
    assert judged.sound
    assert judged.broken_at is None


CASES = [
    ("the link is down", broken(3, up=False), 4, Fault.PORT_DOWN),
    ("the trunk does not carry it", broken(2, tagged=(10,)), 3, Fault.NOT_A_MEMBER),
    ("the access port is in another VLAN", broken(5, pvid=1), 6, Fault.NOT_A_MEMBER),
    ("it is native where it should be tagged", broken(1, pvid=300, tagged=(10,)), 2, Fault.WRONG_TAGGING),
    ("it is tagged where it should be untagged", broken(0, pvid=1, tagged=(300,)), 1, Fault.WRONG_TAGGING),
    ("A is silent", broken(0, macs=()), 1, Fault.NO_MAC),
    ("B is silent", broken(5, macs=()), 6, Fault.NO_MAC),
    ("A is lost between sw-a and sw-m", broken(2, macs=()), 3, Fault.NO_MAC),
    ("B is lost between sw-b and sw-m", broken(3, macs=()), 4, Fault.NO_MAC),
]


@pytest.mark.parametrize(("facts", "at", "fault"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_where_it_breaks_and_why(facts: list[HopFacts], at: int, fault: Fault) -> None:
    judged = judge_circuit(CIRCUIT, facts)
    assert (judged.broken_at, judged.hops[at - 1].fault) == (at, fault)


def test_a_vlan_that_is_not_there_is_the_reason_and_not_the_port() -> None:
    facts = whole()
    facts[2] = replace(facts[2], vlan_exists=False)
    judged = judge_circuit(CIRCUIT, facts)
    assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.NO_VLAN)


def test_only_the_first_device_that_lacks_a_mac_is_at_fault() -> None:
    facts = whole()
    for at in (2, 4):
        facts[at] = sees(TRUNK)
    judged = judge_circuit(CIRCUIT, facts)
    assert [each.fault for each in judged.hops] == [None, None, Fault.NO_MAC, None, None, None]


def test_a_mac_from_the_other_side_is_a_loop() -> None:
    facts = whole()
    facts[2], facts[3] = sees(TRUNK), sees(TRUNK, MAC_A, MAC_B)
    judged = judge_circuit(CIRCUIT, facts)
    assert (judged.broken_at, judged.hops[3].fault) == (4, Fault.WRONG_SIDE)


def test_a_device_that_does_not_tell_macs_is_not_blamed() -> None:
    facts = whole()
    facts[2] = HopFacts(replace(TRUNK, macs=None), vlan_exists=True)
    assert judge_circuit(CIRCUIT, facts).sound


def test_a_silent_device_is_unreadable() -> None:
    facts = whole()
    facts[2] = HopFacts(Missing("line.missing.timeout", "sw-m"))
    judged = judge_circuit(CIRCUIT, facts)
    assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.UNREADABLE)


def test_a_port_that_does_not_tell_its_vlans_is_unreadable_and_not_built_on() -> None:
    judged = judge_circuit(CIRCUIT, broken(2, tagged=None))
    assert (judged.broken_at, judged.hops[2].fault) == (3, Fault.UNREADABLE)
    with pytest.raises(RuleBroken, match="blindly"):
        plan(CIRCUIT, broken(2, tagged=None), builds("cisco_ios"))


def test_loss_is_told_of_a_circuit_that_looks_whole_only() -> None:
    assert judge_circuit(CIRCUIT, whole(), loss=0.06).hops[-1].fault is Fault.LOSS
    assert judge_circuit(CIRCUIT, whole(), loss=0.004).sound
    assert judge_circuit(CIRCUIT, broken(2, tagged=()), loss=1.0).hops[-1].fault is None


# --- what is ordered ---

FAMILIES = ("hp_procurve", "hp_comware", "cisco_ios")
every_family = pytest.mark.parametrize("family", FAMILIES)


def builds(family: str) -> dict[DeviceId, Builds]:
    driver = SWITCHES[family]
    assert driver.add_vlan is not None
    assert driver.drop_vlan is not None
    return dict.fromkeys((A, MID, B), Builds(driver.add_vlan, driver.drop_vlan))


def bare(family: str) -> list[HopFacts]:
    """Nothing of the circuit is there yet: access ports in VLAN 1, trunks with VLAN 10."""
    modes = ("", "") if family == "hp_procurve" else ("access", "trunk")
    allowed = "1,10" if family == "cisco_ios" else ""
    access = PortReading("5", up=True, enabled=True, pvid=1, tagged=(), mode=modes[0])
    trunk = PortReading("24", up=True, enabled=True, pvid=1, tagged=(10,), mode=modes[1], allowed=allowed)
    return [HopFacts(access if not hop.tagged else trunk, vlan_exists=False) for hop in HOPS]


ORDERED = {
    "hp_procurve": (
        ("vlan 300", 'name "School-5"', "untagged 5", "exit"), ("vlan 1", "untagged 5", "exit", "no vlan 300"),
        ("vlan 300", "tagged 24", "exit"), ("vlan 300", "no tagged 24", "exit"),
    ),
    "hp_comware": (
        ("vlan 300", "name School-5", "quit", "interface 5", "port access vlan 300", "quit"),
        ("interface 5", "undo port access vlan", "quit", "undo vlan 300"),
        ("vlan 300", "quit", "interface 24", "port trunk permit vlan 300", "quit"),
        ("interface 24", "undo port trunk permit vlan 300", "quit"),
    ),
    "cisco_ios": (
        ("vlan 300", "name School-5", "exit", "interface 5", "switchport access vlan 300", "exit"),
        ("interface 5", "no switchport access vlan", "exit", "no vlan 300"),
        ("vlan 300", "exit", "interface 24", "switchport trunk allowed vlan add 300", "exit"),
        ("interface 24", "switchport trunk allowed vlan remove 300", "exit"),
    ),
}  # fmt: skip


@every_family
def test_the_exact_commands_and_what_takes_them_back(family: str) -> None:
    orders = plan(CIRCUIT, bare(family), builds(family))
    assert [each.device_name for each in orders] == ["sw-a", "sw-a", "sw-m", "sw-m", "sw-b", "sw-b"]
    assert (orders[0].commands, orders[0].undo, orders[1].commands, orders[1].undo) == ORDERED[family]


@every_family
def test_what_is_as_it_should_be_is_left_alone(family: str) -> None:
    assert plan(CIRCUIT, whole(), builds(family)) == ()
    facts = bare(family)
    facts[0], facts[1] = whole()[0], whole()[1]
    assert {each.device_name for each in plan(CIRCUIT, facts, builds(family))} == {"sw-m", "sw-b"}


def test_a_dynamic_port_is_made_an_access_port_and_dynamic_again() -> None:
    facts = bare("cisco_ios")
    facts[0] = HopFacts(PortReading("Gi1/0/5", up=False, pvid=1, tagged=(), mode="dynamic auto"), vlan_exists=True)
    order = plan(CIRCUIT, facts, builds("cisco_ios"))[0]
    assert order.commands[-4:] == (
        "interface Gi1/0/5", "switchport mode access", "switchport access vlan 300", "exit",
    )  # fmt: skip
    assert order.undo == ("interface Gi1/0/5", "no switchport access vlan", "switchport mode dynamic auto", "exit")


@pytest.mark.parametrize("family", ["cisco_ios", "hp_comware"])
def test_a_trunk_that_lets_all_through_gets_no_hole(family: str) -> None:
    """The VLAN is all that is missing; taking it off the list again would change what the trunk was set to."""
    facts = bare(family)
    port = facts[1].port
    assert isinstance(port, PortReading)
    facts[1] = replace(facts[1], port=replace(port, allowed="1-4094"))
    order = plan(CIRCUIT, facts, builds(family))[1]
    assert not any(word in each for each in order.undo for word in ("remove", "undo port"))


def test_a_hybrid_port_keeps_its_other_vlans() -> None:
    facts = bare("hp_comware")
    facts[1] = HopFacts(replace(TRUNK, tagged=(10,), mode="hybrid"), vlan_exists=True)
    order = plan(CIRCUIT, facts, builds("hp_comware"))[1]
    assert "port hybrid vlan 300 tagged" in order.commands
    assert order.undo == ("interface 24", "undo port hybrid vlan 300", "quit")


REFUSED: list[tuple[str, int, PortReading | Missing]] = [
    ("cannot be read", 2, Missing("line.missing.timeout", "sw-m")),
    ("somebody's", 0, replace(ACCESS, pvid=77)),
    ("the other way", 1, replace(TRUNK, pvid=300, tagged=(10,))),
    ("is a trunk", 0, replace(TRUNK, tagged=(10,))),
    ("not made a trunk", 1, replace(ACCESS, pvid=77)),
]


@every_family
@pytest.mark.parametrize(("said", "at", "port"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_is_somebodys_is_never_taken_over(family: str, said: str, at: int, port: PortReading | Missing) -> None:
    facts = bare(family)
    facts[at] = HopFacts(port, vlan_exists=True)
    with pytest.raises(RuleBroken, match=said):
        plan(CIRCUIT, facts, builds(family))


@pytest.mark.parametrize(("family", "mode"), [("cisco_ios", "access"), ("cisco_ios", ""), ("hp_comware", "")])
def test_a_port_that_would_have_to_be_set_another_way_is_left(family: str, mode: str) -> None:
    facts = bare(family)
    facts[1] = HopFacts(replace(TRUNK, tagged=(), mode=mode), vlan_exists=True)
    with pytest.raises(RuleBroken, match="by hand"):
        plan(CIRCUIT, facts, builds(family))


@every_family
@given(name=st.text(max_size=60), vlan=st.integers(1, 4094))
def test_a_circuits_name_never_becomes_a_command(family: str, name: str, vlan: int) -> None:
    hops = tuple(replace(hop, vlan=vlan) for hop in HOPS)
    facts = [replace(each, vlan_exists=False) for each in bare(family)]
    if vlan in {1, 10}:
        return
    for orders in plan(Circuit(name, vlan, hops), facts, builds(family)):
        for command in (*orders.commands, *orders.undo):
            assert command.isascii()
            assert command.isprintable()
            assert not set(command) & set("?!;|")
            dialect = SWITCHES[family].dialect
            assert dialect is not None


@pytest.mark.parametrize(
    ("refused", "left"), [(0, ("no vlan 300",)), (1, ("no vlan 300",)), (3, ())], ids=["interface", "port", "vlan"]
)
def test_what_is_refused_keeps_nothing_else_from_being_taken_back(refused: int, left: tuple[str, ...]) -> None:
    undo = ("interface 5", "no switchport access vlan", "exit", "no vlan 300")
    assert rest_after(undo, refused) == left


def test_as_before_is_what_was_read_and_nothing_else() -> None:
    assert as_before(whole(), broken(0, macs=(), up=False))
    assert not as_before(whole(), broken(1, tagged=(10,)))
    gone = whole()
    gone[0] = HopFacts(Missing("line.missing.timeout", "sw-a"))
    assert not as_before(whole(), gone)
    assert not as_before(gone, gone)
