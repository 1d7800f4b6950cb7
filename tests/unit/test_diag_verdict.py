"""What the agent is told about a line, as a table that an ISP's engineer can check."""

from __future__ import annotations

import pytest

from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.verdict import Cause, Level, Thresholds, judge
from callcenter.errors import Misconfigured
from callcenter.words import Dbm, Missing

NORMS = Thresholds()


def online(
    onu_rx: float | None, olt_rx: float | None, uni_up: bool | None = True, uni_mbps: int | None = 1000
) -> OnuReading:
    return OnuReading(
        OnuState.ONLINE,
        onu_rx=None if onu_rx is None else Dbm(onu_rx),
        olt_rx=None if olt_rx is None else Dbm(olt_rx),
        uni_up=uni_up,
        uni_mbps=uni_mbps,
    )


LIGHT = """
    ONU rx  OLT rx  router  Mbit/s  level     cause
    -19.8   -21.0   up      1000    good      good
    -25.0   -26.0   up      1000    good      good
    -8.0    -20.0   up      1000    good      good
    -25.1   -21.0   up      1000    weak      weak
    -27.0   -21.0   up      1000    weak      weak
    -27.1   -21.0   up      1000    critical  critical
    -30.5   -     up      1000    critical  critical
    -7.9    -20.0   up      1000    weak      too-strong
    -21.0   -26.1   up      1000    weak      weak-at-olt
    -21.0   -28.0   up      1000    weak      weak-at-olt
    -21.0   -28.1   up      1000    critical  critical-at-olt
    -26.4   -29.0   up      1000    critical  critical-at-olt
    -28.0   -29.0   up      1000    critical  critical
    -22.6   -34.0   up      1000    good      good
    -26.4   -34.0   up      1000    weak      weak
    -       -21.0   up      1000    good      good
    -       -       up      1000    unknown   no-levels
    -       -34.0   up      1000    unknown   no-levels
    -19.8   -21.0   down    -       weak      router-off
    -       -       down    -       weak      router-off
    -26.4   -25.0   down    -       weak      weak
    -19.8   -21.0   up      10      weak      slow-cable
    -19.8   -21.0   up      100     good      good
    -19.8   -21.0   -       -       good      good
"""


@pytest.mark.parametrize("row", LIGHT.strip().splitlines()[1:], ids=str.split)
def test_an_online_line_is_judged_by_its_light_then_by_the_routers_cable(row: str) -> None:
    onu_rx, olt_rx, router, speed, level, cause = (None if cell == "-" else cell for cell in row.split())
    reading = online(
        None if onu_rx is None else float(onu_rx),
        None if olt_rx is None else float(olt_rx),
        None if router is None else router == "up",
        None if speed is None else int(speed),
    )
    verdict = judge(reading, NORMS)
    assert (verdict.level, verdict.cause) == (level, cause)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (DownReason.POWER, Cause.NO_POWER),
        (DownReason.FIBRE, Cause.NO_LIGHT),
        (DownReason.DEGRADED, Cause.LINK_LOST),
        (DownReason.RESET, Cause.RESTARTED),
        (DownReason.ADMIN, Cause.SWITCHED_OFF),
        (DownReason.UNKNOWN, Cause.OFF),
        (None, Cause.OFF),
    ],
)
def test_a_dark_line_is_judged_by_why_it_went_down(reason: DownReason | None, cause: Cause) -> None:
    verdict = judge(OnuReading(OnuState.OFFLINE, last_down_reason=reason), NORMS)
    assert (verdict.level, verdict.cause) == (Level.DARK, cause)


@pytest.mark.parametrize(
    ("state", "level", "cause"),
    [
        (OnuState.DISABLED, Level.DARK, Cause.SWITCHED_OFF),
        (OnuState.STARTING, Level.DARK, Cause.STARTING),
        (OnuState.ABSENT, Level.UNKNOWN, Cause.ABSENT),
        (OnuState.UNKNOWN, Level.UNKNOWN, Cause.UNREADABLE),
    ],
)
def test_other_states_speak_for_themselves(state: OnuState, level: Level, cause: Cause) -> None:
    verdict = judge(OnuReading(state), NORMS)
    assert (verdict.level, verdict.cause) == (level, cause)


def test_a_silent_olt_is_unknown_and_never_offline() -> None:
    verdict = judge(Missing("line.missing.timeout", "vezha"), NORMS)
    assert (verdict.level, verdict.cause) == (Level.UNKNOWN, Cause.NO_READING)
    assert verdict.say == "line.missing.timeout"
    assert verdict.args["about"] == "vezha"


def test_the_levels_come_with_their_norms() -> None:
    onu, olt = judge(online(-26.4, -24.9), NORMS).evidence
    assert (onu.name, onu.value, onu.norm, onu.level) == ("onu_rx", -26.4, (-25.0, -8.0), Level.WEAK)
    assert (olt.name, olt.value, olt.norm, olt.level) == ("olt_rx", -24.9, (-26.0, None), Level.GOOD)


def test_an_impossible_level_at_the_olt_is_shown_but_concludes_nothing() -> None:
    _, olt = judge(online(-22.6, -34.0), NORMS).evidence
    assert (olt.value, olt.level) == (-34.0, Level.UNKNOWN)


def test_every_level_has_exactly_one_verdict() -> None:
    """From dark to blinding, in tenths of a dBm: the verdict never gets better as the light gets weaker."""
    order = [Level.GOOD, Level.WEAK, Level.CRITICAL]
    ranks = [order.index(judge(online(tenth / 10, -20.0), NORMS).level) for tenth in range(-80, -400, -1)]
    assert ranks == sorted(ranks)


def test_a_provider_draws_its_own_lines() -> None:
    px20 = Thresholds.from_settings({"onu_rx_critical": -24, "onu_rx_weak": -22.5})
    assert judge(online(-23.0, -21.0), px20).cause is Cause.WEAK
    assert judge(online(-24.5, -21.0), px20).cause is Cause.CRITICAL
    assert judge(online(-24.5, -21.0), NORMS).cause is Cause.GOOD
    assert Thresholds.from_settings(px20.as_settings()) == px20


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"onu_weak": -25}, "onu_weak is not a threshold"),
        ({"onu_rx_weak": "низько"}, "onu_rx_weak must be a number"),
        ({"onu_rx_weak": True}, "onu_rx_weak must be a number"),
        ({"onu_rx_weak": -28}, "onu_rx_critical <= onu_rx_weak"),
        ({"onu_rx_strong": 3}, "onu_rx_strong <= 0"),
        ({"olt_rx_critical": -20}, "olt_rx_critical <= olt_rx_weak"),
        ({"onu_rx_critical": float("nan")}, "onu_rx_critical"),
    ],
)
def test_thresholds_that_cannot_work_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        Thresholds.from_settings(settings)
