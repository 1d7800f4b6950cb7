"""Passwords and tokens are kept so that a stolen database opens nothing."""

from __future__ import annotations

import re

import pytest

from callcenter.errors import RuleBroken
from callcenter.store.credentials import hash_password, new_password, new_token, password_matches, token_hash


def test_a_password_is_kept_as_argon2id_and_checked() -> None:
    kept = hash_password("правильний кінь")
    assert kept.startswith("$argon2id$")
    assert password_matches(kept, "правильний кінь")
    assert not password_matches(kept, "правильний кіт")
    assert not password_matches(kept, "правильний кінь" + "x" * 300)


@pytest.mark.parametrize("damaged", ["", "plain", "$argon2id$v=19$m=65536"])
def test_a_damaged_hash_opens_nothing(damaged: str) -> None:
    assert not password_matches(damaged, damaged)


def test_nobody_has_no_password() -> None:
    assert not password_matches(None, "anything at all")


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(RuleBroken, match="10 to 200"):
        hash_password(password)


def test_generated_secrets_differ_and_can_be_typed() -> None:
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", new_password())
    assert new_password() != new_password()
    assert new_token() != new_token()
    assert len(token_hash(new_token())) == 32
