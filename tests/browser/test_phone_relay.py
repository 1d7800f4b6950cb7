"""An agent outside: sound goes through a real relay (coturn) and no other way, by credentials of this sign-in."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lab.relay import SECRET, HouseWithRelay, Relay, own_address
from tests.browser.phone_pages import MARKS, PLAN, a_browser, at_work, hears_page, phone_is, talks
from tests.live.conftest import until
from tests.live.ports import free_port, free_ports

pytestmark = [
    *MARKS,
    pytest.mark.skipif(own_address() == "127.0.0.1", reason="a relay beside Asterisk needs more than loopback"),
]

HEARD = """async () => {
  const all = [...(await (window.phone.call?.session.connection || new RTCPeerConnection()).getStats()).values()];
  const way = all.find((each) => each.type === "transport")?.selectedCandidatePairId;
  const pair = all.find((each) => each.id === way);
  const sound = all.find((each) => each.type === "inbound-rtp");
  return { way: all.find((each) => each.id === pair?.localCandidateId)?.candidateType || "none",
    packets: sound?.packetsReceived || 0, energy: sound?.totalAudioEnergy || 0 };
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def outside() -> AsyncIterator[tuple[HouseWithRelay, Relay]]:
    with tempfile.TemporaryDirectory(prefix="cc", ignore_cleanup_errors=True) as folder:
        house = HouseWithRelay(Path(folder) / "h", PLAN, free_ports())
        house.relay_port = free_port(socket.SOCK_DGRAM)
        async with house, Relay(Path(folder), house.relay_port, house.secrets[SECRET]) as relay:
            yield house, relay


async def test_sound_goes_both_ways_through_the_relay_alone(outside: tuple[HouseWithRelay, Relay]) -> None:
    house, relay = outside
    async with a_browser() as browser:
        page = await at_work(house, await browser.new_context())
        call = await talks(house, page, "380639400001")

        stats: dict[str, float | str] = {}

        async def heard() -> bool:
            stats.update(await page.evaluate(HEARD))
            return float(stats["energy"]) > 0.01

        try:
            await until(heard, 30, "the agent hears the caller")
        except AssertionError:
            raise AssertionError(f"{stats}, the relay said {relay.said[-6000:]}") from None
        assert call.audio is not None
        await until(lambda: hears_page(call), 60, "the caller hears the agent")
        assert await page.evaluate("() => phone.state") == "talking"
        assert stats["way"] == "relay"
        assert ":agent-101>" in relay.said
        assert house.secrets[SECRET] not in house.service.tail(1_000_000)
        call.hangup()
        await phone_is(page, "registered")


async def test_a_relay_with_another_secret_lets_nobody_through(outside: tuple[HouseWithRelay, Relay]) -> None:
    house, _ = outside
    gather = """async (server) => {
      const connection = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: "relay" });
      const found = [];
      connection.addEventListener("icecandidate", ({ candidate }) => { if (candidate) found.push(candidate); });
      const over = new Promise((done) => connection.addEventListener("icegatheringstatechange", () => {
        if (connection.iceGatheringState === "complete") done();
      }));
      connection.createDataChannel("any");
      await connection.setLocalDescription();
      await over;
      connection.close();
      return found.length;
    }"""
    login = """async () => (await (await fetch("/api/v1/phone/login", { method: "POST", headers:
      { "Content-Type": "application/json", "X-CSRF-Token": live.csrf },
      body: JSON.stringify({ tab: phoneTab.id }) })).json()).ice_servers[0]"""
    async with a_browser() as browser:
        page = await at_work(house, await browser.new_context())
        server = await page.evaluate(login)
        assert await page.evaluate(gather, server) > 0
        assert await page.evaluate(gather, {**server, "credential": "another"}) == 0
        ended = "1000000000:agent-101"
        assert await page.evaluate(gather, {**server, "username": ended}) == 0
