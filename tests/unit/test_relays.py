"""Credentials of the relay, held to what coturn's own recipe gives."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from callcenter.floor.relays import TALK, relays

URL = "turn:turn.example.net:3478?transport=udp"
UNTIL = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_the_password_is_the_one_openssl_makes_of_the_name() -> None:
    (one,) = relays((URL,), "north-salt", "agent-101", UNTIL)
    assert one["urls"] == [URL]
    assert one["username"] == f"{int((UNTIL + TALK).timestamp())}:agent-101"
    recipe = 'printf %s "$1" | openssl dgst -sha1 -hmac "$2" -binary | openssl base64'
    made = subprocess.run(
        ["sh", "-c", recipe, "sh", str(one["username"]), "north-salt"], check=True, capture_output=True, text=True
    )
    assert one["credential"] == made.stdout.strip()


def test_other_users_times_and_secrets_have_other_passwords() -> None:
    made = [
        relays((URL,), secret, user, until)[0]["credential"]
        for secret, user, until in (
            ("one", "agent-101", UNTIL),
            ("two", "agent-101", UNTIL),
            ("one", "agent-102", UNTIL),
            ("one", "agent-101", UNTIL + timedelta(seconds=1)),
        )
    ]
    assert len(set(made)) == 4


def test_without_a_relay_there_are_no_credentials() -> None:
    assert relays((), "north-salt", "agent-101", UNTIL) == ()
