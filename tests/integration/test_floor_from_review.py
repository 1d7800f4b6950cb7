"""What a reviewer could break of the floor: each was a proof that failed before it was mended."""

# ruff: noqa: F811 - a fixture that is imported is named like the argument it fills

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from callcenter.ami import events as ami
from callcenter.callbacks.claims import claim, let_go
from callcenter.calls.phone_codes import PhoneCode
from callcenter.errors import RuleBroken, Unavailable
from callcenter.floor import duty
from callcenter.floor.keeper import _Talk
from callcenter.floor.phone_codes import take_phone_codes
from callcenter.floor.states import AgentStatus
from callcenter.store import Database, Scope
from callcenter.store.embedded import Embedded
from callcenter.store.leader import Leader
from callcenter.store.notices import Notices
from callcenter.words import LinkedId, UniqueId
from tests.callback_house import NOON, Callbacks, miss
from tests.integration.test_floor import Floor, floor  # noqa: F401 - a fixture


async def test_who_lets_go_while_their_phone_rings_for_it_is_refused(database: Database) -> None:
    """Pain 2: two agents would dial one number at once."""
    house = await Callbacks.build(database)
    await house.tell(miss(NOON))
    [owed] = await house.open()
    at = NOON + timedelta(minutes=1)
    async with database.scoped(Scope.all()) as connection:
        await claim(connection, owed.id, "101", at, timedelta(seconds=45))
    with pytest.raises(RuleBroken, match="being called back"):
        async with database.scoped(Scope.all()) as connection:
            await let_go(connection, owed.id, "101", at + timedelta(seconds=5))


@pytest.mark.parametrize("which", ["leader", "notices"])
async def test_a_busy_pool_ends_neither_the_lead_nor_the_notices(postgres: Embedded, which: str) -> None:
    mine = Database(postgres.url, pool_size=1, wait_s=0.1)
    async with mine.scoped(Scope.only(())):
        work = (
            Leader(mine, key=992, every=0.05).run() if which == "leader" else Notices(mine, lambda _topic: None).run()
        )
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([task], timeout=1.0)
        assert not done
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await mine.close()


async def _in_wrap_up(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    async with floor.house.database.scoped(Scope.all()) as connection:
        await duty.wrap_up(connection, "101", floor.house.clock(), "x", timedelta(seconds=20))
    await floor.duties.load()


@pytest.mark.parametrize(("order", "status"), [("out", AgentStatus.SIGNED_OUT), ("pause", AgentStatus.PAUSED)])
async def test_a_code_dialled_as_the_wrap_up_ends_is_not_outlived_by_it(
    floor: Floor,
    order: str,
    status: AgentStatus,
) -> None:
    await _in_wrap_up(floor)
    floor.house.clock.turn(19.9)
    said = floor.house.clock()
    floor.house.clock.turn(0.2)
    await floor.keeper.step()
    assert floor.duties.of("101").status is AgentStatus.READY
    async with floor.house.database.scoped(Scope.all()) as connection:
        await take_phone_codes(connection, [PhoneCode("101", order, said)])
    await floor.duties.load()
    assert floor.duties.of("101").status is status


async def test_who_takes_the_lead_over_in_mid_call_begins_the_wrap_up_after_it(floor: Floor) -> None:
    await floor.write("101", "sign_in")
    await floor.step()
    floor.keeper._leads = lambda: False
    leg = ami.Leg(UniqueId("pbx1-1.1"), "PJSIP/agent-101-00000001", LinkedId("pbx1-1.1"))
    for fact in floor.view.apply(ami.Newchannel(leg, ami.STATE_DOWN, "", "", "", "", floor.house.clock())):
        floor.keeper.on_fact(fact)
    floor.keeper._talks["101"] = _Talk("c", "skynet", talked=True)
    await floor.keeper.step()
    floor.keeper._leads = lambda: True
    for fact in floor.view.apply(ami.Hangup(leg, 16)):
        floor.keeper.on_fact(fact)
    await floor.keeper.step()
    assert floor.duties.of("101").status is AgentStatus.WRAP_UP


async def test_a_database_that_is_away_as_the_call_ends_loses_no_wrap_up(
    floor: Floor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await floor.write("101", "sign_in")
    await floor.step()
    floor.keeper._talks["101"] = _Talk("c", "skynet", talked=True)

    def away(*_given: object, **_named: object) -> None:
        raise Unavailable("database", "away")

    with monkeypatch.context() as patched:
        patched.setattr(floor.house.database, "scoped", away)
        with pytest.raises(Unavailable):
            await floor.keeper.step()
    await floor.keeper.step()
    assert floor.duties.of("101").status is AgentStatus.WRAP_UP
