"""The lab's pure parts: what it writes down, how it is found again, who calls in the demo, how a page is read."""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.agent_page import AgentPage, Shown
from lab.callers import CRITICAL, NO_POWER, WEAK, Leaves, visits
from lab.people import phone_of
from lab.plan import Plan
from lab.ports import Ports
from lab.promises import Promise, table
from lab.standing import AlreadyRuns, Site, holder, read_env, tenure, write_env

ONE_LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "lab", tmp_path / "lab.env", tmp_path / "lab.lock", tmp_path / "lab.log")


@given(ONE_LINE)
def test_what_is_written_to_lab_env_is_read_back(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    file = tmp_path_factory.mktemp("env") / "lab.env"
    write_env(file, {"LAB_URL": value, "LAB_SIP": "127.0.0.1:5160"})
    assert read_env(file) == {"LAB_URL": value, "LAB_SIP": "127.0.0.1:5160"}


@pytest.mark.parametrize(
    "value", ["plain", "a b", "it's", '"$HOME" `id` $(id)', "postgresql://u@/db?host=/tmp/x&y", ""]
)
def test_a_shell_that_sources_lab_env_gets_the_same(tmp_path: Path, value: str) -> None:
    file = tmp_path / "lab.env"
    write_env(file, {"LAB_X": value})
    said = subprocess.run(["sh", "-c", '. "$0"; printf %s "$LAB_X"', file], capture_output=True, text=True, check=True)
    assert said.stdout == value
    assert file.stat().st_mode & 0o077 == 0


def test_only_one_is_the_lab(site: Site) -> None:
    assert holder(site) is None
    with tenure(site):
        assert holder(site) == os.getpid()
        with pytest.raises(AlreadyRuns), tenure(site):
            pass
        site.env.write_text("LAB_URL=x")
    assert holder(site) is None
    assert not site.env.exists()


def test_a_taken_port_is_named_and_another_is_used() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = int(other.getsockname()[1])
        wanted = replace(Ports.free(), web=taken)
        said: list[str] = []
        chosen = wanted.instead(said.append)
    assert chosen.web != taken
    assert replace(chosen, web=taken) == wanted
    (line,) = said
    assert str(taken) in line
    assert "web" in line
    assert str(chosen.web) in line


def test_ten_visits_hold_every_kind_of_caller() -> None:
    plan = Plan()
    ten = list(itertools.islice(visits(plan, random.Random(7)), 10))
    assert {visit.leaves for visit in ten} == set(Leaves)
    for place, trouble in ((WEAK, "weak signal"), (CRITICAL, "critical signal"), (NO_POWER, "no power")):
        (bad,) = [visit for visit in ten if visit.who.endswith(trouble)]
        assert bad.caller.number in {f"38{phone_of(provider, place)}" for provider in range(len(plan.providers))}


def test_a_subscriber_dials_their_own_provider() -> None:
    plan = Plan()
    for visit in itertools.islice(visits(plan, random.Random(3)), 200):
        number = next(n for n, provider in enumerate(plan.providers) if provider.brand == visit.brand)
        assert visit.did in plan.providers[number].dids
        known = not visit.caller.anonymous and visit.who != "unknown number"
        assert visit.caller.number.startswith(f"38067{number:02d}") == known


CARD = '<article class="card" data-call="lab-1.2" data-stage="ringing" data-complete="true"><h1>Світло</h1><p>a<b>b'


def test_a_card_is_read_as_an_agent_reads_it() -> None:
    card = Shown(0.0, CARD)
    assert (card.call, card.stage, card.is_complete) == ("lab-1.2", "ringing", True)
    assert card.text == "Світло a b"
    assert card.tags == {"article", "h1", "p", "b"}
    assert Shown(0.0, "<p>&lt;script&gt;").tags == {"p"}


async def test_a_page_waits_for_the_card_that_is_wanted() -> None:
    page = AgentPage()
    page.take('{"seq": 1, "regions": {"status": "", "card": "<p>idle"}}')
    page.take('{"seq": 2, "regions": {"card": "<p data-stage=\\"ringing\\">"}}')
    assert (await page.shows(lambda card: card.stage == "ringing")).stage == "ringing"
    with pytest.raises(TimeoutError):
        await page.shows(lambda card: card.stage == "talking", within=0.05)


def test_a_broken_promise_stands_out_in_the_table() -> None:
    lines = table([Promise("short", "well", kept=True), Promise("much longer", "no", kept=False)]).splitlines()
    assert lines == ["  ok  short         well", "  NO  much longer   no"]
