"""What agents said of their duty by phone becomes their order, also when the service was away when they said it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.phone_codes import PhoneCode
from callcenter.errors import RuleBroken
from callcenter.floor import duty
from callcenter.floor.states import PHONE

log = logging.getLogger(__name__)

WHO = "phone"


async def take_phone_codes(connection: AsyncConnection, codes: Sequence[PhoneCode]) -> None:
    """Each is written as if ordered when it was dialled; one that the agent's duty has outlived is let be."""
    for code in codes:
        try:
            if not await _is_news(connection, code.extension, code.at):
                log.info("floor: %s of agent %s at %s is older than their duty", code.order, code.extension, code.at)
                continue
            await _take(connection, code)
        except RuleBroken as exc:  # removed, or signed out elsewhere: what was ordered there stands
            log.warning("floor: %s by phone: %s", code.order, exc)


async def _is_news(connection: AsyncConnection, extension: str, at: datetime) -> bool:
    since = await duty.said_since(connection, extension)
    return since is None or since <= at


async def _take(connection: AsyncConnection, code: PhoneCode) -> None:
    extension, at = code.extension, code.at
    match code.order:
        case "in":
            await duty.sign_in(connection, extension, at, WHO)
        case "out":
            await duty.sign_out(connection, extension, at, WHO)
        case "pause":
            await duty.pause(connection, extension, at, WHO, reason=PHONE)
        case "ready":
            await duty.ready(connection, extension, at, WHO)
        case _:
            raise RuleBroken(f"{code.order} is no order of duty")
