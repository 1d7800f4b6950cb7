"""The operator's commands, run as an operator runs them, on the real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from callcenter.cli import main
from callcenter.cli.place import Place
from callcenter.pbx.install import LINK, install
from callcenter.store import Database
from callcenter.store.credentials import password_matches, token_hash
from callcenter.store.embedded import Embedded

SETTINGS = """
data_dir = "{folder}"
[database]
url = "{url}"
owner_url = "{owner}"
[ami]
port = 1
events_secret = "events-secret"
commands_secret = "commands-secret"
[asterisk]
etc_dir = "{folder}/etc"
log_dir = "{folder}/log"
spool_dir = "{folder}/spool"
run_dir = "{folder}/run"
data_dir = "{folder}/data"
var_dir = "{folder}/var"
module_dir = "{folder}/modules"
own_whole = true
[ivr]
token = "ivr-secret-token"
[recordings]
dir = "{folder}/recordings"
"""


class Operator:
    """Types commands."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def types(self, *arguments: str, stdin: str | None = None, ends: int = 0) -> Result:
        done = CliRunner().invoke(main, ["--config", str(self.config), *arguments], input=stdin)
        assert done.exit_code == ends, (arguments, done.output, done.exception)
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.types(*arguments, "--json").stdout)


@pytest.fixture
def operator(database: Database, postgres: Embedded, tmp_path: Path) -> Operator:
    """``database`` empties the tables; the operator brings their own connections."""
    config = tmp_path / "callcenter.toml"
    config.write_text(SETTINGS.format(folder=tmp_path, url=postgres.url, owner=postgres.owner_url))
    return Operator(config)


@pytest.fixture
def house(operator: Operator) -> Operator:
    """One provider with everything, made by commands."""
    operator.types("provider", "add", "skynet", "--brand", "SkyNet", "--hours", "mon-fri=08:00-22:00")
    operator.types("did", "add", "skynet", "044 200 00 01")
    operator.types("trunk", "add", "sbc", "--host", "198.51.100.7", "--outbound-uri", "sip:198.51.100.7:5060")
    operator.types("queue", "add", "skynet", "skynet", "--ring-s", "15")
    operator.types("agent", "add", "101", "--name", "Анна")
    operator.types("queue", "join", "skynet", "101", "--penalty", "1")
    return operator


def test_a_house_made_by_commands_is_listed(house: Operator) -> None:
    assert house.json("provider", "list") == [
        {
            "slug": "skynet", "brand": "SkyNet", "dids": ["+380442000001"], "queues": ["skynet"], "lines": 30,
            "callback_within_min": 30,
        }
    ]  # fmt: skip
    shown = house.json("provider", "show", "skynet")
    assert shown["hours"]["fri"] == ["08:00-22:00"]
    assert "sat" not in shown["hours"]
    [queue] = house.json("queue", "list")
    assert (queue["ring_s"], queue["timeout_s"], queue["agents"]) == (15, 300, ["101"])
    [trunk] = house.json("trunk", "list")
    assert (trunk["hosts"], trunk["provider"]) == (["198.51.100.7"], None)
    [agent] = house.json("agent", "list")
    assert (agent["login"], agent["contact"], agent["queues"]) == ("agent101", "registers", ["skynet"])
    assert agent["duty"] == "signed_out"
    assert "SkyNet" in house.types("did", "list").stdout


def test_agents_are_signed_in_and_given_a_pause_by_the_operator_all_or_nobody(house: Operator) -> None:
    def duty() -> str:
        return str(house.json("agent", "list")[0]["duty"])

    house.types("agent", "sign-in", "101")
    assert duty().startswith("ready since ")
    assert "lunch" in house.types("agent", "pause", "101", "--reason", "sleep", ends=1).output
    house.types("agent", "pause", "101", "--reason", "lunch")
    assert duty().startswith("paused: lunch since ")
    assert "there is no agent 999" in house.types("agent", "sign-out", "101", "999", ends=1).output
    assert duty().startswith("paused: lunch since ")
    house.types("agent", "ready", "101")
    house.types("agent", "sign-out", "101")
    assert duty().startswith("signed_out since ")
    assert "not signed in" in house.types("agent", "ready", "101", ends=1).output


def test_who_leads_shifts_may_have_a_phone_too(house: Operator) -> None:
    house.types("agent", "add", "103", "--name", "Ірина", "--no-sign-in")
    house.json("user", "add", "iryna", "--name", "Ірина", "--role", "lead", "--agent", "103")
    [user] = [user for user in house.json("user", "list") if user["login"] == "iryna"]
    assert (user["role"], user["extension"]) == ("lead", "103")


def test_set_changes_what_is_named_and_nothing_else(house: Operator) -> None:
    before = house.json("provider", "show", "skynet")
    house.types("provider", "set", "skynet", "--max-lines", "5", "--threshold", "onu_rx_weak=-24")
    after = house.json("provider", "show", "skynet")
    assert {name for name in after if after[name] != before[name]} == {"max_lines", "thresholds"}
    assert after["thresholds"]["onu_rx_weak"] == -24
    house.types("provider", "set", "skynet", "--hours", "always")
    assert house.json("provider", "show", "skynet")["hours"] == {}


def test_a_class_of_onus_has_thresholds_of_its_own(house: Operator) -> None:
    def shown() -> dict[str, float]:
        thresholds: dict[str, float] = house.json("provider", "show", "skynet")["thresholds"]
        return {name: value for name, value in thresholds.items() if "." in name}

    set_one = ("provider", "set", "skynet", "--threshold")
    house.types(*set_one, "epon.onu_rx_critical=-26", "--threshold", "hg8310.onu_rx_weak=-22")
    assert shown() == {"epon.onu_rx_critical": -26, "hg8310.onu_rx_weak": -22}
    for wrong, ends, said in (
        ("epon.onu_rx_critical=-8", 2, "class epon: thresholds: -40 < onu_rx_critical"),
        ("epon.onu_rx_weak=nan", 2, "class epon: thresholds: -40 < onu_rx_critical"),
        ("gpon.rx=-20", 2, "gpon.rx is not a threshold"),
        ("EPON.onu_rx_weak=-20", 2, "EPON.onu_rx_weak is not a threshold"),
        ("epon.onu_rx_weak=low", 1, "'epon.onu_rx_weak=low' is not such as"),
        ("epon.onu_rx_weak", 1, "'epon.onu_rx_weak' is not such as"),
    ):
        assert said in house.types(*set_one, wrong, ends=ends).stderr, wrong
    assert shown() == {"epon.onu_rx_critical": -26, "hg8310.onu_rx_weak": -22}
    house.types(*set_one, "epon.onu_rx_critical=", "--threshold", "no.onu_rx_weak=")
    assert shown() == {"hg8310.onu_rx_weak": -22}


def test_an_agent_signs_in_with_what_was_printed_once(house: Operator, database: Database) -> None:
    made = house.json("agent", "add", "102", "--name", "Дем'ян")
    assert made["name"] == "Дем’ян"
    assert len(made["sip_secret"]) >= 16
    listed = house.types("agent", "list").output + house.types("user", "list", "--json").output
    assert made["password"] not in listed
    assert made["sip_secret"] not in listed
    assert password_matches(kept_hash(house, "agent102"), made["password"])


def kept_hash(operator: Operator, login: str) -> str:
    async def work(connection: Any) -> str:
        found = await connection.execute(
            text("SELECT password_hash FROM user_account WHERE login = :login"), {"login": login}
        )
        return str(found.scalar_one())

    return Place(operator.config).written(work)


def test_a_password_comes_from_standard_input_and_never_from_an_argument(house: Operator) -> None:
    house.types(
        "user", "add", "iryna", "--name", "Ірина", "--provider", "skynet", "--password-stdin", stdin="довгий пароль\n"
    )
    assert password_matches(kept_hash(house, "iryna"), "довгий пароль")
    house.types("user", "password", "iryna", "--password-stdin", stdin="інший пароль\n")
    assert password_matches(kept_hash(house, "iryna"), "інший пароль")
    [iryna] = [user for user in house.json("user", "list") if user["login"] == "iryna"]
    assert (iryna["role"], iryna["providers"]) == ("supervisor", ["skynet"])
    assert (
        "10 to 200"
        in house.types("user", "add", "x1", "--name", "X", "--password-stdin", stdin="short\n", ends=1).output
    )
    assert "password" not in [p.name for p in main.commands["user"].commands["add"].params]  # type: ignore[attr-defined]


def test_a_token_is_printed_once_and_can_be_revoked(house: Operator) -> None:
    made = house.json("token", "add", "crm", "--provider", "skynet")
    [listed] = house.json("token", "list")
    assert (listed["name"], listed["providers"], listed["revoked_at"]) == ("crm", ["skynet"], None)
    assert "token" not in listed
    assert token_hash(made["token"])
    house.types("token", "revoke", str(made["id"]))
    assert house.json("token", "list")[0]["revoked_at"] is not None
    assert "no token" in house.types("token", "revoke", str(made["id"]), ends=1).output


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["provider", "add", "skynet", "--brand", "Again"], "there is a provider skynet already"),
        (["provider", "add", "Sky Net", "--brand", "X"], "slug: should match"),
        (["provider", "add", "other", "--brand", 'X"'], "brand: the character '\"' must not stand in a name"),
        (["provider", "add", "other", "--brand", "X\nY"], "must not stand in a name"),
        (["provider", "add", "other", "--brand", "X", "--timezone", "Mars/Base"], "timezone: 'Mars/Base'"),
        (["provider", "add", "other", "--brand", "X", "--greeting", "{{ name"], "greeting: is not a template"),
        (["provider", "set", "skynet", "--hours", "mon=22:00-08:00"], "hours: '22:00-08:00' does not end"),
        (["provider", "set", "skynet", "--hours", "всi=08:00-09:00"], "is not such as mon-fri=08:00-22:00"),
        (["provider", "set", "nobody", "--max-lines", "3"], "there is no provider nobody"),
        (["did", "add", "skynet", "101"], "number: '101' is not a phone number"),
        (["did", "add", "nobody", "0442000009"], "there is no provider nobody"),
        (["did", "remove", "0442000009"], "there is no DID +380442000009"),
        (["queue", "join", "skynet", "999"], "there is no agent 999"),
        (["queue", "join", "nobody", "101"], "there is no queue nobody"),
        (["queue", "add", "skynet", "q", "--ring-s", "1"], "ring_s: Input should be greater"),
        (["agent", "add", "101", "--name", "Друга"], "there is an agent 101 already"),
        (["agent", "add", "1", "--name", "X"], "extension: should match"),
        (["agent", "set", "101", "--contact", "101@x"], "contact: '101@x' is not a SIP address"),
        (["agent", "add", "103", "--name", "X", "--login", "agent101"], "login agent101 is taken"),
        (["user", "add", "x1", "--name", "X", "--role", "agent"], "an agent's sign-in names the agent"),
        (["trunk", "add", "t", "--host", "198.51.100.300"], "hosts 1: '198.51.100.300' is not an address"),
        (["subscriber", "show", "skynet", "1"], "no subscriber with the account 1"),
        (["journal", "set-aside", "resolve", "1", "--by", "me"], "row 1 is not set aside"),
    ],
)
def test_a_refusal_says_what_and_to_what(house: Operator, command: list[str], said: str) -> None:
    assert said in house.types(*command, ends=1).stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("onu_rx_weak=-50", "onu_rx_weak"),
        ("mass_least=1", "one line is never a mass outage"),
        ("mass_share=1.5", "mass_share must be"),
        ("mass_within_s=nan", "mass_within_s must be a number"),
        ("mass_hole=3", "mass_hole is no setting"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused_as_data(house: Operator, given: str, said: str) -> None:
    before = house.json("provider", "show", "skynet")
    assert said in house.types("provider", "set", "skynet", "--threshold", given, ends=2).stderr
    assert house.json("provider", "show", "skynet") == before


def test_when_many_dark_lines_are_one_outage_is_each_providers_own_and_shown(house: Operator) -> None:
    assert house.json("provider", "show", "skynet")["thresholds"]["mass_least"] == 3
    house.types("provider", "set", "skynet", "--threshold", "mass_least=5", "--threshold", "mass_share=0.25")
    house.types("provider", "set", "skynet", "--threshold", "onu_rx_weak=-24")
    kept = house.json("provider", "show", "skynet")["thresholds"]
    assert (kept["mass_least"], kept["mass_share"], kept["onu_rx_weak"]) == (5, 0.25, -24)


def test_nothing_moves_silently_from_one_provider_to_another(house: Operator) -> None:
    house.types("provider", "add", "lanet", "--brand", "Ланет")
    assert "DID +380442000001 belongs to provider skynet" in house.types(
        "did", "add", "lanet", "0442000001", ends=1
    ).stderr.replace("did ", "DID ")
    assert "belongs to provider skynet" in house.types("queue", "add", "lanet", "skynet", ends=1).stderr
    house.types("did", "remove", "0442000001")
    house.types("did", "add", "lanet", "0442000001")
    assert house.json("did", "list")[0]["provider"] == "lanet"


def test_olts_and_subscribers(house: Operator, tmp_path: Path) -> None:
    house.types(
        "olt",
        "add",
        "skynet",
        "OLT-1",
        "--driver",
        "bdcom-epon",
        "--host",
        "192.0.2.1",
        "--community-stdin",
        stdin="s3cret\n",
    )
    [olt] = house.json("olt", "list")
    assert (olt["name"], olt["driver"], olt["port"]) == ("OLT-1", "bdcom_epon", 161)
    assert "s3cret" not in house.types("olt", "list").output
    said = house.types(
        "olt",
        "add",
        "skynet",
        "X",
        "--driver",
        "zyxel",
        "--host",
        "192.0.2.1",
        "--community-stdin",
        stdin="x\n",
        ends=1,
    )
    assert "there is no driver zyxel" in said.stderr
    file = tmp_path / "billing.csv"
    file.write_text("account;name;phones;olt;onu\n100;Анна;063 123-45-67;OLT-1;EPON0/1:2\n", "cp1251")
    assert "--encoding cp1251" in house.types("subscriber", "import", "skynet", str(file), ends=2).stderr
    done = house.types("subscriber", "import", "skynet", str(file), "--encoding", "cp1251")
    assert "1 added, 0 updated, 1 phones" in done.stdout
    assert house.json("subscriber", "find", "skynet", "8063", "1234567")[0]["account"] == "100"
    assert house.json("subscriber", "show", "skynet", "100")["onu"] == "EPON0/1:2"
    file.write_text("account;phones\n1;112\n2;nonsense\n")
    said = house.types("subscriber", "import", "skynet", str(file), ends=2)
    assert "line 2: phones: '112'" in said.stderr
    assert "line 3: phones: 'nonsense'" in said.stderr


HOUSE = """
[[provider]]
slug = "svitlo"
brand = "Світло"
hours = { mon = ["08:00-22:00"] }
dids = ["+380442000010", { number = "0442000011", note = "реклама" }]
thresholds = { onu_rx_weak = -24.5, epon.onu_rx_critical = -26 }

[[provider.queue]]
name = "svitlo"
agents = ["201", { extension = "202", penalty = 2 }]

[[provider.olt]]
name = "epon-1"
driver = "bdcom_epon"
host = "127.0.0.1"
port = 1161
community = "public"

[[agent]]
extension = "201"
name = "Анна"
contact = "sip:a201@127.0.0.1:5071"
login = "anna"

[[agent]]
extension = "202"
name = "Богдан"

[[trunk]]
name = "lab"
hosts = ["127.0.0.2"]
outbound_uri = "sip:127.0.0.2:5090"
"""


def test_the_whole_house_comes_from_one_file_and_again_changes_nothing(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text(HOUSE)
    first = operator.types("import", str(file)).stdout
    assert "1 providers added" in first
    password = first.split("sign-in anna  password ")[1].strip()
    assert password_matches(kept_hash(operator, "anna"), password)
    secrets = operator.types("asterisk", "render").stdout
    again = operator.types("import", str(file)).stdout
    assert "added" not in again
    assert "changed" not in again
    assert "password" not in again
    assert operator.types("asterisk", "render").stdout == secrets
    assert operator.json("queue", "list")[0]["agents"] == ["201", "202"]
    file.write_text(HOUSE.replace('agents = ["201", {', "agents = [{").replace("Світло", "Світло+"))
    assert "1 providers changed" in operator.types("import", str(file)).stdout
    assert operator.json("queue", "list")[0]["agents"] == ["202"]


def test_every_mistake_of_a_file_is_named_with_its_line_and_nothing_is_taken(
    operator: Operator, tmp_path: Path
) -> None:
    file = tmp_path / "house.toml"
    file.write_text(
        HOUSE.replace('"Світло"', '"Сві\\nтло"').replace("port = 1161", "port = 0").replace('"127.0.0.2"', '"nowhere!"')
    )
    said = operator.types("import", str(file), ends=2).stderr
    assert "line 4: provider 1 brand: the character '\\n'" in said
    assert "line 17: provider 1 olt 1 port" in said
    assert "line 32: trunk 1 hosts 1: 'nowhere!'" in said
    file.write_text(HOUSE.replace('"bdcom_epon"', '"zyxel"').replace('"202", penalty', '"209", penalty'))
    said = operator.types("import", str(file), ends=2).stderr
    assert "line 9: there is no agent 209" in said
    assert "line 13: device epon-1: there is no driver zyxel" in said
    file.write_text(HOUSE.replace("onu_rx_weak = -24.5", "mass_least = 1, mass_share = nan"))
    said = operator.types("import", str(file), ends=2).stderr
    assert "mass_share must be a number" in said
    assert operator.json("provider", "list") == []
    file.write_text("[[provider]\n")
    assert "line 1" in operator.types("import", str(file), ends=2).stderr


def test_a_configuration_is_checked_and_a_mistake_of_the_house_is_refused(house: Operator, tmp_path: Path) -> None:
    assert "no mistake" in house.types("asterisk", "render", "--check").stdout
    house.types("asterisk", "render", "--to", str(tmp_path / "out"))
    assert "skynet" in (tmp_path / "out" / "queues.conf").read_text()
    assert os.stat(tmp_path / "out" / "pjsip.conf").st_mode & 0o077 == 0
    house.types("queue", "leave", "skynet", "101")
    assert "queue skynet: has no agents" in house.types("asterisk", "render", "--check", ends=2).stderr


def test_the_configuration_before_is_put_back_by_one_command(house: Operator, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    assert "no configuration before" in house.types("asterisk", "rollback", ends=2).stderr

    def put_in_place(lines: int) -> str:
        house.types("provider", "set", "skynet", "--max-lines", str(lines))
        folder = tmp_path / f"rendered-{lines}"
        house.types("asterisk", "render", "--to", str(folder))
        files = {file.name: file.read_text() for file in folder.iterdir()}
        return asyncio.run(install(files, Place(house.config).settings.asterisk, None)).generation

    older, newer = put_in_place(6), put_in_place(7)
    said = house.types("asterisk", "rollback").stdout
    assert f"configuration {older} is in place again" in said
    assert "Asterisk was not told" in said
    assert (tmp_path / "etc" / LINK).resolve().name == older
    house.types("asterisk", "rollback")
    assert (tmp_path / "etc" / LINK).resolve().name == newer


def test_lists_of_an_empty_ledger_and_of_one_with_rows(house: Operator) -> None:
    for command in (
        ["journal", "status"],
        ["journal", "set-aside", "list"],
        ["callbacks", "list"],
        ["recordings", "list"],
    ):
        assert house.json(*command) == []

    async def work(connection: Any) -> None:
        await connection.execute(
            text("""INSERT INTO journal_set_aside (source, path, position, raw, reason, seen_at)
                    VALUES ('cel', '/j', 7, '\\x00ff41', 'not a row', now())""")
        )
        await connection.execute(
            text("""INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at)
                    VALUES (1, '+380631234567', true, now(), now(), now(), now())""")
        )

    Place(house.config).written(work)
    assert house.json("journal", "set-aside", "list")[0]["raw"] == "\\x00\\xffA"
    house.types("journal", "set-aside", "resolve", "1", "--by", "Ірина")
    assert house.json("journal", "set-aside", "list") == []
    assert house.json("callbacks", "list", "--provider", "skynet")[0]["number"] == "+380631234567"


def test_settings_and_schema_that_are_not_there_end_with_two(tmp_path: Path, postgres: Embedded) -> None:
    nowhere = Operator(tmp_path / "none.toml")
    assert "no such settings file" in nowhere.types("provider", "list", ends=2).stderr
    config = tmp_path / "callcenter.toml"
    empty = postgres.superuser_url
    config.write_text(SETTINGS.format(folder=tmp_path, url=empty, owner=empty))
    assert "run `callcenter migrate`" in Operator(config).types("provider", "list", ends=2).stderr
    config.write_text(SETTINGS.format(folder=tmp_path, url=(away := "postgresql://nobody@127.0.0.1:1/x"), owner=away))
    assert "database" in Operator(config).types("provider", "list", ends=1).stderr


def test_a_provider_that_was_served_is_never_deleted(house: Operator) -> None:
    async def work(connection: Any) -> None:
        await connection.execute(
            text("""INSERT INTO call (id, provider_id, direction, dialled, number, callable, arrived_at)
                    VALUES ('1.1', 1, 'in', '1', '', false, now())""")
        )

    Place(house.config).written(work)
    assert "has 1 calls in the ledger" in house.types("provider", "remove", "skynet", "--yes", ends=1).stderr
    house.types("agent", "remove", "101", "--yes")
    assert house.json("agent", "list") == []
