"""The lists in a real Chromium: signing in by keyboard, playing a recording, names that would like to be scripts."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import numpy
import pytest
import soundfile
from playwright.async_api import Browser, Page
from sqlalchemy import text

from callcenter.config import WebSettings
from callcenter.desk.pages import PORTS
from callcenter.desk.server import make_app, served
from callcenter.store import Database, Scope
from tests.desk_house import CALLS, PASSWORD, RECORDINGS, House, a_day_of_work, desk_house

pytestmark = pytest.mark.browser


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    port = _free_port()
    web = WebSettings(public_url=f"http://127.0.0.1:{port}")
    async with desk_house(database, tmp_path, web) as house:
        await a_day_of_work(house)
        async with served(make_app(house.app[PORTS]), "127.0.0.1", port):
            yield house, web.public_url


async def _signed_in(browser: Browser, url: str, login: str, **options: object) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(**options)).new_page()  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/sign-in?next=/calls")
    await page.wait_for_function("document.activeElement.name === 'login'")
    await page.keyboard.type(login)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/calls")
    return page, complaints


async def test_a_name_that_would_like_to_be_a_script_stays_a_name(site: tuple[House, str], chromium: Browser) -> None:
    _, url = site
    page, complaints = await _signed_in(chromium, url, "iryna", locale="uk-UA")
    for path in ("/calls", f"/calls/{CALLS[1]}", "/callbacks", "/callbacks/1", "/recordings", "/alarms", "/api/docs"):
        await page.goto(url + path)
        assert await page.locator("img").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"{path} is wider than the screen"
        )
    assert complaints == []


async def test_a_recording_is_heard_and_the_listening_is_written_down(
    site: tuple[House, str], chromium: Browser
) -> None:
    house, url = site
    sound = house.recordings / "svitlo" / "sound.opus"
    tone = 0.3 * numpy.sin(numpy.arange(48_000 * 3) * 0.05)
    soundfile.write(sound, numpy.stack([tone, tone], axis=1), 48_000, format="OGG", subtype="OPUS")
    async with house.db.scoped(Scope.all()) as conn:
        await conn.execute(text("UPDATE recording SET bytes = :size"), {"size": sound.stat().st_size})
    page, _ = await _signed_in(chromium, url, "olena")
    await page.goto(f"{url}/calls/{CALLS[1]}")
    async with house.db.scoped(Scope.all()) as conn:
        assert (await conn.execute(text("SELECT count(*) FROM listening"))).scalar_one() == 0, "opening is no listening"
    heard = await page.evaluate(
        """async () => {
            const player = document.querySelector("audio");
            player.muted = true;
            await player.play();
            await new Promise(done => player.addEventListener("ended", done));
            return [player.duration, player.currentTime];
        }"""
    )
    assert heard == pytest.approx([3.0, 3.0], abs=0.1)
    async with house.db.scoped(Scope.all()) as conn:
        rows = (await conn.execute(text("SELECT DISTINCT recording_id::text, who FROM listening"))).all()
    assert [tuple(row) for row in rows] == [(RECORDINGS[1], "user:Олена")]


async def test_the_keyboard_reaches_the_content_first(site: tuple[House, str], chromium: Browser) -> None:
    _, url = site
    page, _ = await _signed_in(chromium, url, "olena", locale="en-GB")
    await page.goto(f"{url}/callbacks")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_is_readable_in_light_and_dark(site: tuple[House, str], chromium: Browser, scheme: str) -> None:
    """Every ink of the tokens has a contrast of at least 4.5 to 1 on the page and on a card (WCAG 2 AA)."""
    _, url = site
    page, _ = await _signed_in(chromium, url, "iryna", color_scheme=scheme)
    worst = await page.evaluate(
        """() => {
            const probe = document.body.appendChild(document.createElement("i"));
            const light = name => {
                probe.style.color = `var(${name})`;
                const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(c => c / 255)
                    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            const pairs = ["--bg", "--card"].flatMap(under =>
                ["--ink", "--dim", "--good", "--warn", "--bad", "--accent"].map(over => [over, under]));
            pairs.push(["--on-accent", "--accent"], ["--good", "--good-soft"], ["--warn", "--warn-soft"],
                       ["--bad", "--bad-soft"], ["--ink", "--soft"], ["--accent", "--soft"]);
            const found = pairs.map(([over, under]) => [contrast(light(over), light(under)), over, under]);
            return found.sort((a, b) => a[0] - b[0])[0];
        }"""
    )
    assert worst[0] >= 4.5, worst
