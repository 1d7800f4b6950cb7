"""A mass outage in words, in both languages: what is known is said, and nothing surer than that."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.languages import load_catalogues
from callcenter.desk.outage_words import OutageWords
from callcenter.diag.mass import SILENT, Dark, MassOutage, OutageScope
from callcenter.diag.outage_rows import Outage
from callcenter.diag.reading import DownReason
from callcenter.words import DeviceId, OnuAddress, ProviderId

SINCE = datetime(2026, 11, 23, 12, 2, tzinfo=UTC)
KYIV = ZoneInfo("Europe/Kyiv")
CATALOGUES = load_catalogues()
LETTERS = {"F": DownReason.FIBRE, "P": DownReason.POWER, "?": DownReason.UNKNOWN}


def outage(scope: OutageScope, place: str, dark: str, total: int) -> Outage:
    """``FFP`` are three ONUs that are dark, two by fibre and one by power."""
    onus = tuple(
        Dark(DeviceId(1), OnuAddress.parse(f"EPON0/{1 + number // 60}:{1 + number % 60}"), LETTERS[letter])
        for number, letter in enumerate(dark)
    )
    return Outage(ProviderId(1), "epon-7", MassOutage(DeviceId(1), scope, place, SINCE, onus, total), SINCE, "sweep")


SAID = [
    (
        outage("pon", "e0/1", "F" * 43, 48),
        "Не тільки у вас: 43 з 48 ONU порту e0/1 без зв’язку з 14:02 (волокно).",
        "It is not only you: 43 of 48 ONUs of port e0/1 are dark since 14:02 (fibre).",
    ),
    (
        outage("pon", "e0/1", "P" * 30 + "F" * 12 + "?", 48),
        (
            "Не тільки у вас: 43 з 48 ONU порту e0/1 без зв’язку з 14:02 "
            "(причини різні: живлення – 30, волокно – 12, причина невідома – 1)."
        ),
        (
            "It is not only you: 43 of 48 ONUs of port e0/1 are dark since 14:02 "
            "(for several reasons: power – 30, fibre – 12, reason unknown – 1)."
        ),
    ),
    (
        outage("pon", "e0/1", "F" * 21, 21),
        "Не тільки у вас: весь порт e0/1 (21 лінія) без світла з 14:02, схоже на обрив магістралі.",
        "It is not only you: all of port e0/1 (21 lines) is without light since 14:02; it looks like the trunk fibre.",
    ),
    (
        outage("pon", "e0/1", "F" * 20 + "??", 22),
        "Не тільки у вас: весь порт e0/1 (22 лінії) без світла з 14:02, схоже на обрив магістралі.",
        "It is not only you: all of port e0/1 (22 lines) is without light since 14:02; it looks like the trunk fibre.",
    ),
    (  # one that could still say that its power went: no fibre cut makes an ONU gasp
        outage("pon", "e0/1", "F" * 10 + "P", 11),
        "Не тільки у вас: весь порт e0/1 (11 ліній) без зв’язку з 14:02 (причини різні: волокно – 10, живлення – 1).",
        (
            "It is not only you: all of port e0/1 (11 lines) is dark since 14:02 "
            "(for several reasons: fibre – 10, power – 1)."
        ),
    ),
    (
        outage("pon", "e0/1", "P" * 3, 3),
        "Не тільки у вас: весь порт e0/1 (3 лінії) без зв’язку з 14:02 (живлення).",
        "It is not only you: all of port e0/1 (3 lines) is dark since 14:02 (power).",
    ),
    (
        outage("olt", "", "F" * 90, 96),
        "Не тільки у вас: 90 з 96 ONU станції epon-7 без зв’язку з 14:02 (волокно).",
        "It is not only you: 90 of 96 ONUs of epon-7 are dark since 14:02 (fibre).",
    ),
    (  # all ports of an OLT do not share one fibre: no trunk is claimed
        outage("olt", "", "F" * 91, 91),
        "Не тільки у вас: вся станція epon-7 (91 лінія) без зв’язку з 14:02 (волокно).",
        "It is not only you: all of OLT epon-7 (91 lines) is dark since 14:02 (fibre).",
    ),
    (
        outage("area", "Центр", "P" * 12, 12),
        "Не тільки у вас: весь район «Центр» (12 ліній) без зв’язку з 14:02 (живлення).",
        "It is not only you: all of “Центр” (12 lines) is dark since 14:02 (power).",
    ),
    (
        outage("olt", SILENT, "", 1),
        "Станція epon-7 не відповідає з 14:02: стан 1 лінії на ній невідомий.",
        "OLT epon-7 does not answer since 14:02: how its 1 line is, is not known.",
    ),
    (
        outage("olt", SILENT, "", 112),
        "Станція epon-7 не відповідає з 14:02: стан 112 ліній на ній невідомий.",
        "OLT epon-7 does not answer since 14:02: how its 112 lines are is not known.",
    ),
    (
        outage("olt", SILENT, "", 0),
        "Станція epon-7 не відповідає з 14:02: стан ліній на ній невідомий.",
        "OLT epon-7 does not answer since 14:02: how its lines are is not known.",
    ),
]


@pytest.mark.parametrize(("known", "uk", "en"), SAID, ids=[english for _, _, english in SAID])
def test_an_outage_is_said_as_far_as_it_is_known(known: Outage, uk: str, en: str) -> None:
    for language, said in (("uk", uk), ("en", en)):
        words = AgentWords(CATALOGUES[language])  # type: ignore[index]  # a language by its letters
        assert words.outage(known, KYIV, SINCE) == said


@pytest.mark.parametrize(
    ("known", "place", "cause"),
    [
        (outage("olt", SILENT, "", 112), "epon-7", "does not answer"),
        (outage("olt", "", "F" * 90, 96), "epon-7", "fibre"),
        (outage("pon", "e0/1", "FFF", 3), "e0/1", "looks like the trunk"),
        (outage("pon", "e0/1", "FFP", 4), "e0/1", "fibre – 2, power – 1"),
        (outage("pon", "e0/1", "???", 3), "e0/1", "reason unknown"),
    ],
)
def test_where_and_why_in_a_list(known: Outage, place: str, cause: str) -> None:
    words = OutageWords(CATALOGUES["en"])
    assert (words.place(known), words.cause(known)) == (place, cause)
