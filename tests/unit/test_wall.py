"""The wallboard's model: who is shown what, what needs somebody, and what of it is drawn again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from callcenter.desk.wall import (
    COLLAPSE_FROM,
    EVERY_REGION,
    QUIET_AFTER,
    Counts,
    Owed,
    Wall,
    agents_in_sight,
    needs_of,
    regions_changed,
    wall_of,
)
from callcenter.floor.board import AgentNow, QueueNow, Snapshot
from callcenter.floor.states import AgentState
from callcenter.reports.measures import Tally
from callcenter.routing.book import Agent, Book, Member, Provider, Queue
from callcenter.routing.hours import WeekHours
from callcenter.store.alarms import Alarm
from callcenter.store.scope import Scope
from callcenter.words import AgentId, ProviderId, QueueId, UniqueId

NOON = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SVITLO, DIM = ProviderId(1), ProviderId(2)
CALL = UniqueId("pbx1-1.1")


def provider(number: int, brand: str, lines: int = 10) -> Provider:
    return Provider(
        ProviderId(number), f"p{number}", brand, "#0b5fff", "uk", ZoneInfo("Europe/Kyiv"), "", WeekHours.parse({}),
        lines, 3.0, 5, timedelta(minutes=60), {},
    )  # fmt: skip


def queue(number: int, owner: int, name: str, *members: str) -> Queue:
    seats = tuple(Member(member, 0) for member in members)
    return Queue(QueueId(number), ProviderId(owner), name, "rrmemory", 300, 20, 15, 50, seats)


def agent(extension: str, name: str) -> Agent:
    return Agent(AgentId(int(extension)), extension, name, SecretStr("x"), None)


BOOK = Book(
    providers=(provider(1, "СвітлоНет"), provider(2, "Дім.Лінк", lines=2)),
    queues=(
        queue(1, 1, "svitlo", "101", "103"),
        queue(2, 1, "svitlo-vip", "101"),
        queue(3, 2, "dim-link", "102", "103"),
    ),
    agents=(agent("101", "Олена"), agent("102", "Тарас"), agent("103", "Анна")),
)
PICTURE = Snapshot(
    linked=True,
    since=NOON,
    agents=(
        AgentNow("101", "talking", NOON, provider=SVITLO, call=CALL),
        AgentNow("102", "ready", NOON),
        AgentNow("103", "talking", NOON, provider=DIM, call=CALL),
    ),
    queues=(
        QueueNow("svitlo", 2, NOON - timedelta(seconds=31)),
        QueueNow("svitlo-vip", 1, NOON - timedelta(seconds=50)),
        QueueNow("dim-link", 4, NOON - timedelta(seconds=9)),
    ),
    lines={SVITLO: 3, DIM: 2},
)
COUNTS = Counts(
    at=NOON,
    providers={
        SVITLO: Tally(outcomes={"answered": 8, "left_waiting": 2}, in_time=6),
        DIM: Tally(outcomes={"answered": 5}, in_time=5),
    },
    queues={(SVITLO, "svitlo-vip"): Tally(outcomes={"answered": 3}, in_time=3)},
    owed={SVITLO: Owed(open=4, soon=1, overdue=2, decision=1), DIM: Owed(open=7, no_number=2)},
)


def wall(
    scope: Scope | None = None, picture: Snapshot = PICTURE, counts: Counts = COUNTS, now: datetime = NOON
) -> Wall:
    return wall_of(BOOK, picture, counts, scope or Scope.all(), now)


def is_(extension: str, state: str, **more: object) -> Snapshot:
    """The picture with one agent in another state."""
    changed = replace(AgentNow(extension, state, NOON), **more)  # type: ignore[arg-type]
    return replace(PICTURE, agents=(*(each for each in PICTURE.agents if each.extension != extension), changed))


def test_a_provider_stands_with_its_queues_and_its_day() -> None:
    dim, svitlo = wall().providers
    assert (dim.provider.brand, svitlo.provider.brand) == ("Дім.Лінк", "СвітлоНет")
    assert (svitlo.waiting, svitlo.longest_since, svitlo.lines) == (3, NOON - timedelta(seconds=50), 3)
    assert [(each.name, each.waiting, each.signed_in, each.ready) for each in svitlo.queues] == [
        ("svitlo", 2, 2, 0),
        ("svitlo-vip", 1, 1, 0),
    ]
    assert (svitlo.today.answered, svitlo.today.missed, svitlo.today.service_level) == (8, 2, 0.6)
    assert svitlo.queues[1].today.answered == 3
    assert svitlo.queues[0].today == Tally()


def test_the_figures_are_of_all_providers_in_sight_together() -> None:
    whole, part = wall().figures, wall(Scope.only([SVITLO])).figures
    assert (whole.waiting, whole.lines, whole.today.answered, whole.owed.open) == (7, 5, 13, 11)
    assert (part.waiting, part.lines, part.today.answered, part.owed.open) == (3, 3, 8, 4)
    assert whole.today.service_level == pytest.approx(11 / 15)


def test_who_sees_one_provider_sees_nobody_elses_queues_agents_and_calls() -> None:
    seen = wall(Scope.only([SVITLO]))
    assert [row.provider.id for row in seen.providers] == [SVITLO]
    assert [row.extension for row in seen.agents] == ["103", "101"]
    anna = seen.agents[0]
    assert (anna.state, anna.provider, anna.call) == (AgentState.TALKING, None, None), "a call, and no more is told"
    assert seen.agents[1].provider == SVITLO
    assert agents_in_sight(BOOK, Scope.only(())) == frozenset()


def test_an_alarm_of_nobody_in_particular_is_for_who_sees_all() -> None:
    def alarm(kind: str, owner: ProviderId | None) -> Alarm:
        return Alarm(1, owner, kind, "x", "", NOON, NOON, 1)

    counts = replace(
        COUNTS,
        alarms=(
            alarm("recording_missing", DIM),
            alarm("unknown_did", None),
            alarm("agent_does_not_answer", None),
            alarm("recording_missing", SVITLO),
        ),
    )
    assert [(each.kind, each.provider) for each in wall(Scope.only([SVITLO]), counts=counts).alarms] == [
        ("recording_missing", SVITLO)
    ]
    assert [each.kind for each in wall(counts=counts).alarms] == [
        "recording_missing",
        "unknown_did",
        "recording_missing",
    ]


@pytest.mark.parametrize(
    ("state", "reason", "until", "needs"),
    [
        ("unreachable", "", None, "unreachable"),
        ("paused", "no_answer", None, "no_answer"),
        ("paused", "lunch", timedelta(0), "over_limit"),
        ("paused", "lunch", timedelta(seconds=1), ""),
        ("paused", "training", None, ""),
        ("wrap_up", "", timedelta(seconds=-9), ""),
        ("talking", "", None, ""),
        ("offline", "", None, ""),
    ],
)
def test_who_let_calls_ring_is_gone_or_rests_too_long_is_somebodys_to_look_after(
    state: str, reason: str, until: timedelta | None, needs: str
) -> None:
    now = AgentNow("101", state, NOON, reason, until=None if until is None else NOON + until)
    assert needs_of(now, NOON) == needs


def test_a_pause_runs_over_its_limit_without_any_event() -> None:
    picture = is_("102", "paused", reason="lunch", until=NOON + timedelta(seconds=5))
    before, after = wall(picture=picture), wall(picture=picture, now=NOON + timedelta(seconds=5))
    assert (before.in_need, [each.extension for each in after.in_need]) == ((), ["102"])
    assert {"needs", "agent:102"} <= set(regions_changed(before, after))


def test_what_stops_calls_comes_before_what_only_takes_long() -> None:
    picture = is_("103", "paused", reason="lunch", until=NOON)
    picture = replace(
        picture, agents=(*(a for a in picture.agents if a.extension != "102"), AgentNow("102", "unreachable", NOON))
    )
    assert [(each.extension, each.needs) for each in wall(picture=picture).in_need] == [
        ("102", "unreachable"),
        ("103", "over_limit"),
    ]


def test_a_provider_whose_lines_are_all_in_use_is_named() -> None:
    assert [row.provider.id for row in wall().full] == [DIM]
    assert wall(picture=replace(PICTURE, lines={DIM: 1})).full == ()


def test_whom_an_agent_calls_back_for_is_shown_from_the_ledger() -> None:
    picture = is_("102", "talking")
    counts = replace(COUNTS, calling={"102": DIM})
    rows = {row.extension: row.provider for row in wall(picture=picture, counts=counts).agents}
    assert rows["102"] == DIM
    assert {row.extension: row.provider for row in wall(counts=counts).agents}["102"] is None, (
        "who is ready calls nobody"
    )


def test_agents_not_at_work_are_counted_and_stand_apart() -> None:
    seen = wall(picture=replace(PICTURE, agents=PICTURE.agents[:1]))
    assert [row.extension for row in seen.at_work] == ["101"]
    assert {row.extension for row in seen.absent} == {"102", "103"}
    assert dict(seen.states)[AgentState.OFFLINE] == 2
    assert sum(dict(seen.states).values()) == 3


# ---- many providers

MANY = Book(providers=tuple(provider(n, f"Провайдер {n:02}") for n in range(1, COLLAPSE_FROM + 1)))


def test_with_many_providers_those_for_whom_nothing_happens_take_less_room() -> None:
    picture = Snapshot(True, NOON, lines={ProviderId(1): 1})
    counts = Counts(at=NOON, owed={ProviderId(2): Owed(open=1, overdue=1), ProviderId(3): Owed(open=1)})
    seen = wall_of(MANY, picture, counts, Scope.all(), NOON, {ProviderId(4): NOON - QUIET_AFTER})
    assert [row.provider.id for row in seen.loud] == [1, 2, 4]
    assert len(seen.calm) == COLLAPSE_FROM - 3
    later = wall_of(MANY, picture, counts, Scope.all(), NOON, {ProviderId(4): NOON - QUIET_AFTER * 1.01})
    assert [row.provider.id for row in later.loud] == [1, 2]


def test_a_few_providers_are_never_collapsed() -> None:
    few = Book(providers=MANY.providers[1:])
    assert wall_of(few, Snapshot(True, NOON), Counts(), Scope.all(), NOON).quiet == frozenset()


# ---- what is drawn again


def test_a_new_page_is_drawn_whole_and_an_equal_moment_not_at_all() -> None:
    assert regions_changed(None, wall()) == list(EVERY_REGION)
    assert regions_changed(wall(), wall()) == []


def test_one_agent_who_moves_costs_one_row() -> None:
    after = wall(picture=is_("102", "ringing", provider=DIM, call=CALL))
    assert set(regions_changed(wall(), after)) == {"states", "agent:102", "provider:2"}


def test_one_caller_who_waits_costs_one_row() -> None:
    queues = (*PICTURE.queues[:2], QueueNow("dim-link", 5, NOON - timedelta(seconds=9)))
    assert regions_changed(wall(), wall(picture=replace(PICTURE, queues=queues))) == ["figures", "provider:2"]


def test_who_comes_or_goes_has_the_list_drawn() -> None:
    after = wall(picture=is_("102", "offline"))
    assert {"agents", "absent", "states"} <= set(regions_changed(wall(), after))
    assert not any(region.startswith("agent:") for region in regions_changed(wall(), after))


def test_counts_that_cannot_be_read_are_said_to_be_old() -> None:
    after = wall(counts=replace(COUNTS, failed=True))
    assert (wall().behind, after.behind) == (None, NOON)
    assert regions_changed(wall(), after) == ["link"]


def test_reading_the_same_counts_again_draws_nothing() -> None:
    assert regions_changed(wall(), wall(counts=replace(COUNTS, at=NOON + timedelta(seconds=5)))) == []


def test_a_renamed_provider_is_drawn_again() -> None:
    book = replace(BOOK, providers=(replace(BOOK.providers[0], colour="#ff0000"), BOOK.providers[1]))
    assert regions_changed(wall(), wall_of(book, PICTURE, COUNTS, Scope.all(), NOON)) == ["provider:1"]
