"""Random calls of three providers in a real PostgreSQL, and the same figures counted by plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.outcome import CallOutcome
from callcenter.reports.measures import Debts, Longest, Tally, Work, is_in_time, is_short_abandon
from callcenter.reports.periods import Days
from callcenter.reports.queries import By, Key
from callcenter.words import ProviderId

ZONES = {1: ZoneInfo("Europe/Kyiv"), 2: ZoneInfo("Europe/Kyiv"), 3: ZoneInfo("Asia/Kolkata")}
LEVEL, SHORT = {1: 20, 2: 10, 3: 20}, {1: 5, 2: 8, 3: 0}
AGENTS = ("101", "102", "103")
DAYS = Days(date(2025, 10, 18), date(2025, 10, 28))
"""The clocks of Kyiv are put back on the 26th."""
NOW = datetime(2025, 10, 29, 12, 0, tzinfo=UTC)
IN = [word for word in CallOutcome if word not in {"unknown_did", "no_answer", "busy"}]


@dataclass(frozen=True)
class Call:
    id: str
    provider: int
    direction: str
    queue: str
    number: str
    at: datetime
    outcome: str | None
    waited_ms: int | None
    talked_ms: int
    held_ms: int
    agents: tuple[str, ...]
    rang: tuple[str, ...]
    transfers: int
    talks: tuple[tuple[str, int], ...]
    """What each agent's own conversation lasted, in milliseconds; of a call that was handed on."""
    states: tuple[tuple[str, str, int], ...]
    """What agents were at for it: extension, state, how long."""
    notes: tuple[tuple[str, str, int], ...]
    """Extension, reason, how many seconds after the beginning."""


@dataclass(frozen=True)
class Debt:
    provider: int
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    reason: str | None


def draw(random: Random, count: int) -> list[Call]:
    """Calls of the days and of the week before them, crowded round the hour that comes twice and round midnights."""
    numbers = ["", *(f"+38063000000{n}" for n in range(8))]
    begin, calls = datetime(2025, 10, 11, tzinfo=UTC), []
    for n in range(count):
        provider = random.choice((1, 1, 2, 3))
        at = begin + timedelta(seconds=round(random.random() * 18.5 * 86400, 3))
        if n % 5 == 0:
            at = datetime(2025, 10, 25, 23, 30, tzinfo=UTC) + timedelta(seconds=round(random.random() * 9000, 3))
        if n % 11 == 0:
            midnight = datetime(2025, 10, random.randint(19, 28), tzinfo=ZONES[provider])
            at = midnight.astimezone(UTC) + timedelta(milliseconds=random.choice((-1, 0, 1)))
        calls.append(_call(random, n, provider, at, random.choice(numbers)))
    return calls


def _call(random: Random, n: int, provider: int, at: datetime, number: str) -> Call:
    if random.random() < 0.2:
        outcome = random.choice(("answered", "no_answer", "busy", "cut_short", None))
        agent = random.choice(AGENTS)
        return Call(f"pbx1-{n}.1", provider, "out", "", number or "+380440000000", at, outcome, 5_000,
                    random.randint(0, 90_000), 0, (agent,), (), 0, (), ((agent, "talking", 7_000),), ())  # fmt: skip
    outcome = random.choice((*["answered"] * 8, *IN, None))
    met = outcome in {"answered", "cut_short"}
    agents = tuple(random.sample(AGENTS, random.choice((1, 1, 1, 2)))) if met else ()
    rang = tuple(random.sample(AGENTS, random.randint(0, 2))) if outcome not in {"closed", "lines_full"} else ()
    talked = random.randint(0, 300_000) if met else 0
    parts = tuple((agent, random.randint(1, 90_000)) for agent in agents) if len(agents) > 1 else ()
    states = [(agent, "ringing", random.randint(1, 9_000)) for agent in {*agents, *rang}]
    for agent in agents:
        states += [(agent, "talking", random.randint(1, 90_000)), (agent, "wrap_up", random.randint(1, 30_000))]
    notes = tuple((agent, random.choice(("tv", "router", "")), random.randint(1, 500)) for agent in agents)
    return Call(
        f"pbx1-{n}.1", provider, "in", random.choice(("", f"q{provider}a", f"q{provider}b")), number, at,
        None if outcome is None else str(outcome),
        random.choice((None, random.randint(0, 40_000), 4_999, 5_000, 20_000)),
        talked, random.choice((0, random.randint(0, 9_000))) if met else 0, agents, rang,
        random.choice((0, 0, 1)) if met else 0, parts, tuple(states), notes,
    )  # fmt: skip


def draw_debts(random: Random, count: int) -> list[Debt]:
    debts = []
    for _ in range(count):
        provider = random.choice((1, 2, 3))
        opened = datetime(2025, 10, 16, tzinfo=UTC) + timedelta(seconds=random.randint(0, 13 * 86400))
        reason = random.choice(("called_back", "got_through", "corrected", "wrong_number", None))
        closed = None if reason is None else opened + timedelta(seconds=random.randint(1, 100_000))
        debts.append(Debt(provider, opened, opened + timedelta(minutes=30), closed, reason))
    return debts


# ---- into the database


async def build(connection: AsyncConnection) -> None:
    for statement in HOUSE.split(";\n"):
        await connection.execute(text(statement))


async def insert(connection: AsyncConnection, calls: Sequence[Call]) -> None:
    rows = [
        {
            "id": c.id, "provider_id": c.provider, "direction": c.direction, "dialled": "x", "number": c.number,
            "callable": True, "arrived_at": c.at.isoformat(), "outcome": c.outcome,
            "waited_s": None if c.waited_ms is None else c.waited_ms / 1000, "talked_s": c.talked_ms / 1000,
            "held_s": c.held_ms / 1000, "agents": c.agents, "rang": c.rang, "transfers": c.transfers,
            "queue": c.queue, "settled": True, "hangup_by": "", "caller_name": "", "source": "journal",
        }
        for c in calls
    ]  # fmt: skip
    await connection.execute(
        text("INSERT INTO call SELECT * FROM json_populate_recordset(NULL::call, CAST(:rows AS json))"),
        {"rows": json.dumps(rows)},
    )
    for call in calls:
        await _beside(connection, call)


async def _beside(connection: AsyncConnection, call: Call) -> None:
    for seq, (agent, ms) in enumerate(call.talks):
        values = {"call": call.id, "seq": seq, "provider": call.provider, "agent": agent, "at": call.at,
                  "until": call.at + timedelta(milliseconds=ms)}  # fmt: skip
        await connection.execute(SEGMENT, values)
    for agent, reason, after in call.notes:
        values = {"call": call.id, "agent": agent, "provider": call.provider, "reason": reason,
                  "at": call.at + timedelta(seconds=after)}  # fmt: skip
        await connection.execute(NOTE, values)
    for place, (agent, state, ms) in enumerate(call.states):
        began = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=crc32(f"{call.id} {place}".encode()))
        values = {"agent": agent, "at": began, "state": state, "call": call.id,
                  "until": began + timedelta(milliseconds=ms)}  # fmt: skip
        await connection.execute(STATE, values)


async def insert_debts(connection: AsyncConnection, debts: Sequence[Debt]) -> None:
    for n, debt in enumerate(debts):
        await connection.execute(
            DEBT,
            {"provider": debt.provider, "number": f"+38050{n:07}", "opened": debt.opened_at, "due": debt.due_at,
             "closed": debt.closed_at, "reason": debt.reason},
        )  # fmt: skip


# ---- the same, counted by hand


Keys = Callable[[Call], Key]


def keys_of(by: By) -> Keys:
    def key(call: Call) -> Key:
        provider, local = ProviderId(call.provider), call.at.astimezone(ZONES[call.provider])
        match by:
            case By.ALL:
                return Key()
            case By.PROVIDER:
                return Key(provider=provider)
            case By.QUEUE:
                return Key(provider=provider, queue=call.queue)
            case By.REASON:
                return Key(provider=provider, reason=reason_of(call))
            case By.DAY:
                return Key(day=local.date())
            case By.HOUR:
                return Key(hour=local.replace(minute=0, second=0, microsecond=0).astimezone(UTC))
            case By.WEEK:
                return Key(weekday=local.weekday(), clock=local.hour)

    return key


def reason_of(call: Call) -> str:
    named = sorted((after, agent, reason) for agent, reason, after in call.notes if reason)
    latest = [each for each in named if each[0] == named[-1][0]]
    return latest[0][2] if latest else ""


def counted(
    calls: Iterable[Call], days: Days, by: By, wanted: Callable[[Call], bool] = lambda _: True
) -> dict[Key, Tally]:
    every = list(calls)
    found: dict[Key, Tally] = {Key(): Tally()} if by is By.ALL else {}
    key = keys_of(by)
    for call in every:
        if call.outcome is None or not within(call, days) or not wanted(call):
            continue
        found[key(call)] = found.get(key(call), Tally()) + _tally(call, every)
    return found


def within(call: Call, days: Days) -> bool:
    return days.first <= call.at.astimezone(ZONES[call.provider]).date() <= days.last


def _tally(call: Call, every: Sequence[Call]) -> Tally:
    outcome, waited = call.outcome or "", call.waited_ms or 0
    if call.direction == "out":
        reached = outcome == "answered"
        return Tally(out=1, out_reached=int(reached), out_talk_ms=call.talked_ms if reached else 0)
    back = [
        call.at - other.at
        for other in every
        if call.number and other.number == call.number and other.provider == call.provider
        and other.direction == "in" and other.outcome is not None and other.at < call.at
    ]  # fmt: skip
    tally = Tally(
        numbered=int(bool(call.number)),
        repeats_day=int(any(span < timedelta(hours=24) for span in back)),
        repeats_week=int(any(span <= timedelta(days=7) for span in back)),
    )
    seconds = None if call.waited_ms is None else call.waited_ms / 1000
    if is_short_abandon(outcome, seconds, SHORT[call.provider]):
        return replace(tally, short=1)
    tally = replace(tally, outcomes={outcome: 1})
    if outcome == "closed":
        return tally
    tally = replace(tally, longest=Longest(waited))
    if outcome != "answered":
        return replace(tally, lost_wait_ms=waited)
    return replace(
        tally, in_time=int(is_in_time(outcome, seconds, LEVEL[call.provider])), wait_ms=waited, talk_ms=call.talked_ms,
        held_ms=call.held_ms, transferred=int(call.transfers > 0),
        wrap_ms=sum(ms for _, state, ms in call.states if state == "wrap_up"),
    )  # fmt: skip


def worked(calls: Iterable[Call], days: Days, wanted: Callable[[Call], bool] = lambda _: True) -> dict[str, Work]:
    found: dict[str, Work] = defaultdict(Work)
    for call in calls:
        if call.outcome is None or not within(call, days) or not wanted(call):
            continue
        talks = dict(call.talks)
        for agent in (*call.agents, *sorted({*call.rang} - {*call.agents} if call.direction == "in" else ())):
            found[agent] += _work(call, agent, talks.get(agent, call.talked_ms))
    return dict(found)


def _work(call: Call, agent: str, talk_ms: int) -> Work:
    reached = call.outcome == "answered"
    busy = sum(ms for who, _, ms in call.states if who == agent)
    if call.direction == "out":
        return Work(out=1, out_reached=int(reached), out_talk_ms=call.talked_ms if reached else 0, busy_ms=busy)
    if agent not in call.agents:
        return Work(not_taken=1, busy_ms=busy)
    if not reached:
        return Work(busy_ms=busy)
    wrap = sum(ms for who, state, ms in call.states if who == agent and state == "wrap_up")
    held = call.held_ms if call.agents[0] == agent else 0
    return Work(taken=1, talk_ms=talk_ms, held_ms=held, wrap_ms=wrap, busy_ms=busy)


def owed(debts: Iterable[Debt], days: Days, by: By) -> dict[Key, Debts]:
    found: dict[Key, Debts] = {Key(): Debts()} if by is By.ALL else {}
    for debt in debts:
        if debt.reason == "corrected":
            continue
        events: list[tuple[datetime, Debts]] = [(debt.opened_at, Debts(opened=1))]
        if debt.closed_at is not None:
            paid = debt.reason in {"called_back", "got_through"}
            span = round((debt.closed_at - debt.opened_at).total_seconds() * 1000)
            events.append((debt.closed_at, Debts(paid=1, in_promise=int(debt.closed_at <= debt.due_at), pay_ms=span)
                           if paid else Debts(named=1)))  # fmt: skip
        for at, event in events:
            day = at.astimezone(ZONES[debt.provider]).date()
            if days.first <= day <= days.last:
                keys: dict[By, Key] = {By.PROVIDER: Key(provider=ProviderId(debt.provider)), By.DAY: Key(day=day)}
                key = keys.get(by, Key())
                found[key] = found.get(key, Debts()) + event
    return found


HOUSE = """
INSERT INTO provider (slug, brand, timezone, service_level_s, short_abandon_s) VALUES
('svitlo', 'СвітлоНет', 'Europe/Kyiv', 20, 5), ('dim', 'Дім.Лінк', 'Europe/Kyiv', 10, 8),
('delhi', 'Delhi Net', 'Asia/Kolkata', 20, 0);
INSERT INTO agent (extension, name, sip_secret) VALUES ('101', 'Олена', 'secret-101'), ('102', 'Тарас', 'secret-102'),
('103', '=HYPERLINK("http://evil")', 'secret-103');
INSERT INTO queue (provider_id, name) VALUES (1, 'q1a'), (1, 'q1b'), (2, 'q2a'), (2, 'q2b'), (3, 'q3a'), (3, 'q3b');
INSERT INTO queue_agent (queue_id, agent_id, provider_id) VALUES (1, 1, 1), (3, 2, 2)
"""
SEGMENT: Any = text(
    "INSERT INTO call_segment (call_id, seq, provider_id, kind, agent, started_at, ended_at) "
    "VALUES (:call, :seq, :provider, 'talking', :agent, :at, :until)"
)
NOTE: Any = text(
    "INSERT INTO call_note (call_id, agent, provider_id, reason, at) VALUES (:call, :agent, :provider, :reason, :at)"
)
STATE: Any = text(
    "INSERT INTO agent_state (agent_id, started_at, state, call_id, ended_at) "
    "SELECT id, :at, :state, :call, :until FROM agent WHERE extension = :agent"
)
DEBT: Any = text(
    "INSERT INTO callback (provider_id, number, callable, opened_at, due_at, rank_at, last_missed_at, closed_at, "
    "closed_reason) VALUES (:provider, :number, true, :opened, :due, :due, :opened, :closed, :reason)"
)
