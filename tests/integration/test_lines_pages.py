"""The lines on pages and over the API: mass outages, what got worse, the light of one ONU; each to its own provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from sqlalchemy import text

from callcenter.diag import outage_rows
from callcenter.diag.mass import SILENT, Dark, MassOutage
from callcenter.diag.outage_rows import Outage
from callcenter.diag.reading import DownReason
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, OnuAddress, ProviderId
from tests.desk_house import NOON, House, desk_house

ONU = "EPON0/1:7"


@pytest_asyncio.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with desk_house(database, tmp_path) as house:
        async with house.db.scoped(Scope.all()) as conn:
            for provider, name in ((1, "svitlo-olt"), (2, "dim-olt")):
                found = await conn.execute(
                    text(
                        "INSERT INTO device (provider_id, name, driver, host, swept_at, sweep_s) "
                        "VALUES (:provider, :name, 'bdcom_epon', '192.0.2.1', :at, 1.5) RETURNING id"
                    ),
                    {"provider": provider, "name": name, "at": NOON},
                )
                device = DeviceId(found.scalar_one())
                known = {"device": device, "provider": provider, "onu": ONU, "at": NOON}
                await conn.execute(
                    text(
                        "INSERT INTO onu_worse (device_id, provider_id, onu, kind, since, last_at, detail) VALUES "
                        "(:device, :provider, :onu, 'dropped', :at, :at, '{\"rx\": -24.5, \"median\": -20.5}')"
                    ),
                    known,
                )
                dark = tuple(
                    Dark(device, OnuAddress.parse(f"EPON0/1:{number}"), reason)
                    for reason, numbers in ((DownReason.FIBRE, range(1, 41)), (DownReason.POWER, range(41, 44)))
                    for number in numbers
                )
                for mass in (
                    MassOutage(device, "pon", "EPON0/1", NOON, dark, 48),
                    MassOutage(device, "pon", "EPON0/2", NOON, dark[:4], 4),
                    MassOutage(device, "olt", SILENT, NOON, (), 48),
                ):
                    await outage_rows.keep(conn, Outage(ProviderId(provider), name, mass, NOON, "sweep"))
                for hours, rx in ((5, -20.5), (3, -21.0), (1, -24.5)):
                    await conn.execute(
                        text(
                            "INSERT INTO onu_history (device_id, provider_id, onu, at, state, onu_rx) "
                            "VALUES (:device, :provider, :onu, :at, 'online', :rx)"
                        ),
                        known | {"at": NOON - timedelta(hours=hours), "rx": rx},
                    )
        yield house


async def _devices(house: House) -> dict[int, int]:
    async with house.db.scoped(Scope.all()) as conn:
        return {row.provider_id: row.id for row in await conn.execute(text("SELECT provider_id, id FROM device"))}


async def test_a_supervisor_sees_what_broke_and_what_got_worse_of_their_providers(house: House) -> None:
    async with house.browser() as sofiia:
        await sofiia.sign_in("sofiia")
        answer = await sofiia.get("/lines")
        said = await answer.text()
    assert answer.status == 200
    for wanted in ("svitlo-olt", "43 / 48", "EPON0/1", "−20,5 → −24,5", "волокно – 40, живлення – 3"):
        assert wanted in said
    for wanted in (
        "4 / 4",
        "схоже на магістраль",
        "не відповідає",
        '<b class="bad">svitlo-olt</b><small>станція</small>',
    ):
        assert wanted in said
    assert SILENT not in said
    assert "dim-olt" not in said


async def test_an_agent_is_shown_the_light_of_their_own_providers_lines_only(house: House) -> None:
    devices = await _devices(house)
    async with house.browser() as olena:
        await olena.sign_in("olena")
        own = await olena.get(f"/desk/light/{devices[1]}?onu={ONU}")
        said = await own.text()
        assert own.status == 200
        assert "<polyline" in said
        assert "від −24,5 до −20,5 dBm" in said
        for path in (
            f"/desk/light/{devices[2]}?onu={ONU}",
            f"/lines/{devices[2]}?onu={ONU}",
            f"/desk/light/{devices[1]}?onu=' OR 1=1",
            f"/desk/light/{devices[1]}",
            f"/desk/light/{devices[1]}?onu={ONU}&span=9y",
        ):
            assert (await olena.get(path)).status == 404
        assert (await olena.get("/lines")).status == 403


async def test_the_api_gives_ones_own_providers_lines_only(house: House) -> None:
    devices = await _devices(house)
    headers = {"Authorization": f"Bearer {house.tokens['svitlo']}"}
    for path in ("outages", "worse"):
        answer = await house.client.get(f"/api/v1/lines/{path}", headers=headers)
        assert answer.status == 200
        given = (await answer.json())["items"]
        assert given
        assert {each["provider"] for each in given} == {1}
    answer = await house.client.get("/api/v1/lines/outages", headers=headers)
    told = {each["place"]: each for each in (await answer.json())["items"]}
    assert told["EPON0/1"]["reasons"] == {"fibre": 40, "power": 3}
    assert (told[""]["silent"], told[""]["reasons"], told["EPON0/2"]["silent"]) == (True, {}, False)
    own = await house.client.get("/api/v1/lines/light", params={"device": str(devices[1]), "onu": ONU}, headers=headers)
    assert [each["onu_rx"] for each in (await own.json())["items"]] == [-20.5, -21.0, -24.5]
    other = await house.client.get(
        "/api/v1/lines/light", params={"device": str(devices[2]), "onu": ONU}, headers=headers
    )
    assert other.status == 404
