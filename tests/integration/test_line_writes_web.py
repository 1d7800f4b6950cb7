"""Changes on ONUs and circuits in the web, over real SNMP and command lines: shown first, done once, by who may."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from pydantic import SecretStr

from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app
from callcenter.diag.changes import Changes
from callcenter.diag.cli import Cli
from callcenter.diag.devices import CliLogin, Device, put_device
from callcenter.diag.line import LineReader
from callcenter.diag.snmp import Snmp
from callcenter.store import Database, Scope
from callcenter.words import DeviceId, ProviderId
from lab.cli_device import CliDevice
from lab.clis import SCRIPTS
from lab.olt import SimulatedOlt
from tests.desk_house import NOON, ORIGIN, House, desk_house
from tests.integration.test_circuits import Answers, Site, honest, refusing, two_sites
from tests.keys import VAULT

ONU = "EPON0/1:1"
SVITLO = ProviderId(1)


class _Enough(Exception):
    """The test is over."""


@dataclass
class Web:
    house: House
    client: TestClient[Request, Application]
    number: int
    """Of the device, or of the circuit."""

    async def api(self, method: str, path: str, body: object = None, token: str = "svitlo") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.house.tokens[token]}", "Accept-Language": "en"}
        answer = await self.client.request(method, f"/api/v1{path}", headers=headers, json=body)
        return answer.status, await answer.json()

    @asynccontextmanager
    async def person(self, login: str) -> AsyncIterator[Person]:
        async with self.house.browser() as browser:
            await browser.sign_in(login)
            cookies = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}
            yield Person(self, cookies, browser.csrf)


@dataclass
class Person:
    web: Web
    cookies: Mapping[str, str]
    csrf: str

    async def get(self, path: str) -> tuple[int, str]:
        answer = await self.web.client.get(path, cookies=self.cookies, headers={"Accept-Language": "en"})
        return answer.status, await answer.text()

    async def post(self, path: str, **fields: str) -> tuple[int, str]:
        answer = await self.web.client.post(
            path, cookies=self.cookies, data={"csrf": self.csrf, **fields},
            headers={"Accept-Language": "en", "Origin": ORIGIN}, allow_redirects=False,
        )  # fmt: skip
        return answer.status, await answer.text()


@dataclass
class Olt:
    web: Web
    olt: SimulatedOlt
    shell: CliDevice


@asynccontextmanager
async def an_olt(
    database: Database, folder: Path, family: str = "bdcom_epon", *, agents_restart: bool = False
) -> AsyncIterator[Olt]:
    """Svitlo's OLT, which can be read and written."""
    snmp, cli = Snmp(), Cli()
    snmp.start()
    try:
        async with desk_house(database, folder) as house, SimulatedOlt(family, "vezha", pons=2, onus_per_pon=8) as olt:
            olt.write_community = "write-community-of-nobody"
            async with CliDevice(SCRIPTS[family], "telnet", model=olt.plant) as shell, asyncio.TaskGroup() as tasks:
                async with database.scoped(Scope.all()) as connection:
                    number = await put_device(
                        connection, VAULT,
                        Device(
                            DeviceId(0), SVITLO, olt.name, olt.driver, olt.host, SecretStr("public"), olt.port,
                            write_community=SecretStr(olt.write_community),
                            cli=CliLogin("telnet", shell.user, SecretStr(shell.password), None, shell.port),
                        ),
                    )  # fmt: skip
                lines = LineReader(snmp, database, tasks, lambda: NOON)
                changes = Changes(database, lines, snmp, cli, lambda: NOON)
                providers = tuple(replace(each, agents_restart=agents_restart) for each in house.book.providers)
                book = replace(house.book, providers=providers)
                ports = replace(house.app[PORTS], vault=VAULT, changes=changes, book=lambda: book)
                async with TestClient(TestServer(make_app(ports))) as client:
                    yield Olt(Web(house, client, number), olt, shell)
                raise _Enough
    except* _Enough:
        pass
    finally:
        cli.close()
        snmp.close()


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


async def test_a_restart_is_shown_confirmed_done_once_and_kept(database: Database, tmp_path: Path) -> None:
    async with an_olt(database, tmp_path) as made, made.web.person("sofiia") as sofiia:
        line = f"/lines/{made.web.number}"
        status, page = await sofiia.get(f"{line}?onu={ONU}")
        assert status == 200
        assert 'id="plan-reboot"' in page
        status, page = await sofiia.post(f"{line}/plan", onu=ONU, kind="reboot")
        assert status == 200
        assert "set 1.3.6.1.4.1.3320.101.10.1.1.29." in page
        assert made.olt.written == []
        token = field(page, "token")
        assert (await sofiia.post(f"{line}/carry-out", onu=ONU, token=token))[0] == 303
        assert len(made.olt.written) == 1
        assert "сплануйте її знову" in (await sofiia.post(f"{line}/carry-out", onu=ONU, token=token))[1]
        assert len(made.olt.written) == 1, "a plan is carried out once"
        _, page = await sofiia.get(f"{line}?onu={ONU}")
        assert "user:Софія" in page or "user:" in page
        status, told = await made.web.api("GET", f"{line}/changes?onu={ONU}")
        assert (status, [(one["kind"], one["state"]) for one in told["items"]]) == (200, [("reboot", "done")])


async def test_a_description_by_the_api_is_given_exactly_as_it_was_shown(database: Database, tmp_path: Path) -> None:
    async with an_olt(database, tmp_path, "gcom_epon") as made:
        at = f"/lines/{made.web.number}/changes"
        status, plan = await made.web.api("POST", f"{at}/plan", {"onu": ONU, "kind": "describe", "value": "Flat 12"})
        assert status == 200
        assert plan["commands"]
        status, done = await made.web.api("POST", f"{at}/carry-out", {"onu": ONU, "token": plan["token"]})
        assert (status, done["state"], done["who"]) == (200, "done", "token:svitlo")
        given = [command for command in made.shell.commands if command in plan["commands"]]
        assert given == plan["commands"]


async def test_an_agent_changes_nothing_where_nobody_lets_them(database: Database, tmp_path: Path) -> None:
    async with an_olt(database, tmp_path) as made, made.web.person("olena") as olena:
        line = f"/lines/{made.web.number}"
        _, page = await olena.get(f"{line}?onu={ONU}")
        assert 'id="plan-reboot"' not in page
        status, page = await olena.post(f"{line}/plan", onu=ONU, kind="reboot")
        assert status == 403


async def test_an_agent_whose_provider_lets_them_restarts_an_onu_and_does_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    async with an_olt(database, tmp_path, agents_restart=True) as made, made.web.person("olena") as olena:
        line = f"/lines/{made.web.number}"
        _, page = await olena.get(f"{line}?onu={ONU}")
        assert 'id="plan-reboot"' in page
        assert 'id="plan-vlan"' not in page
        status, page = await olena.post(f"{line}/plan", onu=ONU, kind="reboot")
        assert status == 200
        assert (await olena.post(f"{line}/plan", onu=ONU, kind="vlan", value="300"))[0] == 403
        assert made.olt.written == []


@pytest.mark.parametrize(
    "body",
    [
        {"onu": ONU, "kind": "reboot", "value": "x" * 65},
        {"onu": ONU, "kind": "format"},
        {"onu": "EPON0/1:1; reboot", "kind": "reboot"},
        {"onu": ONU, "kind": "describe", "value": "a\nreboot"},
        {"onu": ONU, "kind": "vlan", "value": "5000"},
        {"onu": "EPON0/1:63", "kind": "reboot"},
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    database: Database, tmp_path: Path, body: dict[str, str]
) -> None:
    async with an_olt(database, tmp_path) as made:
        status, _ = await made.web.api("POST", f"/lines/{made.web.number}/changes/plan", body)
        assert status in {409, 422, 503}
        assert made.olt.written == []
        assert not any("reboot" in command for command in made.shell.commands)


async def test_a_plan_is_void_for_another_onu_and_for_another_provider(database: Database, tmp_path: Path) -> None:
    async with an_olt(database, tmp_path) as made:
        at = f"/lines/{made.web.number}/changes"
        _, plan = await made.web.api("POST", f"{at}/plan", {"onu": ONU, "kind": "reboot"})
        given = {"token": plan["token"]}
        assert (await made.web.api("POST", f"{at}/carry-out", {"onu": "EPON0/1:2", **given}))[0] == 404
        assert (await made.web.api("POST", f"{at}/carry-out", {"onu": ONU, **given}, "dim"))[0] == 404
        assert made.olt.written == []


@asynccontextmanager
async def a_circuit(
    database: Database, folder: Path, second: Callable[[Answers], Answers] = honest
) -> AsyncIterator[tuple[Web, list[Site]]]:
    async with (
        desk_house(database, folder) as house,
        two_sites(database, second=second, seeds=False) as (work, sites, circuit),
    ):
        ports = replace(house.app[PORTS], vault=VAULT, circuits=work)
        async with TestClient(TestServer(make_app(ports))) as client:
            yield Web(house, client, circuit.id), sites


async def test_a_circuit_is_checked_built_by_the_commands_that_were_shown_and_whole(
    database: Database, tmp_path: Path
) -> None:
    async with a_circuit(database, tmp_path) as (web, sites), web.person("sofiia") as sofiia:
        at = f"/circuits/{web.number}"
        assert "Школа 5" in (await sofiia.get("/circuits"))[1]
        assert (await sofiia.post(f"{at}/check"))[0] == 303
        _, page = await sofiia.get(at)
        assert "рветься на ділянці 1" in page
        assert "такого VLAN немає" in page
        status, page = await sofiia.post(f"{at}/dry-run")
        assert status == 200
        assert "switchport trunk allowed vlan add 300" in page
        assert 300 not in sites[0].switch.vlans, "a dry run is dry"
        assert (await sofiia.post(f"{at}/build", shown=field(page, "shown")))[0] == 303
        assert all(300 in site.switch.vlans for site in sites)
        _, page = await sofiia.get(at)
        assert "цілий" in page
        status, told = await web.api("GET", "/circuits")
        assert (status, told["items"][0]["last_check"]["sound"]) == (200, True)
        status, page = await sofiia.post(f"{at}/dry-run")
        assert "робити нічого" in page


async def test_other_commands_than_were_shown_are_never_given(database: Database, tmp_path: Path) -> None:
    async with a_circuit(database, tmp_path) as (web, sites), web.person("sofiia") as sofiia:
        at = f"/circuits/{web.number}"
        _, page = await sofiia.post(f"{at}/dry-run")
        shown = field(page, "shown")
        sites[0].switch.vlans[300] = "somebody-elses"
        status, page = await sofiia.post(f"{at}/build", shown=shown)
        assert status == 200
        assert "пристрої змінилися" in page
        assert sites[0].switch.saved == 0
        assert (await web.api("POST", f"{at}/build", {"shown": shown}))[0] == 409
        assert (await web.api("POST", f"{at}/build", {"shown": "no"}))[0] == 422


async def test_a_build_that_fails_is_said_to_be_taken_back(database: Database, tmp_path: Path) -> None:
    async with a_circuit(database, tmp_path, refusing("switchport access vlan")) as (web, sites):
        at = f"/circuits/{web.number}"
        _, dry = await web.api("POST", f"{at}/dry-run")
        status, built = await web.api("POST", f"{at}/build", {"shown": dry["shown"]})
        assert (status, built["rolled_back"], built["sound"]) == (200, True, False)
        assert built["why"]
        assert all(300 not in site.switch.vlans for site in sites)
        async with web.person("sofiia") as sofiia:
            _, page = await sofiia.get(at)
        assert "повернуто назад" in page


async def test_an_agent_sees_no_circuits(database: Database, tmp_path: Path) -> None:
    async with a_circuit(database, tmp_path) as (web, _), web.person("olena") as olena:
        for path in ("/circuits", f"/circuits/{web.number}"):
            assert (await olena.get(path))[0] == 403
        assert (await olena.post(f"/circuits/{web.number}/check"))[0] == 403


async def test_changes_of_another_providers_namesake_are_not_this_devices(database: Database, tmp_path: Path) -> None:
    async with an_olt(database, tmp_path) as made:
        at = f"/lines/{made.web.number}/changes"
        _, plan = await made.web.api("POST", f"{at}/plan", {"onu": ONU, "kind": "reboot"}, "all")
        assert (await made.web.api("POST", f"{at}/carry-out", {"onu": ONU, "token": plan["token"]}, "all"))[0] == 200
        async with database.scoped(Scope.all()) as connection:
            twin = await put_device(
                connection, VAULT,
                Device(DeviceId(0), ProviderId(2), made.olt.name, made.olt.driver, "192.0.2.9", SecretStr("public")),
            )  # fmt: skip
        status, told = await made.web.api("GET", f"/lines/{twin}/changes?onu={ONU}", token="all")
        assert (status, told["items"]) == (200, [])


async def test_why_nothing_was_done_is_said_on_the_page_in_its_readers_words(
    database: Database, tmp_path: Path
) -> None:
    async with an_olt(database, tmp_path) as made, made.web.person("sofiia") as sofiia:
        line = f"/lines/{made.web.number}"
        for fields, said in (
            ({"kind": "vlan", "value": "abc"}, "потрібне можливе значення"),
            ({"kind": "reboot", "onu": "EPON0/1:63"}, "немає"),
        ):
            status, page = await sofiia.post(f"{line}/plan", **({"onu": ONU} | fields))
            assert status == 200
            assert "Цього зробити не можна:" in page
            assert said in page
            assert "line.missing" not in page
        status, page = await sofiia.post(f"{line}/carry-out", onu=ONU, token="a-token-of-nobody")
        assert status == 200
        assert "сплануйте її знову" in page
