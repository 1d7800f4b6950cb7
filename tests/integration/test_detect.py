"""What a device is, found out over real SNMP: by its name, by its tables under a strange badge, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from callcenter.diag.detect import Probe, probe
from callcenter.diag.snmp import Snmp
from callcenter.diag.snmp_target import Community, NoAnswer, SnmpTarget
from callcenter.errors import Unavailable
from lab.mibs import FAMILIES
from lab.olt import Fault, SimulatedOlt

E = (1, 3, 6, 1, 4, 1)
STRANGE = (*E, 99999, 1)
"""The sysObjectID of a badge that nobody has heard of."""
every_family = pytest.mark.parametrize("family", sorted(FAMILIES))


@pytest.fixture
async def snmp() -> AsyncIterator[Snmp]:
    door = Snmp()
    door.start()
    yield door
    door.close()


def target(olt: SimulatedOlt) -> SnmpTarget:
    return SnmpTarget(olt.name, olt.host, olt.port, Community(SecretStr("public")))


async def probed(snmp: Snmp, olt: SimulatedOlt) -> Probe:
    return await probe(snmp, target(olt), budget=1)


@every_family
async def test_a_device_is_known_by_what_it_says_of_itself(snmp: Snmp, family: str) -> None:
    async with SimulatedOlt(family, "vezha", pons=1, onus_per_pon=8) as olt:
        found = await probed(snmp, olt)
    assert (found.driver, found.by, found.options) == (family, "name", ())
    assert found.descr


@every_family
async def test_under_a_strange_badge_its_tables_tell(snmp: Snmp, family: str) -> None:
    async with SimulatedOlt(family, "adnet", pons=1, onus_per_pon=8) as olt:
        olt.badge("AD-NET OLT", STRANGE)
        found = await probed(snmp, olt)
    assert (found.driver, found.by, found.options) == (family, "root", ())
    assert (found.object_id, found.descr) == (STRANGE, "AD-NET OLT")
    *silent, (root, answered) = found.answers
    assert {inside for _, inside in silent} <= {""}
    assert answered.startswith(f"{root}.")


@pytest.mark.parametrize(("family", "number"), [("gcom_epon", 27514), ("gcom_epon", 8888), ("gcom_gpon", 8888)])
async def test_a_badges_enterprise_number_is_found(snmp: Snmp, family: str, number: int) -> None:
    async with SimulatedOlt(family, "badge", pons=1, onus_per_pon=8) as olt:
        olt.badge("QTECH", (*E, number, 1, 1), moved=((*E, 13464), (*E, number)))
        found = await probed(snmp, olt)
    assert (found.driver, found.by) == (family, "root")
    assert dict(found.options)["enterprise"] == str(number)


async def test_newer_softwares_table_of_optics_is_found(snmp: Snmp) -> None:
    gpon = (*E, 13464, 1, 14, 2, 4, 1)
    async with SimulatedOlt("gcom_gpon", "g08", pons=1, onus_per_pon=8) as olt:
        olt.badge("G08", (*E, 13464, 1, 10, 7, 1), moved=((*gpon, 4), (*gpon, 9)))
        found = await probed(snmp, olt)
    assert (found.driver, found.by) == ("gcom_gpon", "name")
    assert dict(found.options) == {"enterprise": "13464", "optics_table": "9"}


async def test_a_device_without_any_known_table_is_nothing_we_know(snmp: Snmp) -> None:
    async with SimulatedOlt("bdcom_epon", "linux", pons=0, onus_per_pon=0) as olt:
        olt.badge("Linux router", STRANGE)
        found = await probed(snmp, olt)
    assert (found.driver, found.by) == (None, "")
    assert len(found.answers) > 10
    assert {inside for _, inside in found.answers} == {""}


async def test_a_switch_on_the_same_software_is_not_asked_for_tables(snmp: Snmp) -> None:
    async with SimulatedOlt("gcom_epon", "switch", pons=1, onus_per_pon=8) as olt:
        olt.badge("FS Switch", (*E, 13464, 1, 3, 26, 8))
        found = await probed(snmp, olt)
        assert olt.requests == 1
    assert (found.driver, found.answers) == (None, ())


async def test_a_probe_reads_only_and_one_request_at_a_time(snmp: Snmp) -> None:
    async with SimulatedOlt("vsol_gpon", "adnet", pons=1, onus_per_pon=8) as olt:
        olt.badge("OLT", STRANGE)
        found = await probed(snmp, olt)
        assert olt.peak_outstanding == 1
        assert olt.requests == 1 + len(found.answers)


async def test_a_silent_device_is_not_a_strange_one(snmp: Snmp) -> None:
    async with SimulatedOlt("gcom_epon", "dead", pons=1, onus_per_pon=8) as olt:
        olt.fault = Fault.SILENT
        with pytest.raises(NoAnswer):
            await probe(snmp, target(olt), budget=0.3)


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.TRUNCATED, Fault.WRONG_ID, Fault.DEEP, Fault.OTHER_OIDS])
async def test_nonsense_names_no_driver(snmp: Snmp, fault: Fault) -> None:
    async with SimulatedOlt("gcom_epon", "odd", pons=1, onus_per_pon=8) as olt:
        olt.fault = fault
        with pytest.raises(Unavailable):
            await probe(snmp, target(olt), budget=0.3)
