"""What two doors to one device tell of a line, put together."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.reading import LineDetails, UniPort
from callcenter.words import Dbm

unis = st.lists(
    st.builds(
        UniPort,
        number=st.integers(1, 8),
        up=st.sampled_from([None, True, False]),
        mbps=st.sampled_from([None, 10, 1000]),
        full_duplex=st.sampled_from([None, True, False]),
        errors=st.sampled_from([None, 0, 7]),
        vlan=st.sampled_from([None, 100]),
        vlan_mode=st.sampled_from(["", "tag"]),
    ),
    max_size=6,
    unique_by=lambda uni: uni.number,
).map(tuple)
details = st.builds(LineDetails, unis=unis, vlan=st.sampled_from([None, 100]), firmware=st.sampled_from(["", "V1"]))


def test_lan_ports_are_filled_port_by_port() -> None:
    snmp = LineDetails(unis=(UniPort(1, up=True, mbps=1000), UniPort(2, up=False, errors=0)), onu_rx=Dbm(-20))
    cli = LineDetails(
        unis=(UniPort(2, up=True, full_duplex=False, errors=9), UniPort(1, vlan=100), UniPort(4, up=False)),
        onu_rx=Dbm(-21),
        firmware="V1",
    )
    assert snmp.filled_by(cli) == LineDetails(
        unis=(
            UniPort(1, up=True, mbps=1000, vlan=100),
            UniPort(2, up=False, full_duplex=False, errors=0),
            UniPort(4, up=False),
        ),
        onu_rx=Dbm(-20),
        firmware="V1",
    )


@given(details, details)
def test_filling_keeps_what_is_known_and_loses_nothing(first: LineDetails, second: LineDetails) -> None:
    both = first.filled_by(second)
    assert {uni.number for uni in both.unis} == {uni.number for uni in (*first.unis, *second.unis)}
    assert both.filled_by(first) == both
    assert both.filled_by(second) == both
    for uni in first.unis:
        kept = next(each for each in both.unis if each.number == uni.number)
        assert kept == replace(kept, **{name: value for name in ("up", "mbps", "full_duplex", "errors", "vlan")
                                        if (value := getattr(uni, name)) is not None})  # fmt: skip
    assert LineDetails().filled_by(both) == both
