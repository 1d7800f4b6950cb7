"""Settings: a mistake is named where it was made, before anything starts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from callcenter.config import DatabaseSettings


@pytest.mark.parametrize("url", ["mysql://u@h/d", "u@h/d", ""])
def test_a_database_that_is_not_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with postgresql://"):
        DatabaseSettings.model_validate({"url": url})


def test_both_names_of_postgresql_are_taken() -> None:
    DatabaseSettings.model_validate({"url": "postgresql://u@h/d", "owner_url": "postgres://u@h/d"})
