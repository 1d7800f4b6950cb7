"""Every line of evidence is a sentence in both languages, whatever a device said."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.languages import load_catalogues
from callcenter.diag.conclusion import Common, Echoes, Lamp, Past
from callcenter.diag.examined import (
    Fact,
    Step,
    StepName,
    StepState,
    echo_facts,
    lamp_facts,
    level_facts,
    log_facts,
    mac_facts,
    mass_facts,
    port_facts,
    state_facts,
    uni_facts,
    vlan_facts,
)
from callcenter.diag.reading import DownReason, LineDetails, LogLine, OnuReading, OnuState, PortReading, UniPort
from callcenter.words import Dbm, Missing

WORDS = [AgentWords(catalogue) for catalogue in load_catalogues().values()]
flag = st.sampled_from([None, True, False])
level = st.one_of(st.none(), st.floats(-40, 10).map(Dbm))
said = st.text(max_size=300)
uni = st.builds(UniPort, st.integers(1, 64), up=flag, mbps=st.sampled_from([None, 10, 1000]), full_duplex=flag,
                errors=st.sampled_from([None, 0, 10**9]))  # fmt: skip
details = st.one_of(
    st.none(),
    st.builds(LineDetails, unis=st.lists(uni, max_size=12).map(tuple),
              log=st.one_of(st.none(), st.lists(st.builds(LogLine, said), max_size=9).map(tuple))),
)  # fmt: skip
reading = st.builds(
    OnuReading, st.sampled_from(OnuState), onu_rx=level, onu_tx=level, olt_rx=level, uni_up=flag,
    last_down_reason=st.one_of(st.none(), st.sampled_from(DownReason)), last_down_word=said,
    uni_mbps=st.sampled_from([None, 100]),
)  # fmt: skip
port = st.builds(
    PortReading, said, up=flag, enabled=flag, mbps=st.sampled_from([None, 100]), full_duplex=flag, sfp_rx=level,
    in_errors=st.sampled_from([None, 0, 5]), crc_errors=st.sampled_from([None, 7]),
)  # fmt: skip


def told(facts: Iterable[Fact]) -> None:
    """Each in both languages, with every name filled in."""
    for fact in facts:
        for words in WORDS:
            assert words.fact(fact), fact


@given(reading, details, st.one_of(st.none(), st.builds(Past, level, level, st.integers(0, 99))))
def test_what_is_read_of_an_onu_is_told(onu: OnuReading, more: LineDetails | None, past: Past | None) -> None:
    told((*state_facts(onu), *level_facts(onu, past), *uni_facts(onu, more), *log_facts(more or LineDetails())))
    assert len(uni_facts(onu, more)) <= 16
    assert all(len(str(fact.args)) < 400 for fact in log_facts(more or LineDetails()))


@given(port, st.one_of(st.none(), st.lists(said).map(tuple)), said, st.sets(st.integers(0, 4095)))
def test_what_is_read_of_a_port_is_told(
    one: PortReading, macs: tuple[str, ...] | None, at: str, vlans: set[int]
) -> None:
    told((*port_facts(one), *mac_facts(macs, None, at), *mac_facts(macs, "64:ee:b7:00:00:01"), *vlan_facts(vlans, 100)))


@given(st.dictionaries(st.sampled_from(Lamp), st.booleans()), st.integers(0, 60), st.integers(0, 60))
def test_lamps_pings_and_outages_are_told(lamps: dict[Lamp, bool], sent: int, received: int) -> None:
    echoes = Echoes(sent, min(sent, received), 1.5, 0.2)
    told((*lamp_facts(lamps), echo_facts("site", echoes), echo_facts("cpe", echoes), *mass_facts(None)))
    told((*mass_facts(Common("EPON0/1", 3, 4)), *mass_facts(Common("olt", 0, 0, silent=True))))


def test_every_reason_for_no_answer_is_told() -> None:
    for words in WORDS:
        for reason in ("busy", "nonsense", "no-cli", "failed", "timeout", "silent", "refused", "absent", "listing",
                       "no-driver", "bad-address", "no-address", "ping-off", "no-route"):  # fmt: skip
            assert words.missing(Missing(f"line.missing.{reason}", "olt"))
        for reason in ("diag.missing.refused", "diag.missing.no-answer", "diag.fact.no_time", "diag.fact.no_ip"):
            assert words.missing(Missing(reason, "olt"))
        for key, args in (
            ("diag.fact.olt_answers", {"device": "olt"}), ("diag.fact.downs", {"day": 1, "week": 2}),
            ("diag.fact.neighbours", {"lower": 1, "total": 2}), ("diag.fact.cli_would_tell", {}),
            ("diag.fact.flaps", {"n": 3}), ("diag.fact.errors_grew", {"n": 3}),
        ):  # fmt: skip
            assert words.fact(Fact(key, args))


def test_a_step_fails_only_where_nothing_was_told() -> None:
    why, fact = Fact("diag.fact.no_time"), Fact("diag.fact.no_ip")
    assert Step(StepName.MAC).failed(why).state is StepState.FAILED
    assert Step(StepName.MAC).failed(why).failed(why).facts == (why,)
    both = Step(StepName.MAC).told(fact).failed(why)
    assert (both.state, both.facts) == (StepState.DONE, (fact, why))
    assert Step(StepName.MAC).failed(why).told(fact).state is StepState.DONE
