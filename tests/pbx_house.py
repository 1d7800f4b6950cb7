"""A small house to render Asterisk's configuration for; what the tests of ``pbx`` and ``ivr`` share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from callcenter.config import Settings
from callcenter.routing.book import Agent, Book, Member, Provider, Queue, Trunk
from callcenter.routing.hours import WeekHours
from callcenter.words import AgentId, Did, ProviderId, QueueId

VOLIA, NIGHT = ProviderId(1), ProviderId(2)
VOLIA_DID, NIGHT_DID = Did("+380441230001"), Did("+380441230002")
OFFICE_HOURS = {"mon": ["08:00-13:00", "14:00-22:00"], "fri": ["00:00-24:00"], "sat": ["10:00-10:01"]}
EVENTS_SECRET, COMMANDS_SECRET, IVR_TOKEN = "events-secret-1", "commands-secret-1", "ivr-token-0123"


def a_provider(number: ProviderId, slug: str, brand: str, **other: Any) -> Provider:
    plain = Provider(
        id=number,
        slug=slug,
        brand=brand,
        colour="#112233",
        language="uk",
        timezone=ZoneInfo("Europe/Kyiv"),
        greeting="",
        hours=WeekHours(),
        max_lines=30,
        min_talk_s=1.0,
        short_abandon_s=5,
        callback_within=timedelta(minutes=30),
        thresholds={},
    )
    return replace(plain, **other)


def a_queue(number: int, provider: ProviderId, name: str, *members: str, **other: Any) -> Queue:
    plain = Queue(
        QueueId(number), provider, name, "leastrecent", 60, 5, 0, 3, tuple(Member(each, 0) for each in members)
    )
    return replace(plain, **other)


def an_agent(extension: str, contact: str | None = None) -> Agent:
    return Agent(AgentId(int(extension)), extension, f"Агент {extension}", SecretStr(f"secret-{extension}-x"), contact)


def a_book(*, phones: str = "127.0.0.1:5071", uplink: str = "127.0.0.2:5099", **other: Any) -> Book:
    """Two providers, one of them with office hours; two phones at a fixed place, one that registers; one trunk."""
    plain = Book(
        providers=(
            a_provider(VOLIA, "volia", "Воля"),
            a_provider(NIGHT, "night", "Ніч-Нет", hours=WeekHours.parse(OFFICE_HOURS)),
        ),
        dids={VOLIA_DID: VOLIA, NIGHT_DID: NIGHT},
        queues=(a_queue(1, VOLIA, "volia-support", "101", "102"), a_queue(2, NIGHT, "night-support", "101")),
        agents=(
            an_agent("101", f"sip:agent-101@{phones}"),
            an_agent("102", f"sip:agent-102@{phones}"),
            an_agent("103"),
        ),
        trunks=(Trunk("lab", None, ("127.0.0.2",), f"sip:{uplink}", "alaw,ulaw"),),
    )
    return replace(plain, **other)


def settings_for(
    root: Path, *, whole: bool = True, outbound: dict[str, Any] | None = None, **asterisk: Any
) -> Settings:
    """Settings whose Asterisk lives below ``root``; its ports are fixed unless given."""
    ami_port = asterisk.setdefault("ami_port", 5038)
    ivr_port = asterisk.pop("ivr_port", 8089)
    folders = {"etc_dir": "etc", "log_dir": "log", "spool_dir": "spool", "run_dir": "run", "var_dir": "lib"}
    return Settings.model_validate(
        {
            "data_dir": root / "data",
            "ami": {"port": ami_port, "events_secret": EVENTS_SECRET, "commands_secret": COMMANDS_SECRET},
            "asterisk": {
                **{name: root / folder for name, folder in folders.items()},
                "data_dir": root / "share",
                "module_dir": root / "modules",
                "own_whole": whole,
                **asterisk,
            },
            "ivr": {"port": ivr_port, "token": IVR_TOKEN},
            "recordings": {"dir": root / "recordings"},
            "outbound": {"trunk": "lab"} if outbound is None else outbound,
        }
    )
