"""Small rules of the web: locks, scopes, colours, addresses of the site itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from callcenter.desk.api import Cursor, strict_json
from callcenter.desk.guard import Explained, is_local, origin_of
from callcenter.desk.health import whole
from callcenter.desk.pages import ink_on
from callcenter.desk.ports import Part, PartState
from callcenter.desk.sessions import AddressLocks, lock_after, scope_of
from callcenter.desk.sign_in import safe_next
from callcenter.routing.book import Book
from callcenter.store import Scope

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (9, 480), (10, 900), (10**9, 900)])
def test_each_further_wrong_try_locks_for_twice_as_long(failures: int, seconds: int) -> None:
    assert lock_after(failures) == timedelta(seconds=seconds)


def test_an_address_is_forgotten_after_an_hour_and_the_list_is_bounded() -> None:
    now = NOON
    locks = AddressLocks(lambda: now, most=3)
    for _ in range(25):
        locks.failed("203.0.113.5")
    assert locks.locked_for("203.0.113.5") == timedelta(minutes=15)
    now += timedelta(hours=1, seconds=1)
    locks.failed("203.0.113.5")
    assert locks.locked_for("203.0.113.5") == timedelta(0)
    for number in range(9):
        locks.failed(f"198.51.100.{number}")
    assert len(locks._tries) == 3


def test_who_was_given_nothing_sees_nothing() -> None:
    assert scope_of("agent", None, "101", Book()) == Scope.only(())
    assert scope_of("agent", None, None, Book()) == Scope.only(())
    assert scope_of("agent", [1, 2], "101", Book()) == Scope.only(()), "an agent's providers are those of their queues"
    assert scope_of("supervisor", [], None, Book()) == Scope.only(())
    assert scope_of("supervisor", None, None, Book()) == Scope.all()


@pytest.mark.parametrize(
    ("colour", "ink"), [("#0b5fff", "#ffffff"), ("#ffd400", "#000000"), ("#000000", "#ffffff"), ("#777777", "#000000")]
)
def test_a_brands_name_is_readable_on_its_colour(colour: str, ink: str) -> None:
    assert ink_on(colour) == ink


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Desk.Example:443/a?b", "https://desk.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_our_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@given(st.text())
def test_no_text_leads_from_sign_in_to_another_site(wanted: str) -> None:
    there = safe_next(wanted)
    assert there.startswith("/")
    assert not there.startswith(("//", "/\\"))


def test_a_proxy_on_this_machine_does_not_make_its_callers_local() -> None:
    assert is_local(make_mocked_request("GET", "/")) is False
    forwarded = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "203.0.113.5"})
    assert is_local(forwarded.clone(remote="127.0.0.1")) is False
    assert is_local(make_mocked_request("GET", "/").clone(remote="127.0.0.1")) is True


def test_the_service_is_as_well_as_its_worst_part() -> None:
    assert whole({}) is PartState.OK
    assert whole({"a": Part(PartState.DEGRADED), "b": Part(PartState.OK)}) is PartState.DEGRADED
    assert whole({"a": Part(PartState.DEGRADED), "b": Part(PartState.DOWN)}) is PartState.DOWN


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reading_of_bodies(raw: bytes) -> None:
    with suppress(Explained):
        strict_json(raw)


@given(st.text(max_size=100))
def test_no_text_breaks_the_reading_of_cursors(text: str) -> None:
    with suppress(Explained):
        Cursor(int).read(text)


@given(st.timedeltas(timedelta(0), timedelta(days=25_000)), st.integers(1, 2**63 - 1))
def test_a_cursor_says_where_the_page_ended(since_2000: timedelta, last: int) -> None:
    cursor, at = Cursor(int), datetime(2000, 1, 1, tzinfo=UTC) + since_2000
    assert cursor.read(cursor.write(at, last)) == (at, last)
