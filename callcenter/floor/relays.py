"""Credentials for the relay (TURN) that sound of agents outside goes through. Pure.

As coturn's ``use-auth-secret`` takes them (draft-uberti-behave-turn-rest-00): the user's name carries when it ends, the
password is its HMAC by a secret that the relay and we share. Nothing is stored, and nothing has to be withdrawn.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

TALK = timedelta(hours=2)
"""A talk may begin at the last moment of a login and still needs its relay."""


def relays(urls: Sequence[str], secret: str, user: str, until: datetime) -> tuple[dict[str, object], ...]:
    """Who is outside is heard through the relay for as long as their sign-in and one more talk last.

    As a browser's ``RTCIceServer``; nothing where no relay is set up. ``until`` is aware.
    """
    if not urls:
        return ()
    name = f"{int((until + TALK).timestamp())}:{user}"
    mac = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
    return ({"urls": list(urls), "username": name, "credential": base64.b64encode(mac).decode()},)
