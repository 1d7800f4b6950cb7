"""Asterisk's question is answered in half a second, whatever the database does."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from pydantic import SecretStr

from callcenter.errors import Unavailable
from callcenter.ivr.question import PATH, QuestionPorts, make_app
from callcenter.words import Language, ProviderId
from tests.pbx_house import VOLIA, VOLIA_DID, a_book

TOKEN = "ivr-token-0123"
Client = TestClient[Request, Application]


async def nobody_owed(provider: ProviderId, number: str) -> bool:
    return False


async def nobody_known(provider: ProviderId, number: str) -> Language | None:
    return None


@asynccontextmanager
async def asked(
    owes: Callable[[ProviderId, str], Awaitable[bool]] = nobody_owed,
    speaks: Callable[[ProviderId, str], Awaitable[Language | None]] = nobody_known,
    deadline_s: float = 0.5,
) -> AsyncIterator[Client]:
    ports = QuestionPorts(a_book().provider_of, owes, speaks)
    async with TestClient(TestServer(make_app(ports, SecretStr(TOKEN), deadline_s=deadline_s))) as client:
        yield client


async def answer(
    client: Client, caller: str = "0631234567", did: str = VOLIA_DID, token: str = TOKEN
) -> tuple[int, str]:
    proof = "Basic " + base64.b64encode(f"asterisk:{token}".encode()).decode()
    query = {"call": "pbx1-1.2", "did": did, "caller": caller}
    async with client.get(PATH, params=query, headers={"Authorization": proof}) as response:
        return response.status, await response.text()


async def test_a_caller_who_calls_for_the_first_time_waits_their_turn_in_the_providers_language() -> None:
    async with asked() as client:
        assert await answer(client) == (200, "0|uk")


async def test_a_caller_we_owe_a_call_comes_first_and_is_asked_for_by_number_and_provider() -> None:
    seen: list[tuple[ProviderId, str]] = []

    async def owes(provider: ProviderId, number: str) -> bool:
        seen.append((provider, number))
        return True

    async with asked(owes) as client:
        assert await answer(client) == (200, "5|uk")
    assert seen == [(VOLIA, "+380631234567")]


async def test_a_subscriber_hears_their_own_language() -> None:
    async def speaks(provider: ProviderId, number: str) -> Language | None:
        return "en"

    async with asked(speaks=speaks) as client:
        assert await answer(client) == (200, "0|en")


async def test_a_database_that_is_slow_or_away_is_not_waited_for() -> None:
    async def never(provider: ProviderId, number: str) -> bool:
        await asyncio.Event().wait()
        return True

    async def away(provider: ProviderId, number: str) -> bool:
        raise Unavailable("database", "is away")

    async with asked(never, deadline_s=0.05) as client, asyncio.timeout(1):
        assert await answer(client) == (200, "0|uk")
    async with asked(away) as client:
        assert await answer(client) == (200, "0|uk")


async def test_what_was_learned_before_the_deadline_counts() -> None:
    async def owes(provider: ProviderId, number: str) -> bool:
        return True

    async def never(provider: ProviderId, number: str) -> Language | None:
        await asyncio.Event().wait()
        return "en"

    async with asked(owes, never, deadline_s=0.05) as client:
        assert await answer(client) == (200, "5|uk")


async def test_an_anonymous_caller_is_looked_up_nowhere() -> None:
    async def owes(provider: ProviderId, number: str) -> bool:
        raise AssertionError(number)

    async with asked(owes) as client:
        assert await answer(client, caller="") == (200, "0|uk")
        assert await answer(client, caller="anonymous") == (200, "0|uk")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ключ"])
async def test_only_asterisk_is_answered(token: str) -> None:
    async with asked() as client:
        assert await answer(client, token=token) == (403, "")


@pytest.mark.parametrize("header", ["", "Basic", "Basic ###", "Bearer ivr-token-0123", "Basic bm9jb2xvbg=="])
async def test_a_request_without_proper_proof_is_refused(header: str) -> None:
    async with asked() as client, client.get(PATH, headers={"Authorization": header} if header else {}) as response:
        assert response.status == 403


@pytest.mark.parametrize("did", ["", "+380449999999", "'; DROP TABLE did; --", "\x00", "+" * 900])
async def test_an_unknown_did_has_no_answer_and_the_call_goes_on_without(did: str) -> None:
    async with asked() as client:
        assert (await answer(client, did=did))[0] in (400, 404)
