"""What a full diagnosis concludes: the cases of ``tests/tapes/verdicts.toml``, and laws that hold for any evidence."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.desk.languages import load_catalogues
from callcenter.diag.conclusion import Common, Confidence, Echoes, Evidence, Lamp, Neighbours, Past, conclude
from callcenter.diag.reading import DownReason, LineDetails, MacRow, OnuReading, OnuState, PortReading, UniPort
from callcenter.diag.verdict import Cause, Level, Thresholds
from callcenter.errors import Misconfigured
from callcenter.words import Dbm, Missing

CASES = tomllib.loads((Path(__file__).parent.parent / "tapes" / "verdicts.toml").read_text("utf-8"))["case"]
NORMS = Thresholds()
FAULTS = {Level.WEAK, Level.CRITICAL, Level.DARK}


def evidence(case: dict[str, Any]) -> Evidence:
    """The case as it would have been learned."""
    contract = case.get("contract", {})
    return Evidence(
        reading=_reading(case),
        outage=_outage(case.get("outage")),
        lamps={Lamp(lamp): lit for lamp, lit in case.get("lamps", {}).items()},
        past=_past(case.get("past"), case.get("usual_olt_rx")),
        neighbours=Neighbours(*case["neighbours"]) if "neighbours" in case else None,
        details=_details(case),
        port=Missing(case["port_missing"], "sw") if "port_missing" in case else _port(case.get("port")),
        errors_grew=case.get("errors_grew"),
        mac=contract.get("mac"),
        mac_at=case.get("mac_at", ""),
        vlan=contract.get("vlan"),
        cpe=Echoes(*case["cpe"]) if "cpe" in case else None,
        site=Echoes(*case["site"]) if "site" in case else None,
    )


def norms(case: dict[str, Any]) -> Thresholds:
    return Thresholds.from_settings(case.get("norms", {})).of(case.get("family", ""))


def _reading(case: dict[str, Any]) -> OnuReading | Missing | None:
    if "missing" in case:
        return Missing(case["missing"], "olt-1")
    if "reading" not in case:
        return None
    told = case["reading"]
    return OnuReading(
        state=OnuState(told["state"]),
        onu_rx=told.get("onu_rx"),
        olt_rx=told.get("olt_rx"),
        last_down_reason=DownReason(told["reason"]) if "reason" in told else None,
        uni_up={"up": True, "down": False}.get(told.get("uni", "")),
        uni_mbps=told.get("mbps"),
        model=told.get("model", ""),
    )


def _outage(told: Any) -> Common | None:
    if told is None:
        return None
    return Common("", 0, 0, silent=True) if told == "silent" else Common("EPON0/1", *told)


def _past(told: list[Any] | None, usual_olt_rx: float | None) -> Past | None:
    if told is None:
        return None
    return Past(Dbm(told[0]), None if usual_olt_rx is None else Dbm(usual_olt_rx), *told[1:])


def _macs(told: list[str] | None) -> tuple[MacRow, ...] | None:
    return None if told is None else tuple(MacRow(mac) for mac in told)


def _details(case: dict[str, Any]) -> LineDetails | None:
    if not {"macs", "vlan", "unis"} & case.keys():
        return None
    unis = tuple(
        UniPort(
            each["number"],
            up=each["up"],
            mbps=each.get("mbps"),
            full_duplex=each.get("full"),
            errors=each.get("errors"),
        )
        for each in case.get("unis", [])
    )
    return LineDetails(macs=_macs(case.get("macs")), vlan=case.get("vlan"), unis=unis)


def _port(told: dict[str, Any] | None) -> PortReading | None:
    if told is None:
        return None
    return PortReading(
        "Gi1/0/5", up=told["up"], enabled=told["enabled"], mbps=told.get("mbps"), full_duplex=told.get("full"),
        in_errors=told.get("errors"), pvid=told.get("pvid"), flaps=told.get("flaps"), macs=_macs(told.get("macs")),
        tagged=tuple(told["tagged"]) if "tagged" in told else None,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_concluded_as_the_engineer_says(case: dict[str, Any]) -> None:
    found = conclude(evidence(case), norms(case))
    assert found.cause == case["cause"]
    for name in ("confidence", "level", "visit"):
        if name in case:
            assert getattr(found, name) == case[name]


def test_every_cause_has_a_case() -> None:
    assert {case["cause"] for case in CASES} == set(Cause)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_conclusion_is_said_in_both_languages(case: dict[str, Any]) -> None:
    from callcenter.desk.agent_words import AgentWords

    found = conclude(evidence(case), NORMS)
    for catalogue in load_catalogues().values():
        words = AgentWords(catalogue)
        for said in (words.concluded(found), words.do_next(found)):
            assert said
            assert "%(" not in said
        for step in found.stands_on:
            assert catalogue.knows(f"diag.step.{step}")


level = st.one_of(st.none(), st.floats(-40, 10).map(Dbm))
macs = st.one_of(st.none(), st.lists(st.sampled_from(["64:ee:b7:00:00:01", "64:ee:b7:00:00:02"])).map(_macs))
reading = st.one_of(
    st.none(),
    st.sampled_from(["line.missing.timeout", "line.missing.nonsense"]).map(Missing),
    st.builds(
        OnuReading,
        state=st.sampled_from(OnuState),
        onu_rx=level,
        olt_rx=level,
        last_down_reason=st.one_of(st.none(), st.sampled_from(DownReason)),
        uni_up=st.one_of(st.none(), st.booleans()),
        uni_mbps=st.sampled_from([None, 10, 100, 1000]),
    ),
)
echoes = st.one_of(st.none(), st.integers(0, 60).map(lambda got: Echoes(60, got)))
anything = st.builds(
    Evidence,
    reading=reading,
    outage=st.sampled_from([None, Common("EPON0/1", 43, 48), Common("", 0, 0, silent=True)]),
    lamps=st.dictionaries(st.sampled_from(Lamp), st.booleans()),
    neighbours=st.one_of(
        st.none(), st.integers(0, 20).flatmap(lambda n: st.builds(Neighbours, st.just(n), st.integers(0, n)))
    ),
    past=st.one_of(st.none(), st.builds(Past, level, level, st.integers(0, 300), st.integers(0, 5), st.integers(0, 9))),
    details=st.one_of(st.none(), st.builds(LineDetails, macs=macs, vlan=st.sampled_from([None, 100, 200]))),
    port=st.one_of(st.none(), st.builds(PortReading, name=st.just("1"), up=st.booleans(), macs=macs)),
    mac=st.sampled_from([None, "64:ee:b7:00:00:01"]),
    vlan=st.sampled_from([None, 100]),
    cpe=echoes,
    site=echoes,
    errors_grew=st.sampled_from([None, 0, 100]),
)
SURENESS = {Confidence.GUESS: 0, Confidence.LIKELY: 1, Confidence.SURE: 2}
FORGETTABLE = ("past", "neighbours", "details", "cpe", "site", "mac", "vlan", "port")


@given(anything)
def test_any_evidence_gives_a_conclusion(known: Evidence) -> None:
    found = conclude(known, NORMS)
    assert found.stands_on
    assert found.cause in Cause


@given(anything)
def test_nothing_read_is_never_an_offline_onu(known: Evidence) -> None:
    """Without a reading only the provider's side, a mass outage, the switch's port or the lamps can be dark."""
    if isinstance(known.reading, OnuReading) or known.lamps:
        return
    found = conclude(known, NORMS)
    if found.level is Level.DARK:
        assert found.cause in {Cause.OLT_SILENT, Cause.MASS_OUTAGE, Cause.PORT_OFF, Cause.PORT_DOWN}


@given(anything, st.sampled_from([each.name for each in fields(Evidence) if each.name not in {"reading", "lamps"}]))
def test_a_line_in_order_is_not_made_worse_by_knowing_less(known: Evidence, name: str) -> None:
    if conclude(known, NORMS).level is Level.GOOD:
        less = replace(known, **{name: None})  # type: ignore[arg-type]  # the fields that may be unknown
        assert conclude(less, NORMS).level in {Level.GOOD, Level.UNKNOWN}


@given(anything)
def test_a_dark_onu_is_told_by_itself_or_by_its_neighbours(known: Evidence) -> None:
    """Later facts are not applicable: they never name the fault of an ONU that is off."""
    if isinstance(known.reading, OnuReading) and known.reading.state is OnuState.OFFLINE:
        assert set(conclude(known, NORMS).stands_on) <= {"mass", "state", "lamps"}


@given(anything, st.sampled_from(FORGETTABLE))
def test_knowing_less_never_makes_a_fault_more_certain(known: Evidence, name: str) -> None:
    """The same fault, told from less, is told with no more certainty."""
    more = conclude(known, NORMS)
    less = conclude(replace(known, **{name: None}), NORMS)  # type: ignore[arg-type]  # the fields that may be unknown
    if less.level in FAULTS and less.cause is more.cause:
        assert SURENESS[less.confidence] <= SURENESS[more.confidence]


@given(anything)
def test_a_conclusion_stands_on_what_is_known(known: Evidence) -> None:
    has = {
        "mass": known.outage is not None,
        "state": isinstance(known.reading, OnuReading),
        "levels": isinstance(known.reading, OnuReading),
        "lamps": bool(known.lamps),
        "past": known.past is not None,
        "log": known.past is not None or known.port is not None,
        "neighbours": known.neighbours is not None,
        "mac": known.details is not None or known.port is not None or bool(known.mac_at),
        "vlan": known.vlan is not None,
        "port": known.port is not None,
        "icmp": known.cpe is not None or known.site is not None,
        "site": known.site is not None,
    }
    found = conclude(known, NORMS)
    assert all(has.get(fact, True) for fact in found.stands_on), found


@given(st.dictionaries(st.sampled_from(["epon", "gpon", "hg83"]), st.tuples(st.floats(-39, -1), st.floats(-39, -1))))
def test_norms_that_were_accepted_never_fail_a_reading(classes: dict[str, tuple[float, float]]) -> None:
    settings: dict[str, object] = {}
    for of, (critical, strong) in classes.items():
        settings |= {f"{of}.onu_rx_critical": critical, f"{of}.onu_rx_strong": strong}
    try:
        norms = Thresholds.from_settings(settings)
    except Misconfigured:
        return
    for family in ("", "epon", "gpon"):
        for model in ("", "HG8310", "EPON-1", "x"):
            assert norms.of(family).of(model)
    assert Thresholds.from_settings(norms.as_settings()) == norms


@pytest.mark.parametrize(
    "settings",
    [{"epon.rx": 1}, {"EPON.onu_rx_weak": -24}, {".onu_rx_weak": -24}, {"epon.onu_rx_weak": "low"}, {"x": 1}],
)
def test_a_setting_that_is_no_threshold_is_named(settings: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(settings))):
        Thresholds.from_settings(settings)
